# Extended Kaplan-Meier curves and the Mantel-Byar test, R survival. Run from this folder: Rscript make.R.
suppressPackageStartupMessages(library(survival))
set.seed(20261129)
n <- 90
d <- data.frame(row = seq_len(n), stop = ceiling(rexp(n, 1 / 30)))
d$event <- as.integer(runif(n) < 0.8)
d$seen <- ifelse(runif(n) < 0.6, ceiling(runif(n, 1, 25)), NA)
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
inside <- !is.na(d$seen) & d$seen < d$stop
one <- data.frame(start = 0, stop = ifelse(inside, d$seen, d$stop), event = ifelse(inside, 0, d$event), edema = 0)
two <- data.frame(start = d$seen, stop = d$stop, event = d$event, edema = 1)[inside, ]
s <- rbind(one, two)
km <- summary(survfit(Surv(start, stop, event) ~ edema, s, conf.type = "log-log"), times = c(10, 20, 40), extend = TRUE)
out <- data.frame(quantity = paste0(rep(c("0", "1"), each = 3), "@", km$time), estimate = km$surv, std_error = km$std.err,
                  conf_low = km$lower, conf_high = km$upper)
test <- coxph(Surv(start, stop, event) ~ edema, s, ties = "exact")$score
out <- rbind(out, data.frame(quantity = "test", estimate = test, std_error = NA, conf_low = NA, conf_high = NA))
for (k in 2:5) out[[k]] <- sprintf("%.17g", out[[k]])
write.csv(out, "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("make.R", "data.csv", "expected.csv"))
writeLines(c("{", sprintf('  "R": "%s",', R.version.string), sprintf('  "survival": "%s",', packageVersion("survival")),
  paste(sprintf('  "md5 %s": "%s"', names(md5), md5), collapse = ",\n"), "}"), "provenance.json")
