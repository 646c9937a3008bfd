# Interval-censored times. Nonparametric: the EM algorithm on its defining equations until nothing changes (R's survfit
# stops at 5e-5), with survfit's own digits beside; Finkelstein's score test by its formula. Parametric:
# survival::survreg(Surv(type = "interval2")).
# Run in this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages(library(survival))
set.seed(20261126)
n <- 180
arm <- rep(0:1, length.out = n); age <- round(rnorm(n, 60, 10))
onset <- rweibull(n, 1.4, exp(2.2 - 0.35 * arm + 0.01 * (age - 60)))
lower <- upper <- numeric(n)
for (i in 1:n) {
  looks <- cumsum(sample(1:4, 30, TRUE)); looks <- looks[looks <= sample(10:25, 1)]
  lower[i] <- if (any(looks < onset[i])) max(looks[looks < onset[i]]) else NA
  upper[i] <- if (any(looks >= onset[i])) min(looks[looks >= onset[i]]) else NA
}
exact <- sample(n, 15)
exact <- exact[!is.na(upper[exact])]
lower[exact] <- upper[exact]
d <- data.frame(arm, age, lower, upper)
d <- d[!(is.na(d$lower) & is.na(d$upper)), ]
write.csv(d, "data.csv", row.names = FALSE, na = "")
d <- read.csv("data.csv")
out <- list()
keep <- function(what, group, term, value) out[[length(out) + 1]] <<- data.frame(
  what = what, group = group, term = term, value = sprintf("%.17g", value))

# Candidates: every (a, b] between neighbouring ends, and every exact time; those outside the maximum get no mass.
em <- function(l, u) {
  l[is.na(l)] <- -Inf; u[is.na(u)] <- Inf
  ends <- sort(unique(c(l, u)))
  left <- c(head(ends, -1), l[l == u]); right <- c(tail(ends, -1), u[l == u])
  keep <- !duplicated(cbind(left, right)); left <- left[keep]; right <- right[keep]
  point <- left == right
  A <- sapply(seq_along(left), function(j) {
    if (point[j]) (l < left[j] & u >= left[j]) | (l == left[j] & u == left[j])
    else l <= left[j] & u >= right[j] & l < u
  }) + 0
  p <- rep(1 / ncol(A), ncol(A))
  for (k in 1:200000) {
    q <- p * colMeans(A / as.vector(A %*% p))
    done <- max(abs(q - p)) < 1e-15; p <- q
    if (done) break
  }
  survival <- function(t) 1 - sum(p[right <= t])
  before <- function(t) 1 - sum(p[right < t])          # without mass of an exact time t
  list(S = Vectorize(survival), before = Vectorize(before), p = p, left = left, right = right, point = point,
       loglik = sum(log(A %*% p)))
}
days <- c(2, 4, 6, 9, 12, 15)
for (group in c("", "0", "1")) {
  r <- if (group == "") rep(TRUE, nrow(d)) else d$arm == as.numeric(group)
  fit <- em(d$lower[r], d$upper[r])
  keep("log_likelihood", group, "", fit$loglik)
  for (t in days) keep("survival", group, t, fit$S(t))
  s <- survfit(Surv(lower, upper, type = "interval2") ~ 1, d[r, ])
  at <- summary(s, times = days, extend = TRUE)$surv
  for (k in seq_along(days)) keep("survfit", group, days[k], at[k])
}
fit <- em(d$lower, d$upper)
l <- ifelse(is.na(d$lower), -Inf, d$lower); u <- ifelse(is.na(d$upper), Inf, d$upper)
a <- ifelse(l == u, fit$before(l), fit$S(l))
own <- sapply(seq_along(l), function(i) {
  if (l[i] == u[i]) sum(fit$p[fit$point & fit$left == l[i]]) else sum(fit$p[fit$right > l[i] & fit$right <= u[i]])
})
b <- pmax(a - own, 0)
e <- function(s) ifelse(s > 0, s * log(s), 0)
score <- (e(a) - e(b)) / own
U <- sum((score - mean(score))[d$arm == 1]); m <- sum(d$arm == 1); N <- nrow(d)
keep("score_test", "", "", U^2 / (var(score) * (m - m^2 / N)))

left0 <- ifelse(is.na(d$lower), NA, d$lower)
y <- Surv(left0, d$upper, type = "interval2")
for (dist in c("weibull", "exponential", "lognormal", "loglogistic")) {
  f <- survreg(y ~ arm + age, d, dist = dist, control = survreg.control(rel.tolerance = 1e-14, maxiter = 200))
  for (j in names(coef(f))) {
    keep(dist, "estimate", j, coef(f)[j])
    keep(dist, "std_error", j, sqrt(diag(vcov(f)))[j])
  }
  keep(dist, "log_scale", "", log(f$scale))
  if (dist != "exponential") keep(dist, "log_scale_std_error", "", sqrt(diag(vcov(f)))["Log(scale)"])
  keep(dist, "log_likelihood", "", f$loglik[2])
}
expected <- do.call(rbind, out)
write.csv(expected, "expected.csv", row.names = FALSE, quote = FALSE)
sums <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
json <- c("{", sprintf('  "R": "%s",', R.version.string),
          sprintf('  "survival": "%s",', as.character(packageVersion("survival"))),
          '  "script": "make.R",',
          paste0(sprintf('  "md5 %s": "%s"', names(sums), sums), collapse = ",\n"), "}")
writeLines(json, "provenance.json")
