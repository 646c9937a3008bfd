# Reference values for the judgment of published scores, from R's riskRegression, prodlim, geepack and survival.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({library(survival); library(prodlim); library(riskRegression); library(geepack); library(splines)})
set.seed(20261126)

n <- 300
x <- rnorm(n); z <- rnorm(n)
relapse <- rexp(n, 0.012 * exp(0.8 * x)); death <- rexp(n, 0.006 * exp(0.5 * z)); censored <- runif(n, 20, 160)
time <- pmin(relapse, death, censored)
status <- ifelse(time == censored, 0, ifelse(time == relapse, 1, 2))
cll <- function(p) log(-log1p(-p))
risk30 <- 1 - exp(-exp(-1.4 + 0.6 * x)); risk60 <- 1 - exp(-exp(-0.7 + 0.6 * x)); other60 <- plogis(-0.3 + 0.9 * x + 0.3 * z)
d <- data.frame(
  days = round(time, 4), status = status, day = ceiling(time), score = round(x + rnorm(n), 1),
  easix = round(exp(x + 0.5 * rnorm(n)), 6), risk30 = round(risk30, 6), risk60 = round(risk60, 6), other60 = round(other60, 6)
)
stopifnot(!anyDuplicated(d$days))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")
d$dead <- as.integer(d$status > 0)

rows <- list()
add <- function(analysis, term, time, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    analysis = analysis, term = term, time = time, quantity = quantity, value = sprintf("%.17g", value)
  )
}
record <- function(analysis, score, metric, quantities) {
  s <- as.data.frame(score[[metric]]$score)
  for (q in quantities) add(analysis, as.character(s$model), s$times, q, s[[q]])
  s <- as.data.frame(score[[metric]]$contrasts)
  for (q in c(paste0("delta.", metric), "se")) add(paste(analysis, "difference"), paste(s$model, s$reference, sep = "-"), s$times, q, s[[q]])
}
times <- c(30, 60)
for (when in c("days", "day")) {
  d$when <- d[[when]]
  for (kind in c("competing", "survival")) {
    response <- if (kind == "competing") Hist(when, status) ~ 1 else Hist(when, dead) ~ 1
    name <- paste(kind, when)
    auc <- Score(list(easix = d$easix, score = d$score), formula = response, data = d, times = times, cause = 1,
      metrics = "auc", null.model = FALSE, conf.int = TRUE, conservative = FALSE, cens.model = "km")
    record(paste("auc", name), auc, "AUC", c("AUC", "se", "lower", "upper"))
    brier <- Score(list(risk60 = d$risk60, other60 = d$other60), formula = response, data = d, times = 60, cause = 1,
      metrics = "brier", summary = "ipa", null.model = TRUE, conf.int = TRUE, conservative = FALSE, cens.model = "km")
    record(paste("brier", name), brier, "Brier", c("Brier", "se", "lower", "upper", "IPA"))
  }
}

# Pseudo-values of the incidence by leaving each patient out (prodlim), calibration of risk60 on them (geepack), the
# observed by fifths of the prediction, and net benefit in those over a threshold.
spline <- function(x) {
  k <- quantile(x, c(0.1, 0.5, 0.9)); r <- function(u) pmax(u, 0)^3 # restricted cubic spline, three knots
  cbind(x, (r(x - k[1]) - r(x - k[2]) * (k[3] - k[1]) / (k[3] - k[2]) + r(x - k[3]) * (k[2] - k[1]) / (k[3] - k[2])) / (k[3] - k[1])^2)
}
for (when in c("days", "day")) for (kind in c("competing", "survival")) {
  d$when <- d[[when]]
  name <- paste(kind, when)
  response <- if (kind == "competing") Hist(when, status) ~ 1 else Hist(when, dead) ~ 1
  d$pseudo <- c(if (kind == "competing") jackknife(prodlim(response, d), times = 60, cause = 1) else 1 - jackknife(prodlim(response, d), times = 60))
  some <- seq(1, n, 5)
  add(paste("pseudo", name), "", some, "value", d$pseudo[some])
  d$cll <- cll(d$risk60)
  d$id <- seq_len(n)
  for (f in c("intercept", "slope")) {
    fit <- geese(if (f == "intercept") pseudo ~ offset(cll) else pseudo ~ cll, data = d, id = id, family = gaussian,
      mean.link = "cloglog", corstr = "independence", scale.fix = TRUE,
      control = geese.control(epsilon = 1e-13, maxit = 200), b = if (f == "intercept") 0 else c(0, 1))
    k <- length(fit$beta)
    add(paste("calibration", name), f, 60, "estimate", fit$beta[[k]])
    add(paste("calibration", name), f, 60, "se", sqrt(fit$vbeta[k, k]))
  }
  S <- spline(d$cll)
  fit <- geese(pseudo ~ S, data = d, id = id, family = gaussian, mean.link = "cloglog", corstr = "independence",
    scale.fix = TRUE, control = geese.control(epsilon = 1e-13, maxit = 200), b = c(0, 1, 0))
  smooth <- 1 - exp(-exp(cbind(1, S) %*% fit$beta))
  off <- abs(smooth - d$risk60)
  add(paste("calibration", name), c("ici", "e50", "e90"), 60, "estimate", c(mean(off), quantile(off, c(0.5, 0.9))))
  add(paste("smooth", name), "", some, "estimate", smooth[some])
  add(paste("smooth", name), "", some, "se", sqrt(rowSums((cbind(1, S) %*% fit$vbeta) * cbind(1, S)))[some])
  status <- factor(if (kind == "competing") d$status else d$dead)
  observed <- function(keep) {
    s <- summary(survfit(Surv(d$when[keep], status[keep]) ~ 1), times = 60, extend = TRUE)
    c(s$pstate[1, 2], s$std.err[1, 2])
  }
  group <- cut(d$risk60, quantile(d$risk60, 0:5 / 5), labels = FALSE, include.lowest = TRUE)
  for (g in 0:5) {
    o <- observed(if (g == 0) rep(TRUE, n) else group == g)
    add(paste("observed", name), g, 60, "estimate", o[1]); add(paste("observed", name), g, 60, "se", o[2])
    add(paste("observed", name), g, 60, "predicted", mean(d$risk60[if (g == 0) TRUE else group == g]))
  }
  for (pt in c(0.1, 0.3, 0.45)) for (model in c("risk60", "other60", "all")) {
    keep <- if (model == "all") rep(TRUE, n) else d[[model]] >= pt
    o <- observed(keep)
    add(paste("benefit", name), model, pt, "estimate", mean(keep) * (o[1] - (1 - o[1]) * pt / (1 - pt)))
  }
}
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
versions <- sapply(c("survival", "prodlim", "riskRegression", "geepack"), function(p) sprintf('  "%s": "%s",', p, packageVersion(p)))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), versions,
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
