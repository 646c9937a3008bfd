# Reference values for the Cox model from R's survival package.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages(library(survival))
options(digits = 17)
set.seed(20261122)

n <- 400
d <- data.frame(
  patient = rep(seq_len(200), each = 2), center = sample(letters[1:6], n, TRUE),
  age = round(rnorm(n, 60, 12)), sex = sample(c("female", "male"), n, TRUE),
  stage = sample(c("I", "II", "III"), n, TRUE), ldh = round(exp(rnorm(n, 5.5, 0.5)), 1)
)
d$stratum <- sample(1:3, n, TRUE)
d$weight <- round(runif(n, 0.2, 3), 2)
d$count <- sample(0:3, n, TRUE)
d$shift <- round(rnorm(n, 0, 0.3), 3)
lp <- 0.03 * (d$age - 60) + 0.5 * (d$sex == "male") + 0.4 * (d$stage == "III") + d$shift
event_day <- ceiling(rexp(n, exp(lp) / 60))
censor_day <- ceiling(runif(n, 5, 120))
d$stop <- pmin(event_day, censor_day)
d$event <- as.integer(event_day <= censor_day)
d$start <- pmax(0, pmin(d$stop - 1, floor(runif(n, -30, 40))))
# A rare finding of all patients with the earliest event, and of nobody else: monotone likelihood.
d$rare <- as.integer(d$event == 1 & d$stop == min(d$stop[d$event == 1]))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

control <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
right <- Surv(d$stop, d$event)
counting <- Surv(d$start, d$stop, d$event)
rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    model = model, quantity = quantity, term = term, value = sprintf("%.17g", value)
  )
}

record <- function(model, fit, zph = TRUE) {
  terms <- names(coef(fit))
  for (j in seq_along(terms)) {
    add(model, "estimate", terms[j], coef(fit)[j])
    add(model, "std_error", terms[j], sqrt(diag(vcov(fit)))[j])
  }
  add(model, "log_likelihood_null", "", fit$loglik[1])
  add(model, "log_likelihood", "", fit$loglik[2])
  add(model, "score_test", "", fit$score)
  add(model, "wald_test", "", fit$wald.test)
  add(model, "aic", "", AIC(fit))
  add(model, "concordance", "", fit$concordance["concordance"])
  add(model, "concordance_std_error", "", fit$concordance["std"])
  for (k in c("concordant", "discordant", "tied.x")) add(model, k, "", fit$concordance[k])
  base <- basehaz(fit, centered = FALSE)
  at <- unique(round(seq(1, nrow(base), length.out = 7)))
  for (k in at) {
    label <- paste0(if (is.null(base$strata)) "" else base$strata[k], "@", base$time[k])
    add(model, "baseline_hazard", label, base$hazard[k])
  }
  if (!zph) return(invisible())
  for (transform in c("km", "identity", "rank", "log")) {
    table <- cox.zph(fit, transform = transform)$table
    for (k in seq_len(nrow(table))) {
      add(model, paste0("zph_", transform), rownames(table)[k], table[k, "chisq"])
      add(model, paste0("zph_", transform, "_df"), rownames(table)[k], table[k, "df"])
      add(model, paste0("zph_", transform, "_p"), rownames(table)[k], table[k, "p"])
    }
  }
  residuals <- residuals(fit, type = "dfbeta")
  residuals <- matrix(residuals, nrow = nrow(d))
  for (i in c(1, 17, 200, 399)) for (j in seq_along(terms)) {
    add(model, paste0("dfbeta_", i), terms[j], residuals[i, j])
  }
}

