# Reference values for cumulative incidence from R's cmprsk, etm and survival packages.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({
  library(survival)
  library(cmprsk)
  library(etm)
})
set.seed(20261123)

n <- 260
product <- sample(c("axi", "liso", "tisa"), n, TRUE, c(0.5, 0.3, 0.2))
relapse <- ceiling(rexp(n, c(axi = 1 / 50, liso = 1 / 90, tisa = 1 / 40)[product]))
death <- ceiling(rexp(n, 1 / 70))
other <- ceiling(rexp(n, 1 / 200))
censor <- ceiling(runif(n, 3, 110))
first <- pmin(relapse, death, other, censor)
d <- data.frame(
  days = first,
  status = ifelse(first == relapse, 1, ifelse(first == death, 2, ifelse(first == other, 3, 0))),
  product = product, center = sample(1:3, n, TRUE)
)
d$entry <- pmax(0, pmin(d$days - 1, floor(runif(n, -40, 20))))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(analysis, strata, outcome, time, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    analysis = analysis, strata = strata, outcome = outcome, time = time, quantity = quantity,
    value = ifelse(is.na(value), "NaN", sprintf("%.17g", value))
  )
}
times <- c(0, 3, 10, 20.5, 35, 50, 70)
record_cuminc <- function(analysis, fit) {
  points <- timepoints(fit, times)
  z <- qnorm(0.975)
  for (row in rownames(points$est)) {
    key <- strsplit(row, " ")[[1]]
    strata <- if (key[1] == "1") "" else key[1]
    F <- points$est[row, ]
    se <- sqrt(points$var[row, ])
    add(analysis, strata, key[2], times, "estimate", F)
    add(analysis, strata, key[2], times, "std_error", se)
    # limits on the scale log(-log F), the formula of tidycmprsk::cuminc
    inside <- ifelse(F > 0, F, NA)
    add(analysis, strata, key[2], times, "conf_low", ifelse(times == 0, 0, inside^exp(-z * se / (inside * log(inside)))))
    add(analysis, strata, key[2], times, "conf_high", ifelse(times == 0, 0, inside^exp(z * se / (inside * log(inside)))))
  }
}
record_tests <- function(name, fit) {
  for (k in rownames(fit$Tests)) {
    add("gray", name, k, 0, "statistic", fit$Tests[k, "stat"])
    add("gray", name, k, 0, "p_value", fit$Tests[k, "pv"])
    add("gray", name, k, 0, "df", fit$Tests[k, "df"])
  }
}
record_cuminc("cuminc", cuminc(d$days, d$status))
by_product <- cuminc(d$days, d$status, d$product)
record_cuminc("cuminc by", by_product)
record_tests("product", by_product)
record_tests("product stratified", cuminc(d$days, d$status, d$product, d$center))
two <- d[d$product != "liso", ]
record_tests("two products", cuminc(two$days, two$status, two$product))
# few patients, all of one group gone early: groups that leave the risk set
few <- d[c(which(d$product == "tisa" & d$days < 15), which(d$product == "axi")[1:25]), ]
record_tests("few", cuminc(few$days, few$status, few$product))

for (truncated in c(FALSE, TRUE)) {
  start <- if (truncated) d$entry else 0 * d$days
  cause <- d$status
  name <- if (truncated) "entry" else "no entry"
  fit <- etmCIF(Surv(start, days, status != 0) ~ 1, data = transform(d, start = start), etype = status, failcode = 1)
  for (k in 1:3) {
    part <- summary(fit)[[1]][[paste("CIF", k)]]
    take <- vapply(times[-1], function(t) sum(part$time <= t), 1)
    add(name, "", k, times[-1], "estimate", part$P[take])
    add(name, "", k, times[-1], "std_error", sqrt(part$var[take]))
  }
  # the same estimates from survival's multi-state curves
  multi <- survfit(Surv(start, days, factor(status, 0:3)) ~ 1, transform(d, start = start), id = seq_len(n))
  s <- summary(multi, times = times[-1])
  for (k in 1:3) add(paste("survfit", name), "", k, times[-1], "estimate", s$pstate[, k + 1])
}

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
versions <- vapply(c("survival", "cmprsk", "etm"), function(p) as.character(packageVersion(p)), "")
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "%s": "%s",', names(versions), versions),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
