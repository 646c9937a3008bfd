# Reference values for predictions, residuals, splines and tests of Cox models, from R survival and cmprsk.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({library(survival); library(cmprsk); library(splines)})
options(digits = 17)
set.seed(20261126)

n <- 260
d <- data.frame(
  row = seq_len(n), center = sample(1:20, n, TRUE), age = round(rnorm(n, 60, 12)),
  sex = sample(c("female", "male"), n, TRUE), ldh = round(exp(rnorm(n, 5.5, 0.5)), 1)
)
d$stratum <- sample(c("a", "b", "c"), n, TRUE)
d$weight <- round(runif(n, 0.2, 3), 2)
d$shift <- round(rnorm(n, 0, 0.3), 3)
lp <- 0.03 * (d$age - 60) + 0.5 * (d$sex == "male") + d$shift
first <- ceiling(rexp(n, exp(lp) / 60))
other <- ceiling(rexp(n, exp(-0.02 * (d$age - 60)) / 110))
censor_day <- ceiling(runif(n, 5, 120))
d$stop <- pmin(first, other, censor_day)
d$status <- ifelse(d$stop == first, 1, ifelse(d$stop == other, 2, 0))
d$event <- as.integer(d$status == 1)
d$start <- pmax(0, pmin(d$stop - 1, floor(runif(n, -30, 40))))
# Distinct times, for implementations that know Breslow's approximation only.
d$exact <- d$stop + order(runif(n)) / 1000
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

control <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    model = model, quantity = quantity, term = term, value = sprintf("%.17g", value)
  )
}
right <- "Surv(stop, event) ~ age + sex + ldh"
counting <- "Surv(start, stop, event) ~ age + sex + ldh"
model <- function(formula, arguments = "") {
  eval(parse(text = sprintf("coxph(%s, data = d, control = control%s)", formula, arguments)))
}
fits <- list(
  efron = model(right), breslow = model(right, ", ties = 'breslow'"), counting = model(counting),
  counting_breslow = model(counting, ", ties = 'breslow'"),
  strata = model(paste(right, "+ strata(stratum)")),
  counting_strata = model(paste(counting, "+ strata(stratum)")),
  weights = model(right, ", weights = weight, robust = FALSE"),
  cluster = model(right, ", weights = weight, cluster = center"),
  offset = model("Surv(stop, event) ~ age + sex + offset(shift)")
)

# Curves of three patients at five days.
new <- data.frame(age = c(45, 60, 75), sex = c("male", "female", "male"), ldh = c(150, 250, 600),
                  stratum = c("a", "b", "c"), shift = c(0.1, -0.2, 0))
days <- c(3, 10, 25, 50, 90)
for (name in names(fits)) {
  for (k in 1:3) {
    for (type in c("plain", "log", "log-log")) {
      curve <- summary(survfit(fits[[name]], newdata = new[k, ], conf.type = type), times = days, extend = TRUE)
      for (i in seq_along(days)) {
        label <- paste0(k, "@", days[i])
        if (type == "plain") {
          add(name, "survival", label, curve$surv[i])
          add(name, "survival_std_error", label, curve$std.err[i])
          add(name, "cumulative_hazard", label, curve$cumhaz[i])
        }
        add(name, paste0("low_", type), label, curve$lower[i])
        add(name, paste0("high_", type), label, curve$upper[i])
      }
    }
  }
  if (name %in% c("strata", "counting_strata")) next
  zero <- predict(fits[[name]], newdata = new, type = "lp", reference = "zero", se.fit = TRUE)
  for (k in 1:3) {
    add(name, "linear_predictor", k, zero$fit[k])
    add(name, "linear_predictor_std_error", k, zero$se.fit[k])
  }
}

# Residuals of every seventh row.
some <- seq(1, n, by = 7)
for (name in names(fits)) {
  fit <- fits[[name]]
  terms <- names(coef(fit))
  for (type in c("martingale", "deviance")) {
    value <- residuals(fit, type = type)
    for (i in some) add(name, type, i, value[i])
  }
  for (type in c("score", "dfbeta")) {
    value <- matrix(residuals(fit, type = type), nrow = n)
    for (i in some) for (j in seq_along(terms)) add(name, type, paste0(terms[j], "@", i), value[i, j])
  }
  dead <- if (name %in% c("strata", "counting_strata")) order(d$stratum, d$stop) else order(d$stop)
  dead <- dead[d$event[dead] == 1]
  for (type in c("schoenfeld", "scaledsch")) {
    value <- matrix(residuals(fit, type = type), nrow = length(dead))
    for (i in seq(1, length(dead), by = 5)) for (j in seq_along(terms)) {
      # Rows with the same time may come in any order: the label is the row of the data.
      add(name, type, paste0(terms[j], "@", dead[i]), value[i, j])
    }
  }
}