model <- function(formula, arguments = "") {
  eval(parse(text = sprintf("coxph(%s, data = d, control = control%s)", formula, arguments)))
}
four <- "age + sex + stage + ldh"
right_four <- paste("right ~", four)
counting_four <- paste("counting ~", four)
record("efron", model(right_four))
record("breslow", model(right_four, ", ties = 'breslow'"))
record("counting", model(counting_four))
record("counting_breslow", model(counting_four, ", ties = 'breslow'"))
record("strata", model(paste(right_four, "+ strata(stratum)")))
record("counting_strata", model(paste(counting_four, "+ strata(stratum)")))
record("weights", model(right_four, ", weights = weight, robust = FALSE"))
record("weights_breslow", model(right_four, ", weights = weight, robust = FALSE, ties = 'breslow'"))
record("counting_weights", model(counting_four, ", weights = weight, robust = FALSE"))
record("robust", model(right_four, ", robust = TRUE"))
record("weights_robust", model(right_four, ", weights = weight, robust = TRUE"))
record("cluster", model(right_four, ", cluster = patient"))
record("cluster_breslow", model(right_four, ", cluster = patient, ties = 'breslow'"))
record("counting_cluster", model(counting_four, ", cluster = patient"))
record("counting_strata_weights_cluster",
       model(paste(counting_four, "+ strata(stratum)"), ", weights = weight, cluster = center"))
record("offset", model("right ~ age + sex + offset(shift)"), zph = FALSE)
record("interaction", model("right ~ age * sex"))

# Firth: the penalized log-likelihood l(b) + log|I(b)|/2 from coxph itself, maximized by Newton steps with the
# gradient from differences of order four and the unpenalized information.
at <- function(formula, b, ties) {
  suppressWarnings(coxph(as.formula(formula), data = d, init = b, ties = ties,
                         control = coxph.control(iter.max = 0)))
}
penalized <- function(formula, ties) function(b) {
  fit <- at(formula, b, ties)
  list(value = fit$loglik[2] - determinant(fit$var)$modulus[1] / 2, var = fit$var)
}
newton <- function(f, b, free) {
  for (iteration in 1:200) {
    current <- f(b)
    g <- numeric(length(free))
    for (j in seq_along(free)) {
      e <- replace(numeric(length(b)), free[j], 1e-2 * sqrt(current$var[free[j], free[j]]))
      v <- sapply(c(-2, -1, 1, 2), function(k) f(b + k * e)$value)
      g[j] <- sum(v * c(1, -8, 8, -1)) / 12 / e[free[j]]
    }
    inverse <- solve(current$var)[free, free, drop = FALSE]
    step <- solve(inverse, g)
    step <- step / max(1, abs(step) / (2 * sqrt(diag(current$var)[free])))
    b[free] <- b[free] + step
    if (max(abs(step) / sqrt(diag(current$var)[free])) < 1e-10) break
  }
  b
}
firth <- function(name, formula, ties) {
  f <- penalized(formula, ties)
  terms <- names(coef(coxph(as.formula(formula), data = d, control = coxph.control(iter.max = 1))))
  p <- length(terms)
  b <- newton(f, rep(0, p), 1:p)
  top <- f(b)$value
  variance <- at(formula, b, ties)$var
  profile <- function(j, value) {
    f(newton(f, replace(b, j, value), setdiff(1:p, j)))$value
  }
  for (j in 1:p) {
    se <- sqrt(variance[j, j])
    gap <- function(value) 2 * (top - profile(j, value)) - qchisq(0.95, 1)
    add(name, "estimate", terms[j], b[j])
    add(name, "std_error", terms[j], se)
    add(name, "conf_low", terms[j], uniroot(gap, c(b[j] - 4 * se, b[j]), tol = 1e-10)$root)
    add(name, "conf_high", terms[j], uniroot(gap, c(b[j], b[j] + 4 * se), tol = 1e-10)$root)
    add(name, "statistic", terms[j], 2 * (top - profile(j, 0)))
  }
  add(name, "log_likelihood", "", top)
  add(name, "log_likelihood_null", "", f(rep(0, p))$value)
}
firth("firth", "right ~ rare + age", "efron")
firth("firth_breslow", "right ~ rare + age", "breslow")
firth("firth_counting", "counting ~ rare + sex", "efron")
firth("firth_counting_strata", "counting ~ rare + sex + strata(stratum)", "efron")

expected <- do.call(rbind, rows)
write.csv(expected, "expected.csv", row.names = FALSE, quote = FALSE)
sums <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
json <- c("{", sprintf('  "R": "%s",', R.version.string),
          sprintf('  "survival": "%s",', as.character(packageVersion("survival"))),
          '  "script": "make.R",',
          paste0(sprintf('  "md5 %s": "%s"', names(sums), sums), collapse = ",\n"), "}")
writeLines(json, "provenance.json")
