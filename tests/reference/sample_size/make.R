# Reference values for sample size: stats::power.prop.test, pwr, and enumeration in base R.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressMessages(suppressPackageStartupMessages(library(pwr)))
d <- data.frame(p1 = c(0.5, 0.3, 0.15, 0.6), p0 = c(0.2, 0.1, 0.05, 0.6), n1 = c(20, 14, 40, 15), n0 = c(20, 31, 40, 18))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")
rows <- list()
add <- function(topic, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(topic = topic, term = term, value = sprintf("%.17g", as.numeric(value)))
}
# Exact power: sum over all tables that the test rejects.
grid <- seq(0.0005, 0.9995, by = 0.0005)
for (i in seq_len(nrow(d))) {
  n1 <- d$n1[i]; n0 <- d$n0[i]
  cells <- expand.grid(a = 0:n1, c = 0:n0)
  fisher <- mapply(function(a, c) fisher.test(matrix(c(a, c, n1 - a, n0 - c), 2))$p.value, cells$a, cells$c)
  pooled <- (cells$a + cells$c) / (n1 + n0)
  z2 <- (cells$a / n1 - cells$c / n0)^2 / (pooled * (1 - pooled) * (1 / n1 + 1 / n0))
  z2[is.nan(z2)] <- 0
  size <- function(inside) max(sapply(grid, function(p) sum(dbinom(cells$a, n1, p)[inside] * dbinom(cells$c, n0, p)[inside])))
  largest <- function(stat) { # unconditional tests: tables from the most extreme while the size stays within 0.05
    best <- rep(FALSE, length(stat))
    for (v in sort(unique(signif(stat, 10)))) {
      inside <- signif(stat, 10) <= v
      if (size(inside) > 0.05) break
      best <- inside
    }
    best
  }
  regions <- list(fisher = fisher <= 0.05, pearson = z2 >= qchisq(0.95, 1), boschloo = largest(fisher), barnard = largest(-z2))
  for (test in names(regions)) {
    r <- regions[[test]]
    for (p1 in unique(c(d$p1[i], d$p0[i]))) {
      add(test, sprintf("row%d %s", i, if (p1 == d$p1[i]) "power" else "level"), sum(dbinom(cells$a, n1, p1)[r] * dbinom(cells$c, n0, d$p0[i])[r]))
    }
  }
}
add("normal", "power 40", power.prop.test(n = 40, p1 = 0.5, p2 = 0.2)$power)
add("normal", "n 0.8", power.prop.test(p1 = 0.5, p2 = 0.2, power = 0.8, tol = 1e-10)$n)
add("normal", "power 333", power.prop.test(n = 333, p1 = 0.15, p2 = 0.1)$power)
add("normal", "pwr arcsine 40", pwr.2p.test(h = ES.h(0.5, 0.2), n = 40)$power)
# Expected limits over the binomial distribution.
for (n in c(10, 77, 200)) {
  x <- 0:n
  w <- dbinom(x, n, 0.3)
  exact <- t(sapply(x, function(k) binom.test(k, n)$conf.int))
  wilson <- t(sapply(x, function(k) suppressWarnings(prop.test(k, n, correct = FALSE))$conf.int))
  for (m in c("exact", "wilson")) add(paste0("width_", m), paste(n, c("low", "high")), colSums(w * get(m)))
}
half <- function(n) { x <- 0:n; l <- t(sapply(x, function(k) suppressWarnings(prop.test(k, n, correct = FALSE))$conf.int)); sum(dbinom(x, n, 0.3) * (l[, 2] - l[, 1])) / 2 }
add("n_half_width", "0.1", Find(function(n) half(n) <= 0.1, 20:200))
# Schoenfeld's events, and the probability of an event beside a competing one by numerical integration.
add("schoenfeld", "events", (qnorm(0.975) + qnorm(0.8))^2 / (0.3 * 0.7 * log(1.8)^2))
add("schoenfeld", "power", pnorm(sqrt(80 * 0.3 * 0.7) * log(1.8) - qnorm(0.975)))
incidence <- function(t) integrate(function(s) 0.002 * exp(-(0.002 + 0.001 + 0.0005) * s), 0, t, rel.tol = 1e-12)$value
add("event", "no accrual", incidence(365))
add("event", "accrual", integrate(Vectorize(function(a) incidence(365 + a) / 730), 0, 730, rel.tol = 1e-12)$value)
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "pwr": "%s",', packageVersion("pwr")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
