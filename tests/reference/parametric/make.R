# Parametric survival models: survival::survreg for right-censored times; with left truncation, and for Gompertz and the
# generalized gamma, the likelihood itself, climbed by optim and then by Newton steps with Richardson differences.
# Run in this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages(library(survival))
set.seed(20261126)
n <- 400
arm <- rep(0:1, length.out = n); age <- round(rnorm(n, 60, 10))
time <- rweibull(n, 1.3, exp(4 - 0.4 * arm - 0.02 * (age - 60)))
censor <- runif(n, 10, 120)
entry <- ifelse(seq_len(n) %% 3 == 0, round(runif(n, 0, 20), 1), 0)
d <- data.frame(center = sample(1:12, n, TRUE), arm, age, entry, time = pmax(round(pmin(time, censor), 1), 0.1),
                event = as.integer(time <= censor))
d <- d[d$time > d$entry, ]
write.csv(d, "data.csv", row.names = FALSE)
d <- read.csv("data.csv")
out <- list()
keep <- function(what, quantity, term, value) out[[length(out) + 1]] <<- data.frame(
  what = what, quantity = quantity, term = term, value = sprintf("%.17g", value))
control <- survreg.control(rel.tolerance = 1e-14, maxiter = 200)
for (dist in c("weibull", "exponential", "lognormal", "loglogistic")) {
  f <- survreg(Surv(time, event) ~ arm + age, d, dist = dist, control = control)
  se <- sqrt(diag(vcov(f)))
  for (j in names(coef(f))) { keep(dist, "estimate", j, coef(f)[j]); keep(dist, "std_error", j, se[j]) }
  if (dist != "exponential") {
    keep(dist, "estimate", "log(scale)", log(f$scale)); keep(dist, "std_error", "log(scale)", se["Log(scale)"])
  }
  keep(dist, "log_likelihood", "", f$loglik[2])
  keep(dist, "log_likelihood_null", "", survreg(Surv(time, event) ~ 1, d, dist = dist, control = control)$loglik[2])
  g <- survreg(Surv(time, event) ~ arm + age, d, dist = dist, control = control, cluster = center)
  for (j in names(coef(g))) keep(paste0(dist, "_cluster"), "std_error", j, sqrt(diag(vcov(g)))[j])
  for (p in c(0.25, 0.5, 0.9)) {
    q <- predict(f, newdata = data.frame(arm = 1, age = 65), type = "quantile", p = p, se.fit = TRUE)
    keep(dist, "quantile", p, q$fit); keep(dist, "quantile_std_error", p, q$se.fit / q$fit)
  }
}
f <- survreg(Surv(time, event) ~ arm + age, d, dist = "weibull", control = control)

# Log survival and log density of each distribution at location mu.
logs <- list(
  weibull = function(t, mu, a) { z <- (log(t) - mu) / exp(a[1]); list(S = -exp(z), f = z - exp(z) - a[1] - log(t)) },
  exponential = function(t, mu, a) { z <- log(t) - mu; list(S = -exp(z), f = z - exp(z) - log(t)) },
  lognormal = function(t, mu, a) list(S = plnorm(t, mu, exp(a[1]), FALSE, TRUE), f = dlnorm(t, mu, exp(a[1]), TRUE)),
  loglogistic = function(t, mu, a) {
    z <- (log(t) - mu) / exp(a[1])
    list(S = plogis(z, lower.tail = FALSE, log.p = TRUE), f = dlogis(z, log = TRUE) - a[1] - log(t))
  },
  gompertz = function(t, mu, a) { H <- exp(mu) * expm1(a[1] * t) / a[1]; list(S = -H, f = mu + a[1] * t - H) },
  gengamma = function(t, mu, a) {
    Q <- a[2]; w <- (log(t) - mu) / exp(a[1]); k <- 1 / Q^2; u <- k * exp(Q * w)
    list(S = pgamma(u, k, lower.tail = Q < 0, log.p = TRUE),
         f = log(abs(Q)) + k * log(k) + k * Q * w - u - lgamma(k) - a[1] - log(t))
  })
