# Reference values for two-by-two tables and proportions from R's stats and epiR.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressMessages(suppressPackageStartupMessages(library(epiR)))
d <- data.frame(
  a = c(10, 7, 3, 2, 59, 0, 10, 1, 24),
  b = c(10, 12, 1, 38, 140, 10, 0, 8, 3),
  c = c(2, 8, 1, 9, 30, 5, 5, 4, 15),
  d = c(15, 3, 3, 52, 200, 10, 5, 2, 9)
)
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(table, term, method, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    table = table, term = term, method = method, quantity = quantity, value = sprintf("%.17g", value)
  )
}
z <- qnorm(0.975)

# Miettinen and Nurminen: the defining equation, with risks restricted to the measure by maximizing the likelihood.
score <- function(x1, n1, x0, n0, measure, value) {
  exposed <- function(p0) switch(measure,
    risk_difference = p0 + value, risk_ratio = p0 * value, odds_ratio = p0 * value / (1 - p0 + p0 * value)
  )
  loglik <- function(p0) {
    p1 <- exposed(p0)
    part <- function(x, p) ifelse(x == 0, 0, x * log(p))
    part(x1, p1) + part(n1 - x1, 1 - p1) + part(x0, p0) + part(n0 - x0, 1 - p0)
  }
  range <- switch(measure,
    risk_difference = c(max(0, -value), min(1, 1 - value)), risk_ratio = c(0, min(1, 1 / value)), odds_ratio = c(0, 1)
  )
  p0 <- optimize(loglik, range, maximum = TRUE, tol = 1e-14)$maximum
  p1 <- exposed(p0)
  N <- n1 + n0
  if (measure == "odds_ratio") {
    v <- 1 / (1 / (n1 * p1 * (1 - p1)) + 1 / (n0 * p0 * (1 - p0)))
    return((x1 - n1 * p1) / sqrt(v * N / (N - 1)))
  }
  theta <- if (measure == "risk_ratio") value else 1
  v <- p1 * (1 - p1) / n1 + theta^2 * p0 * (1 - p0) / n0
  distance <- if (measure == "risk_ratio") x1 / n1 - value * x0 / n0 else x1 / n1 - x0 / n0 - value
  distance / sqrt(v * N / (N - 1))
}
conditional <- function(a, b, c, d, own, which) {
  s <- max(0, a + c - (c + d)):min(a + b, a + c)
  w <- dhyper(s, a + b, c + d, a + c, log = TRUE)
  tail <- function(lpsi) {
    p <- exp(w + s * lpsi - max(w + s * lpsi))
    p <- p / sum(p)
    (if (which == "low") sum(p[s > a]) else sum(p[s < a])) + own * p[s == a] - 0.025
  }
  exp(uniroot(tail, c(-30, 30), tol = 1e-14)$root)
}
conditional_estimate <- function(a, b, c, d) {
  s <- max(0, a + c - (c + d)):min(a + b, a + c)
  w <- dhyper(s, a + b, c + d, a + c, log = TRUE)
  exp(uniroot(function(lpsi) {
    p <- exp(w + s * lpsi - max(w + s * lpsi))
    sum(s * p) / sum(p) - a
  }, c(-30, 30), tol = 1e-14)$root)
}
# Unconditional exact tests: the largest probability of tables at least as extreme, ties (to 1e-7) included.
unconditional <- function(a, b, c, d, statistic) {
  n1 <- a + b
  n0 <- c + d
  cells <- expand.grid(x1 = 0:n1, x0 = 0:n0)
  value <- mapply(statistic, cells$x1, cells$x0, n1, n0)
  seen <- statistic(a, c, n1, n0)
  extreme <- cells[value >= seen - 1e-7 * abs(seen), ]
  f <- function(p) sum(dbinom(extreme$x1, n1, p) * dbinom(extreme$x0, n0, p))
  grid <- seq(0.0005, 0.9995, by = 0.0005)
  height <- vapply(grid, f, 0)
  near <- grid[which.max(height)] + c(-0.0005, 0.0005)
  max(height, optimize(f, near, maximum = TRUE, tol = 1e-13)$objective)
}
pooled_z <- function(x1, x0, n1, n0) {
  p <- (x1 + x0) / (n1 + n0)
  if (p == 0 || p == 1) 0 else abs(x1 / n1 - x0 / n0) / sqrt(p * (1 - p) * (1 / n1 + 1 / n0))
}
minus_fisher <- function(x1, x0, n1, n0) -fisher.test(matrix(c(x1, x0, n1 - x1, n0 - x0), 2))$p.value

