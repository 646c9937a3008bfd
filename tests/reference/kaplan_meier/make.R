# Reference values for survival curves from R's survival package.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages(library(survival))
set.seed(20261122)

n <- 240
product <- sample(c("axi", "liso", "tisa"), n, TRUE, c(0.5, 0.3, 0.2))
event_day <- ceiling(rexp(n, c(axi = 1 / 30, liso = 1 / 45, tisa = 1 / 25)[product]))
censor_day <- ceiling(runif(n, 3, 90))
d <- data.frame(
  days = pmin(event_day, censor_day), died = as.integer(event_day <= censor_day), product = product,
  center = sample(1:3, n, TRUE)
)
d$entry <- pmax(0, pmin(d$days - 1, floor(runif(n, -20, 25))))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(analysis, strata, time, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    analysis = analysis, strata = strata, time = time, quantity = quantity,
    value = ifelse(is.na(value), "NaN", sprintf("%.17g", value))
  )
}
record_curve <- function(analysis, fit, times) {
  s <- summary(fit, times = times, extend = FALSE)
  strata <- if (is.null(s$strata)) rep("", length(s$time)) else sub(".*=", "", as.character(s$strata))
  for (q in c("n.risk", "n.event", "n.censor", "surv", "std.err", "lower", "upper")) {
    add(analysis, strata, s$time, q, s[[q]])
  }
}
record_quantile <- function(analysis, fit) {
  q <- quantile(fit, probs = c(0.1, 0.25, 0.5, 0.75))
  for (part in names(q)) {
    m <- if (is.matrix(q[[part]])) q[[part]] else matrix(q[[part]], 1, dimnames = list("=", NULL))
    for (i in seq_len(nrow(m))) {
      add(paste("quantile", analysis), sub(".*=", "", rownames(m)[i]), c(0.1, 0.25, 0.5, 0.75), part, m[i, ])
    }
  }
}
times <- c(0, 1, 4.5, 10, 20, 30, 40, 50, 60)
for (type in c("log-log", "log", "plain")) {
  fit <- survfit(Surv(days, died) ~ product, d, conf.type = type)
  record_curve(type, fit, times)
  record_quantile(type, fit)
}
record_curve("level 0.9", survfit(Surv(days, died) ~ 1, d, conf.type = "log-log", conf.int = 0.9), times)
# left truncation: at event times, where the number at risk is the same by every convention
for (type in c("log-log", "plain")) {
  fit <- survfit(Surv(entry, days, died) ~ product, d, conf.type = type)
  common <- Reduce(intersect, lapply(split(d, d$product), function(g) g$days[g$died == 1]))
  record_curve(paste("entry", type), fit, sort(unique(common)))
}
for (tau in c(20, 45)) {
  fit <- survfit(Surv(days, died) ~ product, d)
  t <- summary(fit, rmean = tau)$table
  add("rmst", sub(".*=", "", rownames(t)), tau, "rmean", t[, "rmean"])
  add("rmst", sub(".*=", "", rownames(t)), tau, "se", t[, "se(rmean)"])
}
test <- function(name, fit) {
  add("logrank", name, 0, "statistic", fit$chisq)
  add("logrank", name, 0, "df", length(fit$n) - 1)
  add("logrank", name, 0, "p_value", pchisq(fit$chisq, length(fit$n) - 1, lower.tail = FALSE))
}
test("product", survdiff(Surv(days, died) ~ product, d))
test("product stratified", survdiff(Surv(days, died) ~ product + strata(center), d))
# With delayed entry and no ties the log-rank test is the score test of the Cox model.
d$untied <- d$days + seq_len(n) / 1000
fit <- coxph(Surv(entry, untied, died) ~ product, d, ties = "breslow")
add("logrank", "entry", 0, "statistic", fit$score)
reverse <- survfit(Surv(days, 1 - died) ~ 1, d)
add("follow-up", "", 0, "median", quantile(reverse, 0.5, conf.int = FALSE))

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "survival": "%s",', packageVersion("survival")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