# The smooth of plot.cox.zph, by its own steps: natural spline with intercept, knots from points and grid together.
course <- function(name, fit, j, transform) {
  zph <- cox.zph(fit, transform = transform, terms = FALSE)
  grid <- seq(min(zph$x), max(zph$x), length.out = 40)
  basis <- ns(c(grid, zph$x), df = 4, intercept = TRUE)
  X <- basis[-(1:40), ]
  P <- basis[1:40, ]
  estimate <- P %*% qr.coef(qr(X), zph$y[, j])
  variance <- diag(P %*% solve(crossprod(X)) %*% t(P)) * zph$var[j, j]
  for (k in c(1, 8, 20, 33, 40)) {
    add(name, paste0("course_", transform), k, estimate[k])
    add(name, paste0("course_", transform, "_std_error"), k, sqrt(variance[k]))
  }
}
for (transform in c("km", "identity", "log")) course("efron", fits$efron, 2, transform)

# Splines and interactions: the likelihood, and log hazard ratios of ages against 60.
curve_of <- function(name, fit) {
  add(name, "log_likelihood", "", fit$loglik[2])
  ages <- c(40, 50, 75)
  X <- model.matrix(delete.response(terms(fit)), data.frame(age = c(60, ages), sex = factor("male", c("female", "male"))),
                    xlev = fit$xlevels)[, -1]
  D <- sweep(X[-1, ], 2, X[1, ])
  for (k in 1:3) {
    add(name, "log_ratio", ages[k], sum(D[k, ] * coef(fit)))
    add(name, "log_ratio_std_error", ages[k], sqrt(sum(D[k, ] * (vcov(fit) %*% D[k, ]))))
  }
}
curve_of("bs", model("Surv(stop, event) ~ bs(age, df = 4) + sex"))
knots <- quantile(unique(d$age), c(1, 2) / 3)
curve_of("ns", model("Surv(stop, event) ~ ns(age, knots = knots) + sex"))
curve_of("bs_interaction", model("Surv(stop, event) ~ bs(age, df = 4) * sex"))
curve_of("interaction", model("Surv(stop, event) ~ age * sex"))
nested <- anova(model("Surv(stop, event) ~ sex"), model("Surv(stop, event) ~ bs(age, df = 4) + sex"))
add("nested", "statistic", "", nested$Chisq[2])
add("nested", "p_value", "", nested[["Pr(>|Chi|)"]][2])

# Effects that change with time: tt(), and intervals of follow-up by survSplit.
d$male <- as.integer(d$sex == "male")
record_tt <- function(name, fit) {
  for (j in seq_along(coef(fit))) {
    add(name, "estimate", names(coef(fit))[j], coef(fit)[j])
    add(name, "std_error", names(coef(fit))[j], sqrt(vcov(fit)[j, j]))
  }
  add(name, "log_likelihood", "", fit$loglik[2])
}
changing <- function(left, function_of_t, arguments = "", formula = "age + male + tt(male)") {
  eval(parse(text = sprintf("coxph(%s ~ %s, data = d, tt = function(x, t, ...) x * %s, control = control%s)",
                            left, formula, function_of_t, arguments)))
}
right_left <- "Surv(stop, event)"
record_tt("tt_log", changing(right_left, "log(t)"))
record_tt("tt_identity", changing(right_left, "t"))
record_tt("tt_breslow", changing(right_left, "log(t)", ", ties = 'breslow'"))
record_tt("tt_counting", changing("Surv(start, stop, event)", "log(t)"))
record_tt("tt_strata", changing(right_left, "log(t)", "", "age + male + tt(male) + strata(stratum)"))
record_tt("tt_weights", changing(right_left, "log(t)", ", weights = weight, robust = FALSE"))
record_tt("tt_age", changing(right_left, "log(t)", "", "age + male + tt(age)"))
split <- survSplit(Surv(stop, event) ~ age + male + row, d, cut = c(10, 40), episode = "period", start = "from")
record_tt("tt_steps", coxph(Surv(from, stop, event) ~ age + I(male * (period == 1)) + I(male * (period == 2)) +
                              I(male * (period == 3)), split, control = control))

# Cumulative incidence of a Fine-Gray model.
x <- model.matrix(~ age + sex + ldh, d)[, -1]
fine_gray <- crr(d$stop, d$status, x, gtol = 1e-14)
x_new <- cbind(new$age, new$sex == "male", new$ldh)
curve <- predict(fine_gray, x_new)
for (k in 1:3) for (day in days) {
  at <- sum(curve[, 1] <= day)
  add("fine_gray", "incidence", paste0(k, "@", day), if (at) curve[at, k + 1] else 0)
}

expected <- do.call(rbind, rows)
write.csv(expected, "expected.csv", row.names = FALSE, quote = FALSE)
sums <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
json <- c("{", sprintf('  "R": "%s",', R.version.string),
          sprintf('  "survival": "%s",', as.character(packageVersion("survival"))),
          sprintf('  "cmprsk": "%s",', as.character(packageVersion("cmprsk"))),
          '  "script": "make.R",',
          paste0(sprintf('  "md5 %s": "%s"', names(sums), sums), collapse = ",\n"), "}")
writeLines(json, "provenance.json")
