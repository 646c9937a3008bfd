# State occupation, robust and Greenwood standard errors, lengths of stay and landmark estimates of a reversible
# illness-death process on whole days with late entry, by survival::survfit and etm::etm.
# Run in this folder: Rscript make.R
suppressPackageStartupMessages({library(survival); library(etm)})
set.seed(20261125)
n <- 160
states <- c("well", "icans", "resolved", "dead")
rate <- list(well = c(icans = 1/18, dead = 1/70), icans = c(resolved = 1/9, dead = 1/30),
             resolved = c(icans = 1/40, dead = 1/60))
rows <- list()
for (i in 1:n) {
  cens <- ceiling(runif(1, 10, 90)); arm <- c("a", "b")[1 + i %% 2]
  now <- 0; state <- "well"
  entry <- if (i %% 8 == 0) ceiling(runif(1, 1, 8)) else 0
  while (now < cens && state != "dead") {
    times <- ceiling(rexp(2, rate[[state]] * if (arm == "b" && state == "well") 0.6 else 1))
    stop <- min(now + times, cens)
    to <- if (stop == cens) NA else names(rate[[state]])[which.min(times)]
    if (stop > entry) rows[[length(rows) + 1]] <-
      data.frame(id = i, arm = arm, start = max(now, entry), stop = stop, state = state, to = to)
    now <- stop
    state <- if (is.na(to)) "dead" else to
  }
}
d <- do.call(rbind, rows)
write.csv(d, "data.csv", row.names = FALSE, na = "")
out <- list()
keep <- function(what, group, state, time, value) out[[length(out) + 1]] <<- data.frame(
  what = what, group = group, state = state, time = time, value = sprintf("%.17g", value))
d$istate <- factor(d$state, states)
d$event <- factor(ifelse(is.na(d$to), "censored", d$to), c("censored", states[-1]))
times <- c(1, 3, 5, 10, 20, 40, 60)
occupy <- function(fit, group, at, what = "") {
  s <- summary(fit, times = at)
  for (k in seq_along(fit$states)) {
    keep(paste0(what, "estimate"), group, fit$states[k], at, s$pstate[, k])
    keep(paste0(what, "std_error"), group, fit$states[k], at, s$std.err[, k])
  }
}
prompt <- d[d$id %% 8 != 0, ]                      # everybody observed from day 0
f <- survfit(Surv(start, stop, event) ~ 1, prompt, id = id, istate = istate)
occupy(f, "", times)
tab <- summary(f, rmean = 50)$table
influence <- residuals(f, times = 50, type = "sojourn", collapse = TRUE)
if (length(dim(influence)) == 3) influence <- influence[, , 1]
for (k in seq_along(f$states)) {
  keep("stay", "", f$states[k], 50, tab[k, "rmean"])
  keep("stay_std_error", "", f$states[k], 50, sqrt(sum(influence[, k]^2)))
}
for (a in c("a", "b")) occupy(survfit(Surv(start, stop, event) ~ 1, prompt[prompt$arm == a, ], id = id, istate = istate), a, times)
# landmark: those in icans on day 10
late <- prompt[prompt$stop > 10, ]
here <- late$id[late$state == "icans" & late$start <= 10]
late <- late[late$id %in% here, ]
late$start <- pmax(late$start, 10)
occupy(survfit(Surv(start, stop, event) ~ 1, late, id = id, istate = istate), "", c(15, 25, 40), "landmark_")
# Greenwood: etm, with late entries
g <- data.frame(id = d$id, entry = d$start, exit = d$stop, from = d$state, to = ifelse(is.na(d$to), "cens", d$to))
tra <- matrix(FALSE, 4, 4, dimnames = list(states, states))
tra["well", c("icans", "dead")] <- TRUE; tra["icans", c("resolved", "dead")] <- TRUE; tra["resolved", c("icans", "dead")] <- TRUE
e <- etm(g, states, tra, "cens", s = 0)
for (k in states) {
  keep("greenwood_estimate", "", k, times, trprob(e, paste("well", k), times))
  keep("greenwood_std_error", "", k, times, sqrt(trcov(e, paste("well", k), times)))
}
# Nelson-Aalen of one transition, through coxph without covariates
w <- d[d$state == "icans", ]
na <- survfit(coxph(Surv(start, stop, !is.na(to) & to == "resolved") ~ 1, w, ties = "breslow"))
s <- summary(na, times = times, extend = TRUE)
keep("hazard", "", "icans to resolved", times, s$cumhaz)
write.csv(do.call(rbind, out), "expected.csv", row.names = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "survival": "%s",', packageVersion("survival")),
  sprintf('  "etm": "%s",', packageVersion("etm")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