for (i in seq_len(nrow(d))) {
  t <- as.list(d[i, ])
  n1 <- t$a + t$b
  n0 <- t$c + t$d
  m <- matrix(c(t$a, t$b, t$c, t$d), 2, byrow = TRUE)
  f <- fisher.test(m)
  add(i, "test", "fisher", "p_value", f$p.value)
  # fisher.test solves for its estimate and limits to within 0.7 % only; the same equations are solved to 1e-10 below.
  add(i, "odds_ratio", "fisher.test", c("estimate", "conf_low", "conf_high"), c(f$estimate, f$conf.int))
  if (all(m > 0)) {
    add(i, "odds_ratio", "exact", "estimate", conditional_estimate(t$a, t$b, t$c, t$d))
    add(i, "odds_ratio", "exact", "conf_low", conditional(t$a, t$b, t$c, t$d, 1, "low"))
    add(i, "odds_ratio", "exact", "conf_high", conditional(t$a, t$b, t$c, t$d, 1, "high"))
    add(i, "odds_ratio", "mid_p", "conf_low", conditional(t$a, t$b, t$c, t$d, 0.5, "low"))
    add(i, "odds_ratio", "mid_p", "conf_high", conditional(t$a, t$b, t$c, t$d, 0.5, "high"))
    e <- epi.2by2(as.table(m), method = "cohort.count", units = 1)$massoc.detail
    wald <- list(risk_ratio = e$RR.strata.wald, odds_ratio = e$OR.strata.wald, risk_difference = e$ARisk.strata.wald)
    for (term in names(wald)) {
      add(i, term, "wald", c("estimate", "conf_low", "conf_high"), as.numeric(wald[[term]]))
    }
    for (measure in c("risk_difference", "risk_ratio", "odds_ratio")) {
      solve_at <- function(target, range) {
        g <- function(v) score(t$a, n1, t$c, n0, measure, if (measure == "risk_difference") v else exp(v)) - target
        root <- uniroot(g, range, tol = 1e-12)$root
        if (measure == "risk_difference") root else exp(root)
      }
      range <- if (measure == "risk_difference") c(-0.9999, 0.9999) else c(-8, 8)
      add(i, measure, "score", "conf_low", solve_at(z, range))
      add(i, measure, "score", "conf_high", solve_at(-z, range))
    }
    wilson <- rbind(prop.test(t$a, n1, correct = FALSE)$conf.int, prop.test(t$c, n0, correct = FALSE)$conf.int)
    p <- c(t$a / n1, t$c / n0)
    add(i, "risk_difference", "newcombe", "conf_low", p[1] - p[2] - sqrt((p[1] - wilson[1, 1])^2 + (wilson[2, 2] - p[2])^2))
    add(i, "risk_difference", "newcombe", "conf_high", p[1] - p[2] + sqrt((wilson[1, 2] - p[1])^2 + (p[2] - wilson[2, 1])^2))
  }
  if (n1 * n0 < 5000) {
    add(i, "test", "barnard", "p_value", unconditional(t$a, t$b, t$c, t$d, pooled_z))
    add(i, "test", "boschloo", "p_value", unconditional(t$a, t$b, t$c, t$d, minus_fisher))
  }
}
for (x in c(0, 1, 7, 29, 30)) {
  add(x, "proportion", "exact", c("conf_low", "conf_high"), as.numeric(binom.test(x, 30)$conf.int))
  add(x, "proportion", "wilson", c("conf_low", "conf_high"), as.numeric(suppressWarnings(prop.test(x, 30, correct = FALSE)$conf.int)))
  jeffreys <- c(if (x == 0) 0 else qbeta(0.025, x + 0.5, 30.5 - x), if (x == 30) 1 else qbeta(0.975, x + 0.5, 30.5 - x))
  add(x, "proportion", "jeffreys", c("conf_low", "conf_high"), jeffreys)
}

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "epiR": "%s",', packageVersion("epiR")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
