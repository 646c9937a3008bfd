# Reference values for screens: adjustment of p-values, rank tests, and step-down max-T over all permutations.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressMessages(suppressPackageStartupMessages({library(coin); library(exactRankTests)}))
set.seed(20261125)
n <- 48
d <- data.frame(
  finding = rbinom(n, 1, 0.3), rare = rep(c(1, 0, 0, 0, 0, 0, 0, 0), 6), grade = sample(0:4, n, TRUE, c(5, 2, 1, 1, 1)),
  ldh = round(exp(rnorm(n, 5, 0.5)), 1), center = rep(1:3, 16)
)
d$grade2 <- pmin(4, pmax(0, d$grade + sample(-1:1, n, TRUE)))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(topic, term, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(topic = topic, term = term, quantity = quantity, value = sprintf("%.17g", value))
}
p <- c(0.0004, 0.03, 0.03, 0.2, 0.04, 0.0191, 0.7, 0.051, NA, 1, 0.011)
for (m in c("bonferroni", "holm", "BH", "BY")) add("p_adjust", tolower(m), paste0("p", seq_along(p)), p.adjust(p, m))

g <- factor(1 - d$finding)
add("rank_sum", "grade", "statistic", statistic(wilcox_test(d$grade ~ g)))
add("rank_sum", "grade", "p_value", pvalue(wilcox_test(d$grade ~ g)))
add("rank_sum", "ldh", "p_value", wilcox.test(d$ldh ~ g, exact = FALSE, correct = FALSE)$p.value)
r <- factor(1 - d$rare)
add("exact_rank_sum", "grade", "p_value", pvalue(wilcox_test(d$grade ~ r, distribution = "exact")))
add("exact_rank_sum", "ldh", "p_value", pvalue(wilcox_test(d$ldh ~ r, distribution = "exact")))
add("exact_rank_sum", "grade_exactRankTests", "p_value", perm.test(rank(d$grade)[d$rare == 1] * 2, rank(d$grade)[d$rare == 0] * 2, paired = FALSE, exact = TRUE)$p.value)
# Newcombe 2006, method 5: the distance to the estimate is z standard errors at the limit.
newcombe <- function(x, y) {
  m <- length(x); k <- length(y); t0 <- mean(outer(x, y, ">") + outer(x, y, "==") / 2); N <- (m + k) / 2 - 1
  se <- function(t) sqrt(t * (1 - t) * (1 + N * (1 - t) / (2 - t) + N * t / (1 + t)) / (m * k))
  f <- function(t, s) s * (t0 - t) - qnorm(0.975) * se(t)
  low <- if (t0 == 0) 0 else uniroot(f, c(0, t0 - 1e-9), s = 1, tol = 1e-15)$root
  high <- if (t0 == 1) 1 else uniroot(f, c(t0 + 1e-9, 1), s = -1, tol = 1e-15)$root
  c(t0, low, high)
}
for (v in c("grade", "ldh")) add("newcombe", v, c("estimate", "conf_low", "conf_high"), newcombe(d[[v]][d$finding == 1], d[[v]][d$finding == 0]))
add("newcombe", "apart", c("estimate", "conf_low", "conf_high"), newcombe(c(5, 6, 7), c(1, 2, 3, 4)))
s <- suppressWarnings(cor.test(d$ldh, d$grade, method = "spearman", exact = FALSE))
add("spearman", "ldh", c("estimate", "p_value"), c(s$estimate, s$p.value))
z <- atanh(s$estimate); w <- qnorm(0.975) * sqrt((1 + s$estimate^2 / 2) / (n - 3))
add("spearman", "ldh", c("conf_low", "conf_high"), tanh(c(z - w, z + w)))
x8 <- c(3, 1, 4, 15, 9, 2, 6, 5); y8 <- c(2, 7, 1, 8, 28, 18, 4, 5)
add("exact_spearman", "eight", "p_value", cor.test(x8, y8, method = "spearman", exact = TRUE)$p.value)

