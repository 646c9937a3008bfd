# Reference values for the Fine-Gray model from R's cmprsk and survival packages.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({library(cmprsk); library(survival)})
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
d$patient <- seq_len(n)
d$center <- sample(letters[1:8], n, TRUE)
d$stratum <- sample(1:3, n, TRUE)
d$era <- sample(c("early", "late"), n, TRUE)
d$weight <- round(runif(n, 0.2, 3), 2)
d$count <- sample(0:3, n, TRUE)
d$shift <- round(rnorm(n, 0, 0.3), 3)
# Late entry on whole days before the end; most enter at 0. In `entry_exact` nothing ties.
d$entry <- ifelse(runif(n) < 0.4, pmax(0, ceiling(d$day * runif(n)) - 1), 0)
d$entry_exact <- round(ifelse(d$entry > 0, d$exact * runif(n, 0.05, 0.95), 0), 5)
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
# Censoring distributions by group.
for (cause in 1:2) {
  fit <- crr(d$day, d$status, X, cengroup = d$era, failcode = cause, cencode = 0, gtol = 1e-12, maxiter = 100)
  for (j in colnames(X)) {
    add(paste0("cengroup_", cause), "estimate", j, fit$coef[j])
    add(paste0("cengroup_", cause), "std_error", j, sqrt(diag(fit$var))[match(j, colnames(X))])
  }
}
# A weight of k is k patients.
twice <- d[rep(seq_len(n), d$count), ]
fit <- crr(twice$day, twice$status, X[rep(seq_len(n), d$count), ], failcode = 1, cencode = 0, gtol = 1e-12,
           maxiter = 100)
for (j in colnames(X)) add("count_1", "estimate", j, fit$coef[j])

# finegray + coxph: events before censoring at the same time, weights taken as known, rows of a patient together.
control <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
d$state <- factor(d$status, 0:2, c("censored", "relapse", "nrm"))
expand <- function(time, cause, extra = "", entry = NULL, weights = NULL) {
  left <- if (is.null(entry)) sprintf("Surv(%s, state)", time) else sprintf("Surv(%s, %s, state)", entry, time)
  call <- sprintf("finegray(%s ~ age + sex + stage + patient + center + stratum + era + shift %s, data = d, id = patient, etype = '%s'%s)",
                  left, extra, c("relapse", "nrm")[cause], if (is.null(weights)) "" else ", weights = weight")
  eval(parse(text = call))
}
survival_fit <- function(model, long, right = "age + sex + stage", ties = "efron", group = "patient", robust = TRUE,
                         base = TRUE) {
  fit <- eval(parse(text = sprintf(
    "coxph(Surv(fgstart, fgstop, fgstatus) ~ %s, data = long, weights = fgwt, cluster = %s, ties = ties, control = control)",
    right, group)))
  for (j in names(coef(fit))) {
    add(model, "estimate", j, coef(fit)[j])
    if (robust) add(model, "std_error", j, sqrt(diag(vcov(fit)))[match(j, names(coef(fit)))])
  }
  if (!robust) return(invisible())
  add(model, "log_likelihood", "", fit$loglik[2])
  add(model, "log_likelihood_null", "", fit$loglik[1])
  if (!base) return(invisible())   # basehaz leaves the mean offset in
  base <- basehaz(fit, centered = FALSE)
  # basehaz lists censoring times too; keep the steps.
  key <- if (is.null(base$strata)) rep("", nrow(base)) else as.character(base$strata)
  step <- base$hazard - ave(base$hazard, key, FUN = function(h) c(0, h[-length(h)])) > 0
  base <- base[step, ]
  for (k in c(1, 10, nrow(base))) add(model, "baseline_hazard", k, base$hazard[k])
}
for (time in c("exact", "day", "week")) for (cause in 1:2) {
  survival_fit(sprintf("efron_%s_%d", time, cause), expand(time, cause))
}
survival_fit("efron_strata", expand("day", 1), "age + sex + stage + strata(stratum)")
# finegray looks at event times of its own stratum only, so that its strata must be strata of coxph too.
survival_fit("efron_era", expand("day", 1, "+ strata(era)"), "age + sex + stage + strata(era)")
survival_fit("efron_cluster", expand("day", 2), group = "center")
survival_fit("efron_weights", expand("day", 1, weights = TRUE))
survival_fit("efron_offset", expand("day", 1), "age + sex + stage + offset(shift)", base = FALSE)
survival_fit("efron_entry", expand("day", 1, entry = "entry"))
# finegray(weights =) of survival 3.5-3 takes the weights of other rows when there are strata: multiply afterwards.
long <- expand("day", 1, "+ strata(era) + weight", "entry")
long$fgwt <- long$fgwt * long$weight
survival_fit("efron_everything", long, "age + sex + stage + strata(era)",
             group = "center")
# With Breslow's approximation the coefficients agree where nothing ties; the variance here is another one.
survival_fit("breslow_strata", expand("exact", 1), "age + sex + stage + strata(stratum)", "breslow", robust = FALSE)
survival_fit("breslow_entry", expand("exact", 1, entry = "entry_exact"), ties = "breslow", robust = FALSE)
survival_fit("breslow_entry_era", expand("exact", 2, "+ strata(era)", "entry_exact"), "age + sex + stage + strata(era)",
             "breslow", robust = FALSE)
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
sums <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
json <- c("{", sprintf('  "R": "%s",', R.version.string),
          sprintf('  "cmprsk": "%s",', as.character(packageVersion("cmprsk"))),
          sprintf('  "survival": "%s",', as.character(packageVersion("survival"))),
          '  "script": "make.R",',
          paste0(sprintf('  "md5 %s": "%s"', names(sums), sums), collapse = ",\n"), "}")
writeLines(json, "provenance.json")
