# Reference values for weighted log-rank tests, trend, pairs, Gray's rho, and differences between curves.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({
  library(survival)
  library(cmprsk)
})
set.seed(20261125)

n <- 210
grade <- sample(0:2, n, TRUE, c(0.5, 0.3, 0.2))
relapse <- ceiling(rexp(n, c(1 / 60, 1 / 40, 1 / 25)[grade + 1]))
death <- ceiling(rexp(n, 1 / 90))
censor <- ceiling(runif(n, 3, 100))
days <- pmin(relapse, death, censor)
status <- ifelse(days == relapse, 1, ifelse(days == death, 2, 0))
d <- data.frame(days = days, status = status, grade = grade, center = sample(1:3, n, TRUE))
d$died <- as.integer(d$status > 0)
d$entry <- pmax(0, pmin(d$days - 1, floor(runif(n, -30, 15))))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(analysis, term, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    analysis = analysis, term = term, quantity = quantity, value = sprintf("%.17g", value)
  )
}
add_test <- function(analysis, statistic, df) {
  add(analysis, "all groups", "statistic", statistic)
  add(analysis, "all groups", "p_value", pchisq(statistic, df, lower.tail = FALSE))
}

# The defining sums, time by time: weight * (observed - expected), hypergeometric variance.
weighted <- function(start, stop, died, group, strata, weight) {
  K <- sort(unique(group))
  U <- numeric(length(K))
  V <- matrix(0, length(K), length(K))
  for (s in unique(strata)) {
    S <- 1
    for (t in sort(unique(stop[died == 1 & strata == s]))) {
      at <- start < t & stop >= t & strata == s
      dead <- at & stop == t & died == 1
      N <- sum(at)
      D <- sum(dead)
      nk <- vapply(K, function(k) sum(at & group == k), 1)
      dk <- vapply(K, function(k) sum(dead & group == k), 1)
      w <- weight(N, S)
      U <- U + w * (dk - D * nk / N)
      if (N > 1) V <- V + w^2 * D * (N - D) / (N - 1) * (diag(nk / N) - outer(nk / N, nk / N))
      S <- S * (1 - D / N)
    }
  }
  list(U = U, V = V, statistic = drop(U[-1] %*% solve(V[-1, -1]) %*% U[-1]))
}
kinds <- list(
  "logrank" = function(N, S) 1, "gehan" = function(N, S) N, "tarone-ware" = function(N, S) sqrt(N),
  "peto" = function(N, S) S, "fleming-harrington 0 1" = function(N, S) 1 - S,
  "fleming-harrington 0.5 1.5" = function(N, S) S^0.5 * (1 - S)^1.5
)
one <- rep(1, n)
for (kind in names(kinds)) {
  w <- kinds[[kind]]
  add_test(kind, weighted(0 * d$days, d$days, d$died, d$grade, one, w)$statistic, 2)
  add_test(paste(kind, "stratified"), weighted(0 * d$days, d$days, d$died, d$grade, d$center, w)$statistic, 2)
  add_test(paste(kind, "entry"), weighted(d$entry, d$days, d$died, d$grade, one, w)$statistic, 2)
}
# survival's own: rho = 0, 0.5 and 1
for (rho in c(0, 0.5, 1)) {
  fit <- survdiff(Surv(days, died) ~ grade, d, rho = rho)
  add_test(paste("survdiff", rho), fit$chisq, 2)
  add_test(paste("survdiff", rho, "stratified"), survdiff(Surv(days, died) ~ grade + strata(center), d, rho = rho)$chisq, 2)
  if (rho == 0) for (k in 1:3) add("survdiff", k - 1, "expected", fit$exp[k])
}
# With tied times the trend test is the score test of the exact partial likelihood.
fit <- coxph(Surv(days, died) ~ grade, d, ties = "exact")
add("trend", "trend", "statistic", fit$score)
fit <- coxph(Surv(days, died) ~ grade + strata(center), d, ties = "exact")
add("trend stratified", "trend", "statistic", fit$score)
p <- c()
for (pair in list(c(0, 1), c(0, 2), c(1, 2))) {
  part <- d[d$grade %in% pair, ]
  fit <- survdiff(Surv(days, died) ~ grade, part)
  name <- paste(pair[2], "vs", pair[1])
  U <- fit$obs[2] - fit$exp[2]
  V <- fit$var[2, 2]
  add("pairs", name, "statistic", fit$chisq)
  add("pairs", name, "estimate", U / V)
  add("pairs", name, "std_error", 1 / sqrt(V))
  p <- c(p, pchisq(fit$chisq, 1, lower.tail = FALSE))
}
for (how in c("holm", "bonferroni", "BH")) {
  add("pairs", c("1 vs 0", "2 vs 0", "2 vs 1"), paste("p_adjusted", tolower(how)), p.adjust(p, how))
}
for (rho in c(0.5, 1, -1)) {
  fit <- cuminc(d$days, d$status, d$grade, rho = rho)
  add(paste("gray", rho), c("1", "2"), "statistic", fit$Tests[, "stat"])
  fit <- cuminc(d$days, d$status, d$grade, d$center, rho = rho)
  add(paste("gray", rho, "stratified"), c("1", "2"), "statistic", fit$Tests[, "stat"])
}

# Differences and ratios of independent groups, from the estimates and errors of the packages.
times <- c(10, 25, 40)
fit <- survfit(Surv(days, died) ~ grade, d)
s <- lapply(0:2, function(k) summary(fit[k + 1], times = times))
cmp <- cuminc(d$days, d$status, d$grade)
points <- timepoints(cmp, times)
tau <- 45
mean_time <- summary(fit, rmean = tau)$table
for (k in 1:2) {
  for (i in seq_along(times)) {
    term <- paste(k, times[i])
    add("difference", term, "estimate", s[[k + 1]]$surv[i] - s[[1]]$surv[i])
    add("difference", term, "std_error", sqrt(s[[k + 1]]$std.err[i]^2 + s[[1]]$std.err[i]^2))
    F <- c(points$est[paste(k, 1), i], points$est["0 1", i])
    v <- c(points$var[paste(k, 1), i], points$var["0 1", i])
    add("cif difference", term, "estimate", F[1] - F[2])
    add("cif difference", term, "std_error", sqrt(sum(v)))
    add("cif ratio", term, "estimate", F[1] / F[2])
    add("cif ratio", term, "std_error", sqrt(sum(v / F^2)))
    add("cif ratio", term, "conf_high", F[1] / F[2] * exp(qnorm(0.975) * sqrt(sum(v / F^2))))
  }
  m <- mean_time[c(k + 1, 1), "rmean"]
  e <- mean_time[c(k + 1, 1), "se(rmean)"]
  add("rmst ratio", k, "estimate", m[1] / m[2])
  add("rmst ratio", k, "conf_low", m[1] / m[2] * exp(-qnorm(0.975) * sqrt(sum((e / m)^2))))
}

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "survival": "%s",', packageVersion("survival")),
  sprintf('  "cmprsk": "%s",', packageVersion("cmprsk")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
