# Reference values for two-stage pooling from R's metafor.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressMessages(suppressPackageStartupMessages(library(metafor)))
set.seed(20261125)
sets <- list(
  seven = data.frame(y = rnorm(7, 0.5, 0.8), v = runif(7, 0.02, 0.2)),
  three = data.frame(y = c(0.82, 0.15, 0.51), v = c(0.04, 0.09, 0.02)),
  two = data.frame(y = c(0.9, 0.1), v = c(0.03, 0.05)),
  agree = data.frame(y = c(0.50, 0.52, 0.49, 0.51), v = c(0.04, 0.09, 0.02, 0.05))
)
d <- do.call(rbind, lapply(names(sets), function(s) cbind(set = s, sets[[s]])))
write.csv(format(d, digits = 17), "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv", strip.white = TRUE)
rows <- list()
add <- function(set, method, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(set = set, method = method, quantity = quantity, value = sprintf("%.17g", as.numeric(value)))
}
main <- c("estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high")
values <- function(f) c(f$beta, f$se, f$zval, f$pval, f$ci.lb, f$ci.ub)
control <- list(threshold = 1e-14, tol = 1e-14, maxiter = 10000)
for (s in unique(d$set)) {
  e <- d[d$set == s, ]
  f <- rma(e$y, e$v, method = "FE")
  add(s, "fixed", main, values(f))
  add(s, "fixed", c("Q", "Q_p"), c(f$QE, f$QEp))
  for (m in c("REML", "DL", "PM")) {
    for (t in c("z", "knha", "adhoc")) {
      r <- suppressWarnings(rma(e$y, e$v, method = m, test = t, control = control))
      k <- r$k
      add(s, paste(tolower(m), t), main, values(r))
      add(s, paste(tolower(m), t), "tau_squared", r$tau2)
      if (k > 2) {
        w <- qt(0.975, k - 2) * sqrt(r$tau2 + r$se^2)
        add(s, paste(tolower(m), t), c("prediction_low", "prediction_high"), c(r$beta - w, r$beta + w))
      }
    }
    if (m == "DL") add(s, "dl z", "i_squared", r$I2 / 100)
  }
  q <- suppressWarnings(confint(rma(e$y, e$v, method = "DL"), control = list(tol = 1e-14, maxiter = 10000, tau2.max = 1e6)))$random
  add(s, "q_profile", c("conf_low", "conf_high"), q["tau^2", c("ci.lb", "ci.ub")])
}
tables <- data.frame(ai = c(12, 5, 0), bi = c(30, 22, 14), ci = c(20, 6, 5), di = c(90, 80, 60))
p <- rma.peto(ai = ai, bi = bi, ci = ci, di = di, data = tables, add = 0)
add("tables", "peto", c("estimate", "std_error"), c(p$beta, p$se))
m <- rma.mh(ai = ai, bi = bi, ci = ci, di = di, data = tables, measure = "OR", add = 0)
add("tables", "mantel_haenszel", c("estimate", "std_error"), c(m$beta, m$se))
# Multivariate fixed effect: generalized least squares of the stacked coefficients.
b <- list(c(0.5, -0.2), c(0.8, 0.1), c(0.3, 0.0))
V <- list(matrix(c(0.04, 0.01, 0.01, 0.09), 2), matrix(c(0.1, -0.03, -0.03, 0.05), 2), matrix(c(0.02, 0.005, 0.005, 0.03), 2))
g <- rma.mv(unlist(b), bldiag(V), mods = ~ factor(rep(1:2, 3)) - 1, method = "FE")
add("vectors", "gls", c("b1", "b2", "v11", "v12", "v22"), c(g$beta, g$vb[1, 1], g$vb[1, 2], g$vb[2, 2]))
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "metafor": "%s",', packageVersion("metafor")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
