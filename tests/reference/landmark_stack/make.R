# Landmark supermodel stacked by hand, R survival. Run from this folder: Rscript make.R.
suppressPackageStartupMessages(library(survival))
set.seed(20261128)
n <- 220
d <- data.frame(row = seq_len(n), age = round(rnorm(n, 60, 10)))
d$stop <- ceiling(rexp(n, exp(0.03 * (d$age - 60)) / 60))
d$event <- as.integer(runif(n) < 0.8)
d$seen <- ifelse(runif(n) < 0.5, ceiling(runif(n, 1, 30)), NA)
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
s <- do.call(rbind, lapply(c(5, 10, 15, 20), function(L) {
  r <- d[d$stop > L, ]
  r$landmark <- L; r$edema <- as.integer(!is.na(r$seen) & r$seen <= L)
  r$event <- ifelse(r$stop > L + 40, 0L, r$event); r$stop <- pmin(r$stop, L + 40); r
}))
control <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
f <- coxph(Surv(landmark, stop, event) ~ edema + age + edema:landmark + edema:I(landmark^2) + strata(landmark),
           s, cluster = row, control = control)
g <- coxph(Surv(landmark, stop, event) ~ edema + age + edema:landmark + landmark + I(landmark^2), s, cluster = row,
           control = control)
terms <- list(stratified = c("edema", "age", "edema:landmark", "edema:I(landmark ** 2)"),
              smooth = c("edema", "age", "landmark", "I(landmark ** 2)", "edema:landmark"))
out <- rbind(data.frame(model = "stratified", term = terms$stratified, estimate = coef(f), std_error = sqrt(diag(f$var))),
             data.frame(model = "smooth", term = terms$smooth, estimate = coef(g), std_error = sqrt(diag(g$var))))
out$estimate <- sprintf("%.17g", out$estimate); out$std_error <- sprintf("%.17g", out$std_error)
write.csv(out, "expected.csv", row.names = FALSE)
md5 <- tools::md5sum(c("make.R", "data.csv", "expected.csv"))
writeLines(c("{", sprintf('  "R": "%s",', R.version.string), sprintf('  "survival": "%s",', packageVersion("survival")),
  paste(sprintf('  "md5 %s": "%s"', names(md5), md5), collapse = ",\n"), "}"), "provenance.json")