X <- cbind(1, d$arm, d$age - 60)
value <- function(theta, dist, truncated) {
  mu <- drop(X %*% theta[1:3]); a <- theta[-(1:3)]
  l <- logs[[dist]]
  here <- l(d$time, mu, a)
  total <- sum(ifelse(d$event == 1, here$f, here$S))
  late <- d$entry > 0
  if (truncated) total <- total - sum(l(d$entry[late], mu[late], a)$S)
  total
}
derivatives <- function(f, x, scale) {
  q <- length(x); g <- numeric(q); H <- matrix(0, q, q); w <- c(1, -8, 8, -1) / 12; s <- c(-2, -1, 1, 2)
  for (i in 1:q) {
    at <- function(k) f(replace(x, i, x[i] + k * scale[i]))
    v <- sapply(s, at); g[i] <- sum(w * v) / scale[i]
    H[i, i] <- (sum(c(-1, 16, 16, -1) * v) - 30 * f(x)) / (12 * scale[i]^2)
    for (j in seq_len(i - 1)) {
      m <- outer(s, s, Vectorize(function(k, l) {
        y <- x; y[i] <- y[i] + k * scale[i]; y[j] <- y[j] + l * scale[j]; f(y)
      }))
      H[i, j] <- H[j, i] <- drop(w %*% m %*% w) / (scale[i] * scale[j])
    }
  }
  list(g = g, H = H)
}
climb <- function(dist, start, truncated) {
  f <- function(theta) value(theta, dist, truncated)
  x <- optim(start, f, method = "BFGS", control = list(fnscale = -1, maxit = 2000, reltol = 1e-14,
             parscale = c(1, 1, 0.05, rep(if (dist == "gompertz") 0.01 else 1, length(start) - 3))))$par
  scale <- c(0.02, 0.02, 0.002, if (dist == "gompertz") 1e-4 else rep(0.01, length(start) - 3))
  for (k in 1:30) {
    dd <- derivatives(f, x, scale); step <- solve(dd$H, -dd$g); x <- x + step
    if (max(abs(step) / scale) < 1e-9) break
  }
  list(x = x, se = sqrt(diag(solve(-derivatives(f, x, scale)$H))), value = f(x),
       V = solve(-derivatives(f, x, scale)$H))
}
record <- function(what, dist, truncated, start) {
  fit <- climb(dist, start, truncated)
  x <- fit$x; V <- fit$V
  A <- diag(length(x)); A[1, 3] <- -60                     # age was centered
  x <- drop(A %*% x); V <- A %*% V %*% t(A)
  names <- c("Intercept", "arm", "age", if (dist == "gompertz") "rate" else
             c("log(scale)", "shape")[seq_len(length(x) - 3)])
  for (j in seq_along(x)) {
    keep(what, "estimate", names[j], x[j]); keep(what, "std_error", names[j], sqrt(V[j, j]))
  }
  keep(what, "log_likelihood", "", fit$value)
}
record("weibull_truncated", "weibull", TRUE, c(4, 0, 0, 0))
record("exponential_truncated", "exponential", TRUE, c(4, 0, 0))
record("lognormal_truncated", "lognormal", TRUE, c(4, 0, 0, 0))
record("loglogistic_truncated", "loglogistic", TRUE, c(4, 0, 0, 0))
record("gompertz", "gompertz", FALSE, c(-4, 0, 0, 0.001))
record("gompertz_truncated", "gompertz", TRUE, c(-4, 0, 0, 0.001))
record("gengamma", "gengamma", FALSE, c(4, 0, 0, -0.2, 0.8))
record("gengamma_truncated", "gengamma", TRUE, c(4, 0, 0, -0.2, 0.8))
expected <- do.call(rbind, out)
expected$term[expected$term == "(Intercept)"] <- "Intercept"
write.csv(expected, "expected.csv", row.names = FALSE, quote = FALSE)
sums <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
json <- c("{", sprintf('  "R": "%s",', R.version.string),
          sprintf('  "survival": "%s",', as.character(packageVersion("survival"))),
          '  "script": "make.R",',
          paste0(sprintf('  "md5 %s": "%s"', names(sums), sums), collapse = ",\n"), "}")
writeLines(json, "provenance.json")
