# Shared frailty by survival::coxph with frailty(): gamma and Gaussian (log-normal frailty), all covariances kept.
# Gamma: the variance is the maximum of coxph's own I-likelihood, sought by optimize() beyond where coxph stops; coxph's
# own stopping point is kept too (em). Log-normal: the maximum of Laplace's likelihood, written out from coxph's penalized
# likelihood and variance; the score of the partial likelihood is not used.
# Run in this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages(library(survival))
set.seed(20261126)
n <- 240
center <- rep(1:16, times = c(40, 35, 30, 25, 20, 18, 15, 12, 10, 9, 8, 6, 5, 3, 2, 2))
make <- function(set, spread, days) {
  z <- if (spread > 0) rgamma(16, 1 / spread, 1 / spread) else rep(1, 16)
  x <- round(rnorm(n, 0, 1), 2); arm <- rbinom(n, 1, 0.5); stratum <- sample(1:2, n, TRUE)
  t <- rexp(n, z[center] * exp(0.4 * x - 0.5 * arm) / 60); c <- runif(n, 10, days)
  stop <- pmin(t, c)
  if (set != "entry") stop <- ceiling(stop)
  entry <- if (set == "entry") round(runif(n, 0, 15), 1) * (runif(n) < 0.4) else rep(0, n)
  entry <- ifelse(entry < stop, entry, 0)
  data.frame(set, center, x, arm, stratum, start = entry, stop, event = as.integer(t <= c))
}
k <- with(kidney, data.frame(set = "kidney", center = id, x = age, arm = sex - 1, stratum = 1, start = 0, stop = time,
                             event = status))
d <- rbind(k, make("ties", 0.5, 120), make("entry", 0.8, 120), make("few", 0.6, 25), make("none", 0, 120))
d$start <- sprintf("%.17g", d$start); d$stop <- sprintf("%.17g", d$stop)
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")
control <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 100, outer.max = 100)
out <- list()
keep <- function(set, model, quantity, term, value) out[[length(out) + 1]] <<- data.frame(
  set, model, quantity, term, value = sprintf("%.17g", value))
at <- function(p, theta, distribution, ties, strata) {
  f <- if (strata) Surv(start, stop, event) ~ x + arm + strata(stratum) +
         frailty(center, distribution = distribution, theta = theta, sparse = FALSE)
       else Surv(start, stop, event) ~ x + arm + frailty(center, distribution = distribution, theta = theta, sparse = FALSE)
  environment(f) <- environment()
  coxph(f, p, ties = ties, control = control)
}
cut <- qchisq(0.95, 1) / 2
for (set in unique(d$set)) for (model in c("gamma", "gamma_breslow_strata", "lognormal")) {
  p <- d[d$set == set, ]
  strata <- model == "gamma_breslow_strata"
  if (strata && set %in% c("kidney", "none")) next
  ties <- if (strata) "breslow" else "efron"
  distribution <- if (model == "lognormal") "gaussian" else "gamma"
  deaths <- as.vector(tapply(p$event, p$center, sum)); G <- length(deaths)
  # Penalized log-likelihood plus what the integral adds.
  marginal <- function(log_theta) {
    theta <- exp(log_theta); f <- at(p, theta, distribution, ties, strata); u <- f$coefficients[-(1:2)]
    if (distribution == "gamma") return(f$history[[1]]$c.loglik)
    H <- solve(f$var)[-(1:2), -(1:2)]
    f$loglik[2] - sum(u^2) / (2 * theta) - 0.5 * as.numeric(determinant(H * theta)$modulus)
  }
  plain <- coxph(if (strata) Surv(start, stop, event) ~ x + arm + strata(stratum) else Surv(start, stop, event) ~ x + arm,
                 p, ties = ties, control = control)
  keep(set, model, "log_likelihood_cox", "", plain$loglik[2])
  best <- optimize(marginal, c(-7, 3), maximum = TRUE, tol = 1e-10)
  if (best$objective <= plain$loglik[2] + 1e-9 || best$maximum < -6.9) { keep(set, model, "theta", "", 0); next }
  # A parabola through points on both sides is steadier than optimize() where rounding flattens the top.
  h <- seq(-0.02, 0.02, length.out = 9)
  q <- lm(y ~ h + I(h^2) + I(h^3) + I(h^4), data.frame(h, y = sapply(best$maximum + h, marginal) - best$objective))
  theta <- exp(best$maximum + uniroot(function(z) sum(coef(q)[-1] * (1:4) * z^(0:3)), c(-0.02, 0.02), tol = 1e-14)$root)
  fit <- at(p, theta, distribution, ties, strata)
  keep(set, model, "theta", "", theta)
  keep(set, model, "log_likelihood", "", marginal(log(theta)))
  for (j in 1:2) {
    keep(set, model, "estimate", c("x", "arm")[j], fit$coefficients[j])
    keep(set, model, "std_error", c("x", "arm")[j], sqrt(diag(fit$var))[j])
  }
  for (j in seq_len(G)) {
    keep(set, model, "log_frailty", sort(unique(p$center))[j], fit$coefficients[2 + j])
    keep(set, model, "frailty_se", sort(unique(p$center))[j], sqrt(diag(fit$var))[2 + j])
  }
  drop <- function(z) marginal(z) - marginal(log(theta)) + cut
  keep(set, model, "theta_high", "", exp(uniroot(drop, c(log(theta), 6), tol = 1e-12)$root))
  if (plain$loglik[2] < marginal(log(theta)) - cut)
    keep(set, model, "theta_low", "", exp(uniroot(drop, c(-9, log(theta)), tol = 1e-12)$root))
  if (model == "gamma") {
    # Where coxph itself stops, and its default that drops covariances of centers.
    em <- coxph(Surv(start, stop, event) ~ x + arm + frailty(center, eps = 1e-13, sparse = FALSE), p, control = control)
    keep(set, model, "theta_em", "", tail(em$history[[1]]$history, 1)[1])
    sparse <- coxph(Surv(start, stop, event) ~ x + arm + frailty(center, eps = 1e-13), p, control = control)
    for (j in 1:2) keep(set, model, "std_error_sparse", c("x", "arm")[j], sqrt(diag(sparse$var))[j])
  }
}
write.csv(do.call(rbind, out), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c("{", sprintf('  "R": "%s",', R.version.string),
  sprintf('  "survival": "%s",', packageVersion("survival")), '  "script": "make.R",',
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"), "provenance.json")
