# Reference values for Mantel-Haenszel estimates from R's stats, epiR and metafor.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressMessages(suppressPackageStartupMessages({library(epiR); library(metafor)}))
set.seed(20261125)
sets <- list()
# 1: UCBAdmissions (R datasets): admitted by sex over departments. 2: few patients per center, some strata without
# information. 3: three centers of different size. 4: the exposed are never without the event in one stratum.
ucb <- aperm(UCBAdmissions, c(2, 1, 3))
sets[[1]] <- t(apply(ucb, 3, function(m) c(m[1, 1], m[1, 2], m[2, 1], m[2, 2])))
n1 <- sample(1:6, 12, TRUE)
n0 <- sample(1:8, 12, TRUE)
a <- rbinom(12, n1, 0.5)
c <- rbinom(12, n0, 0.25)
sets[[2]] <- cbind(a, n1 - a, c, n0 - c)
sets[[3]] <- rbind(c(8, 12, 3, 17), c(5, 5, 4, 12), c(40, 60, 11, 90))
sets[[4]] <- rbind(c(4, 0, 2, 3), c(2, 9, 1, 12), c(1, 6, 1, 7))
d <- do.call(rbind, lapply(seq_along(sets), function(i) data.frame(set = i, matrix(sets[[i]], ncol = 4))))
names(d) <- c("set", "a", "b", "c", "d")
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(set, term, method, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    set = set, term = term, method = method, quantity = quantity, value = sprintf("%.17g", as.numeric(value))
  )
}
three <- c("estimate", "conf_low", "conf_high")
# The conditional distribution of the sum of a, by convolution; R's own exact limits stop at about 1e-4.
conditional <- function(t) {
  w <- 1
  first <- 0
  for (k in seq_len(nrow(t))) {
    m <- t$a[k] + t$c[k]
    s <- max(0, m - t$c[k] - t$d[k]):min(t$a[k] + t$b[k], m)
    p <- dhyper(s, t$a[k] + t$b[k], t$c[k] + t$d[k], m)
    new <- numeric(length(w) + length(p) - 1)
    for (j in seq_along(p)) new[j - 1 + seq_along(w)] <- new[j - 1 + seq_along(w)] + w * p[j]
    w <- new
    first <- first + s[1]
  }
  list(s = first + seq_along(w) - 1, w = w)
}
for (i in unique(d$set)) {
  t <- d[d$set == i, ]
  full <- t[t$a + t$c > 0 & t$b + t$d > 0 & t$a + t$b > 0 & t$c + t$d > 0, ]
  arr <- array(rbind(full$a, full$c, full$b, full$d), c(2, 2, nrow(full)))
  f <- mantelhaen.test(arr, correct = FALSE)
  add(i, "odds_ratio", "mantel_haenszel", three, c(f$estimate, f$conf.int))
  add(i, "test", "cmh", c("statistic", "p_value"), c(f$statistic, f$p.value))
  f <- mantelhaen.test(arr, correct = TRUE)
  add(i, "test", "cmh_corrected", c("statistic", "p_value"), c(f$statistic, f$p.value))
  f <- mantelhaen.test(arr, exact = TRUE)
  add(i, "test", "exact", "p_value", f$p.value)
  add(i, "odds_ratio", "mantelhaen.test", three, c(f$estimate, f$conf.int))
  z <- conditional(full)
  obs <- sum(full$a)
  at <- function(lpsi) {
    p <- log(z$w) + z$s * lpsi
    p <- exp(p - max(p))
    p / sum(p)
  }
  solve <- function(g) exp(uniroot(g, c(-20, 20), tol = 1e-14)$root)
  add(i, "odds_ratio", "exact", "estimate", solve(function(l) sum(z$s * at(l)) - obs))
  for (own in c(1, 0.5)) {
    method <- if (own == 1) "exact" else "mid_p"
    low <- solve(function(l) { p <- at(l); sum(p[z$s > obs]) + own * p[z$s == obs] - 0.025 })
    high <- solve(function(l) { p <- at(l); sum(p[z$s < obs]) + own * p[z$s == obs] - 0.025 })
    add(i, "odds_ratio", method, c("conf_low", "conf_high"), c(low, high))
  }
  all <- array(rbind(t$a, t$c, t$b, t$d), c(2, 2, nrow(t)))
  e <- epi.2by2(all, method = "cohort.count", units = 1)$massoc.detail
  add(i, "risk_ratio", "mantel_haenszel", three, unlist(e$RR.mh.wald[1:3]))
  add(i, "risk_difference", "sato", three, unlist(e$ARisk.mh.sato[1:3]))
  add(i, "risk_difference", "greenland_robins", three, unlist(e$ARisk.mh.green[1:3]))
  r <- rma.mh(ai = full$a, bi = full$b, ci = full$c, di = full$d, measure = "OR", add = 0, drop00 = FALSE)
  add(i, "test", "breslow_day", c("statistic", "p_value"), c(r$BD, r$BDp))
  add(i, "test", "breslow_day_tarone", c("statistic", "p_value"), c(r$TA, r$TAp))
}
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "epiR": "%s",', packageVersion("epiR")),
  sprintf('  "metafor": "%s",', packageVersion("metafor")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
