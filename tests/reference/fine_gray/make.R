# Reference values for the Fine-Gray model from R's cmprsk package.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages(library(cmprsk))
set.seed(20261123)
n <- 300
d <- data.frame(age = round(rnorm(n, 60, 12)), sex = sample(c("female", "male"), n, TRUE),
                stage = sample(c("I", "II", "III"), n, TRUE))
lp <- 0.03 * (d$age - 60) + 0.5 * (d$sex == "male")
t1 <- rexp(n, exp(lp) / 90); t2 <- rexp(n, exp(0.3 * (d$stage == "III")) / 80); c <- runif(n, 5, 200)
first <- pmin(t1, t2, c)
d$status <- ifelse(first == c, 0L, ifelse(first == t1, 1L, 2L))
d$exact <- round(first, 6)
d$day <- ceiling(first)          # about three patients a day
d$week <- ceiling(first / 7)     # events, competing events and censoring share most times
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")
X <- cbind(age = d$age, sexmale = d$sex == "male", stageII = d$stage == "II", stageIII = d$stage == "III")
rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(model = model, quantity = quantity, term = term,
                                          value = sprintf("%.17g", value))
}
for (time in c("exact", "day", "week")) for (cause in 1:2) {
  fit <- crr(d[[time]], d$status, X, failcode = cause, cencode = 0, gtol = 1e-12, maxiter = 100)
  model <- paste0(time, "_", cause)
  for (j in colnames(X)) {
    add(model, "estimate", j, fit$coef[j])
    add(model, "std_error", j, sqrt(diag(fit$var))[match(j, colnames(X))])
  }
  add(model, "log_likelihood", "", fit$loglik)
  add(model, "log_likelihood_null", "", fit$loglik.null)
  for (k in c(1, 10, length(fit$uftime))) add(model, "baseline_hazard", fit$uftime[k], cumsum(fit$bfitj)[k])
}
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
sums <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
json <- c("{", sprintf('  "R": "%s",', R.version.string),
          sprintf('  "cmprsk": "%s",', as.character(packageVersion("cmprsk"))),
          '  "script": "make.R",',
          paste0(sprintf('  "md5 %s": "%s"', names(sums), sums), collapse = ",\n"), "}")
writeLines(json, "provenance.json")
