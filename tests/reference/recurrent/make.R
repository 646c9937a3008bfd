# Recurrent events: coxph with cluster and strata(enum), survfit's cumulative hazard with robust standard errors, and
# the mean count with death of mets::recurrentMarginal (times without ties) and of the published sums (with ties).
# Run in this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({library(survival); library(mets)})
set.seed(20261126)
blank <- function(d, what) data.frame(set = what, id = d$id, arm = d$arm, x = d$x, start = d$start, stop = d$stop,
                                      event = d$event)
b <- with(bladder2, data.frame(id, arm = rx, x = number, start, stop, event))
g <- with(cgd, data.frame(id, arm = as.integer(treat), x = age, start = tstart, stop = tstop, event = status))
simulate <- function(n, tied) {
  rows <- list()
  for (i in 1:n) {
    frail <- rgamma(1, 2, 2); arm <- i %% 2; x <- round(rnorm(1), 2); now <- 0
    death <- rexp(1, 0.01 * frail); end <- min(death, runif(1, 20, 120))
    if (tied) { end <- ceiling(end); death <- ceiling(death) }
    entry <- if (i %% 7 == 0) runif(1, 1, 15) else 0
    if (tied) entry <- ceiling(entry)
    now <- entry
    repeat {
      t <- now + rexp(1, 0.03 * frail * exp(0.4 * arm)); if (tied) t <- ceiling(t + 1e-9)
      if (now >= end) break
      stop <- min(t, end)
      rows[[length(rows) + 1]] <- data.frame(id = i, arm = arm, x = x, start = now, stop = stop,
        event = if (t < end) 1 else if (end == death) 2 else 0)
      now <- stop
    }
  }
  do.call(rbind, rows)
}
s <- simulate(120, FALSE); w <- simulate(120, TRUE)
d <- rbind(blank(b, "bladder"), blank(g, "cgd"), blank(s, "simulated"), blank(w, "tied"))
d$start <- sprintf("%.17g", d$start); d$stop <- sprintf("%.17g", d$stop)
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")
out <- list()
keep <- function(set, model, quantity, term, value) out[[length(out) + 1]] <<- data.frame(
  set = set, model = model, quantity = quantity, term = term, value = sprintf("%.17g", value))
control <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
for (set in c("bladder", "cgd", "tied")) {
  p <- d[d$set == set, ]
  p$recurs <- p$event == 1
  p$enum <- ave(as.numeric(p$recurs), p$id, FUN = function(v) cumsum(v) - v) + 1
  p$wait <- ave(p$start, p$id, p$enum, FUN = min)
  few <- p[p$enum <= 4, ]
  fits <- list(
    andersen_gill = coxph(Surv(start, stop, recurs) ~ arm + x, p, cluster = id, control = control),
    andersen_gill_breslow = coxph(Surv(start, stop, recurs) ~ arm + x, p, cluster = id, control = control,
                                  ties = "breslow"),
    pwp_total = coxph(Surv(start, stop, recurs) ~ arm + x + strata(enum), few, cluster = id, control = control),
    pwp_gap = coxph(Surv(start - wait, stop - wait, recurs) ~ arm + x + strata(enum), few, cluster = id,
                    control = control))
  for (m in names(fits)) for (j in c("arm", "x")) {
    keep(set, m, "estimate", j, coef(fits[[m]])[j])
    keep(set, m, "std_error", j, sqrt(diag(vcov(fits[[m]])))[j])
  }
  if (set == "tied") next
  for (a in unique(p$arm)) {
    f <- survfit(Surv(start, stop, recurs) ~ 1, p[p$arm == a, ], id = id, cluster = id)
    for (k in unique(round(seq(1, length(f$time), length.out = 9)))) {
      keep(set, "mean_count", paste0("estimate", a), sprintf("%.17g", f$time[k]), f$cumhaz[k])
      keep(set, "mean_count", paste0("std_error", a), sprintf("%.17g", f$time[k]), f$std.chaz[k])
    }
  }
}
for (a in 0:1) {
  p <- d[d$set == "simulated" & d$arm == a, ]
  p$recurs <- as.numeric(p$event == 1); p$died <- as.numeric(p$event == 2)
  xr <- phreg(Surv(start, stop, recurs) ~ cluster(id), data = p)
  dr <- phreg(Surv(start, stop, died) ~ cluster(id), data = p)
  f <- recurrentMarginal(xr, dr)
  for (k in unique(round(seq(1, length(f$times), length.out = 9)))) {
    keep("simulated", "mean_count", paste0("estimate", a), sprintf("%.17g", f$times[k]), f$mu[k])
    keep("simulated", "mean_count", paste0("std_error", a), sprintf("%.17g", f$times[k]), f$se.mu[k])
  }
}
# Ghosh and Lin (2000), theorem 1, as sums over patients and times, ties and late entries included.
p <- d[d$set == "tied", ]
t <- sort(unique(p$stop))
at_risk <- outer(p$start, t, "<") & outer(p$stop, t, ">=")
ends <- outer(p$stop, t, "==")
Y <- colSums(at_risk); N <- colSums(ends & p$event == 1); D <- colSums(ends & p$event == 2)
S <- c(1, cumprod(1 - D / Y))[seq_along(t)]
mu <- cumsum(S * N / Y)
V <- 0 * t
for (i in unique(p$id)) {
  r <- p$id == i
  y <- colSums(at_risk[r, , drop = FALSE])
  dM <- colSums((ends & p$event == 1)[r, , drop = FALSE]) - y * N / Y
  dD <- colSums((ends & p$event == 2)[r, , drop = FALSE]) - y * D / Y
  V <- V + (cumsum(S * dM / Y) - mu * cumsum(dD / Y) + cumsum(mu * dD / Y))^2
}
for (k in unique(round(seq(1, length(t), length.out = 12)))) {
  keep("tied", "mean_count", "estimate", t[k], mu[k])
  keep("tied", "mean_count", "std_error", t[k], sqrt(V[k]))
}
expected <- do.call(rbind, out)
write.csv(expected, "expected.csv", row.names = FALSE, quote = FALSE)
sums <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
json <- c("{", sprintf('  "R": "%s",', R.version.string),
          sprintf('  "survival": "%s",', as.character(packageVersion("survival"))),
          sprintf('  "mets": "%s",', as.character(packageVersion("mets"))),
          '  "script": "make.R",',
          paste0(sprintf('  "md5 %s": "%s"', names(sums), sums), collapse = ",\n"), "}")
writeLines(json, "provenance.json")
