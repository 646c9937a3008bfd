# Reference values for standardized survival and incidence curves: riskRegression::ate with the G-formula estimator, whose
# standard errors are those of influence functions. Data of ../cox_more; `exact` are times without ties.
# Fine-Gray: cmprsk::crr, predicted for every patient and averaged. Run from this folder: Rscript make.R.
suppressMessages({library(survival); library(riskRegression); library(cmprsk)})
d <- read.csv("../cox_more/data.csv")
d$sex <- factor(d$sex)
d$stratum <- factor(d$stratum)
d$age10 <- d$age / 10
at <- c(10, 30, 60)
rows <- list()
add <- function(model, quantity, level, time, value) {
  rows[[length(rows) + 1]] <<- data.frame(model = model, quantity = quantity, level = level, time = time, value = sprintf("%.17g", value))
}
keep <- function(model, found, se = TRUE) {
  m <- found$meanRisk
  add(model, "risk", as.character(m$treatment), m$time, m$estimate)
  if (!se) return(invisible())
  add(model, "risk se", as.character(m$treatment), m$time, m$se)
  k <- found$diffRisk
  k <- k[k$A == levels(m$treatment)[1], ]
  add(model, "difference", as.character(k$B), k$time, k$estimate)
  add(model, "difference se", as.character(k$B), k$time, k$se)
  k <- found$ratioRisk
  k <- k[k$A == levels(m$treatment)[1], ]
  add(model, "ratio", as.character(k$B), k$time, k$estimate)
  add(model, "ratio se", as.character(k$B), k$time, k$se)
}
control <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
run <- function(fit, treatment, ...) {
  ate(fit, data = d, treatment = treatment, times = at, se = TRUE, band = FALSE, verbose = FALSE, ...)
}
for (treatment in c("sex", "stratum")) {
  formula <- Surv(exact, event) ~ sex + age10 + stratum
  keep(paste("cox", treatment), run(coxph(formula, d, x = TRUE, y = TRUE, control = control), treatment))
}
keep("cox interaction", run(coxph(Surv(exact, event) ~ sex * age10, d, x = TRUE, y = TRUE, control = control), "sex"))
keep("cox efron", run(coxph(Surv(stop, event) ~ sex + age10, d, x = TRUE, y = TRUE, control = control), "sex"), se = FALSE)
tied <- coxph(Surv(stop, event) ~ sex + age10, d, x = TRUE, y = TRUE, ties = "breslow", control = control)
keep("cox breslow", run(tied, "sex"), se = FALSE) # its influence functions are not exact with ties
csc <- CSC(Hist(exact, status) ~ sex + age10, d, control = control)
for (cause in 1:2) keep(paste("cause-specific", cause), run(csc, "sex", cause = cause, product.limit = FALSE))

# Hazards of all events in one multi-state model: its matrix exponential, with and without ties. Breslow's ties: with
# Efron's, survfit of survival 3.5-3 loses a part of the events (0.180 where the unadjusted curve has 0.212).
d$id <- seq_len(nrow(d))
for (time in c("exact", "stop")) {
  d$days <- d[[time]]
  all_events <- coxph(Surv(days, factor(status, 0:2)) ~ sex + age10, d, id = id, ties = "breslow", control = control)
  for (level in levels(d$sex)) {
    curves <- survfit(all_events, newdata = transform(d, sex = factor(level, levels(sex))), se.fit = FALSE)
    last <- findInterval(at, curves$time)
    for (k in seq_along(at)) for (cause in 1:2) {
      add(paste("multi-state", cause, time), "risk", level, at[k], mean(curves$pstate[last[k], , cause + 1]))
    }
  }
}

X <- model.matrix(~ sex + age10, d)[, -1]
fit <- crr(d$stop, d$status, X, gtol = 1e-12, maxiter = 50)
for (level in 0:1) {
  Z <- X
  Z[, 1] <- level
  hazard <- cumsum(fit$bfitj)
  for (t in at) {
    H <- max(0, hazard[fit$uftime <= t])
    add("fine_gray", "risk", levels(d$sex)[level + 1], t, mean(1 - exp(-H * exp(drop(Z %*% fit$coef)))))
  }
}
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
files <- c("../cox_more/data.csv", "expected.csv", "make.R")
md5 <- tools::md5sum(files)
versions <- sapply(c("survival", "riskRegression", "cmprsk"), function(p) sprintf('  "%s": "%s",', p, packageVersion(p)))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), versions,
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(rep(",", length(files) - 1), "")), "}"
), "provenance.json")
