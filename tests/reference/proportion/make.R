# Reference values for limits of one proportion from R's stats, and of clustered rows from survey.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressMessages(suppressPackageStartupMessages(library(survey)))
set.seed(20261126)
# Exams of patients. 1: 40 patients with 1 to 5 exams, findings that persist. 2: 12 patients, rare. 3: 8 centers.
# 4: one exam per patient.
sets <- list()
patients <- function(set, k, most, a, b) {
  n <- sample(seq_len(most), k, TRUE)
  data.frame(set = set, unit = seq_len(k), n_event = rbinom(k, n, rbeta(k, a, b)), n = n)
}
sets[[1]] <- patients(1, 40, 5, 0.4, 1.2)
sets[[2]] <- patients(2, 12, 6, 0.3, 3)
sets[[3]] <- patients(3, 8, 40, 2, 5)
sets[[4]] <- patients(4, 30, 1, 1, 3)
write.csv(do.call(rbind, sets), "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(set, method, quantity, value) {
  value <- sprintf("%.17g", as.numeric(value))
  rows[[length(rows) + 1]] <<- data.frame(set = set, method = method, quantity = quantity, value = value)
}
ends <- c("conf_low", "conf_high")
# Tails of the binomial as incomplete beta functions, so that the number of rows need not be whole.
mid_p <- function(x, n) {
  at_least <- function(p, x) if (x <= 0) 1 else if (x > n) 0 else pbeta(p, x, n - x + 1)
  half <- function(p) (at_least(p, x) + at_least(p, x + 1)) / 2
  low <- if (x == 0) 0 else uniroot(function(p) half(p) - 0.025, c(0, 1), tol = 1e-15)$root
  high <- if (x == n) 1 else uniroot(function(p) half(p) - 0.975, c(0, 1), tol = 1e-15)$root
  c(low, high)
}
wilson <- function(x, n) {
  z <- qnorm(0.975)
  p <- x / n
  (p + z^2 / (2 * n) + c(-1, 1) * z * sqrt(p * (1 - p) / n + z^2 / (4 * n^2))) / (1 + z^2 / n)
}
for (n in c(7, 30, 38, 412)) for (x in unique(c(0, 1, 2, floor(n / 3), n - 1, n))) {
  set <- paste(x, n, sep = "/")
  add(set, "exact", ends, binom.test(x, n)$conf.int)
  add(set, "wilson", ends, suppressWarnings(prop.test(x, n, correct = FALSE)$conf.int))
  add(set, "jeffreys", ends, c(
    if (x == 0) 0 else qbeta(0.025, x + 0.5, n - x + 0.5), if (x == n) 1 else qbeta(0.975, x + 0.5, n - x + 0.5)
  ))
  add(set, "mid_p", ends, mid_p(x, n))
}
for (i in unique(d$set)) {
  t <- d[d$set == i, ]
  long <- data.frame(
    unit = rep(t$unit, t$n), y = unlist(Map(function(x, n) rep(1:0, c(x, n - x)), t$n_event, t$n)), w = 1
  )
  design <- svydesign(ids = ~unit, weights = ~w, data = long)
  m <- svymean(~y, design)
  f <- svyciprop(~y, design, method = "beta")
  n <- nrow(long)
  p <- mean(long$y)
  effect <- as.numeric(SE(m))^2 * n / (p * (1 - p))
  size <- n / effect * (qt(0.025, n - 1) / qt(0.025, nrow(t) - 1))^2
  add(i, "any", c("estimate", "std_error", "design_effect"), c(coef(m), SE(m), effect))
  add(i, "exact", ends, attr(f, "ci"))
  add(i, "wilson", ends, wilson(p * size, size))
  add(i, "mid_p", ends, mid_p(p * size, size))
  add(i, "jeffreys", ends, qbeta(c(0.025, 0.975), p * size + 0.5, size - p * size + 0.5))
}
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "survey": "%s",', packageVersion("survey")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