# Statistics of coin, unstratified and within centers.
add("linear", "finding_grade", "statistic", statistic(independence_test(rank(d$grade) ~ d$finding), "standardized"))
add("linear", "ldh_grade", "statistic", statistic(spearman_test(ldh ~ grade, data = d), "standardized"))
b <- factor(d$center)
add("linear", "finding_grade_center", "statistic", statistic(independence_test(rank(grade) ~ finding | b, data = d), "standardized"))

# Step-down max-T (Westfall and Young 1993, algorithm 4.1) over all orders of seven patients, by brute force.
X <- cbind(c(1, 0, 1, 0, 1, 0, 1), c(1, 0, NA, 0, 0, 1, 1), c(2, 1, 7, 3, 6, 4, 5))
Y <- cbind(c(1, 0, 1, 0, 1, 0, 0), c(5, 1, 6.5, NA, 6.5, 2, 3.5))
stat <- function(x, y) { k <- !is.na(x) & !is.na(y); cor(x[k], y[k]) * sqrt(sum(k) - 1) }
all_t <- function(Y) as.vector(sapply(1:2, function(j) sapply(1:3, function(i) stat(X[, i], Y[, j]))))
perms <- function(v) if (length(v) < 2) list(v) else do.call(c, lapply(seq_along(v), function(i) lapply(perms(v[-i]), function(p) c(v[i], p))))
orders <- perms(1:7)
t0 <- all_t(Y)
T <- suppressWarnings(t(sapply(orders, function(o) all_t(Y[o, ]))))
T[is.na(T)] <- 0
raw <- sapply(1:6, function(k) mean(abs(T[, k]) >= abs(t0[k]) - 1e-9))
o <- order(-abs(t0))
adjusted <- numeric(6)
for (k in 1:6) adjusted[o[k]] <- mean(apply(abs(T[, o[k:6], drop = FALSE]), 1, max) >= abs(t0[o[k]]) - 1e-9)
adjusted[o] <- cummax(adjusted[o])
names <- as.vector(outer(1:3, 1:2, function(i, j) paste0("x", i, "y", j)))
add("max_t", names, "statistic", t0)
add("max_t", names, "p_value", raw)
add("max_t", names, "p_adjusted", adjusted)
# The same within two blocks of patients: 1 to 4 and 5 to 7.
block <- function(x, y) {
  num <- 0; v <- 0
  for (rows in list(1:4, 5:7)) {
    k <- rows[!is.na(x[rows]) & !is.na(y[rows])]
    if (length(k) < 2) next
    num <- num + sum((x[k] - mean(x[k])) * (y[k] - mean(y[k])))
    v <- v + sum((x[k] - mean(x[k]))^2) * sum((y[k] - mean(y[k]))^2) / (length(k) - 1)
  }
  if (v > 1e-12) num / sqrt(v) else NA
}
all_b <- function(Y) as.vector(sapply(1:2, function(j) sapply(1:3, function(i) block(X[, i], Y[, j]))))
orders <- do.call(c, lapply(perms(1:4), function(a) lapply(perms(5:7), function(b) c(a, b))))
t0 <- all_b(Y)
T <- t(sapply(orders, function(o) all_b(Y[o, ])))
T[is.na(T)] <- 0
o <- order(-abs(t0))
for (k in 1:6) adjusted[o[k]] <- mean(apply(abs(T[, o[k:6], drop = FALSE]), 1, max) >= abs(t0[o[k]]) - 1e-9)
adjusted[o] <- cummax(adjusted[o])
add("max_t_blocks", names, "statistic", t0)
add("max_t_blocks", names, "p_value", sapply(1:6, function(k) mean(abs(T[, k]) >= abs(t0[k]) - 1e-9)))
add("max_t_blocks", names, "p_adjusted", adjusted)

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "coin": "%s",', packageVersion("coin")),
  sprintf('  "exactRankTests": "%s",', packageVersion("exactRankTests")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
