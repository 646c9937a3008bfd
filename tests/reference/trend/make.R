# Reference values for tests of trend from R's stats, coin, sandwich, and from enumeration of all tables.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressMessages(suppressPackageStartupMessages({library(coin); library(sandwich)}))
set.seed(20261126)
draw <- function(set, scores, outcomes, n, strength) {
  z <- rnorm(n)
  x <- scores[pmin(pmax(round(z + rnorm(n, 0, 0.7)) + 2, 1), length(scores))]
  cut <- qnorm(cumsum(outcomes / sum(outcomes)))
  y <- rowSums(outer(strength * z + sqrt(1 - strength^2) * rnorm(n), head(cut, -1), ">"))
  data.frame(set = set, score = x, outcome = y)
}
sets <- list(
  draw(1, 0:3, c(0.8, 0.2), 60, 0.5), draw(2, c(0, 1, 2, 5), c(0.9, 0.1), 38, 0.3),
  draw(3, 0:2, c(0.5, 0.3, 0.2), 16, 0.6), draw(4, 0:3, c(0.4, 0.3, 0.2, 0.1), 200, 0.3),
  draw(5, 0:1, c(0.4, 0.3, 0.2, 0.1), 40, 0.5), data.frame(set = 6, score = 1:8, outcome = c(2, 1, 3, 4, 7, 5, 8, 6)),
  draw(7, c(0, 0.5, 3), c(0.97, 0.03), 90, 0.5), draw(8, 0:2, c(0.6, 0.25, 0.15), 20, -0.4)
)
write.csv(do.call(rbind, sets), "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(set, method, quantity, value) {
  value <- sprintf("%.17g", as.numeric(value))
  rows[[length(rows) + 1]] <<- data.frame(set = set, method = method, quantity = quantity, value = value)
}
# Every table with the margins, one column of the result each, with its probability.
tables <- function(r, s) {
  fill <- function(r, s) {
    if (length(r) == 1) return(list(s))
    first <- as.matrix(expand.grid(lapply(pmin(s, r[1]), function(m) 0:m)))
    first <- first[rowSums(first) == r[1], , drop = FALSE]
    out <- list()
    for (k in seq_len(nrow(first))) for (rest in fill(r[-1], s - first[k, ])) out[[length(out) + 1]] <- c(first[k, ], rest)
    out
  }
  m <- do.call(cbind, fill(r, s))
  p <- exp(sum(lfactorial(r)) + sum(lfactorial(s)) - lfactorial(sum(r)) - colSums(lfactorial(m)))
  stopifnot(abs(sum(p) - 1) < 1e-9)
  list(m = m, p = p)
}
pairs_of <- function(t) {
  s <- 0
  for (i in seq_len(nrow(t) - 1)) for (k in (i + 1):nrow(t)) for (j in seq_len(ncol(t))) for (l in seq_len(ncol(t))) {
    s <- s + t[i, j] * t[k, l] * sign(l - j)
  }
  s
}
for (i in unique(d$set)) {
  t <- d[d$set == i, ]
  tab <- unclass(table(t$score, t$outcome))
  u <- as.numeric(rownames(tab))
  v <- as.numeric(colnames(tab))
  linear <- independence_test(outcome ~ score, data = t, teststat = "scalar")
  add(i, "linear_by_linear", c("statistic", "p_value"), c(statistic(linear), pvalue(linear)))
  if (ncol(tab) == 2) {
    f <- prop.trend.test(tab[, 2], rowSums(tab), u)
    add(i, "cochran_armitage", c("statistic", "p_value"), c(sign(statistic(linear)) * sqrt(f$statistic), f$p.value))
  }
  f <- suppressWarnings(cor.test(t$score, t$outcome, method = "kendall", exact = FALSE))
  if (i != 6) add(i, "jonckheere_terpstra", c("statistic", "p_value"), c(f$statistic, f$p.value))
  if (i == 6) add(i, "jonckheere_terpstra_exact", "p_value", cor.test(t$score, t$outcome, method = "kendall", exact = TRUE)$p.value)
  f <- lm(outcome ~ score, t)
  add(i, "slope", c("estimate", "std_error"), c(coef(f)[2], sqrt(vcovHC(f, "HC3")[2, 2])))
  if (nrow(tab) == 2 || ncol(tab) == 2) {
    groups <- if (ncol(tab) == 2) data.frame(g = factor(t$outcome), y = t$score) else data.frame(g = factor(t$score), y = t$outcome)
    add(i, "linear_exact_coin", "p_value", pvalue(independence_test(y ~ g, groups, distribution = "exact")))
    add(i, "jonckheere_exact_coin", "p_value", pvalue(wilcox_test(y ~ g, groups, distribution = "exact")))
  }
  if (i %in% c(3, 8)) {
    all <- tables(rowSums(tab), colSums(tab))
    # fill() lists a table row by row
    as_table <- function(x) matrix(x, nrow(tab), ncol(tab), byrow = TRUE)
    far <- function(stat) {
      values <- apply(all$m, 2, function(x) stat(as_table(x)))
      center <- sum(all$p * values)
      sum(all$p[abs(values - center) >= abs(stat(tab) - center) - 1e-9])
    }
    add(i, "linear_by_linear_exact", "p_value", far(function(x) drop(u %*% x %*% v)))
    add(i, "jonckheere_terpstra_exact", "p_value", far(pairs_of))
  }
}
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "coin": "%s",', packageVersion("coin")),
  sprintf('  "sandwich": "%s",', packageVersion("sandwich")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
