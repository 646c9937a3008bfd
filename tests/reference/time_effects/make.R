# Reference values for coefficients that change with time, from R survival (tt = and survSplit).
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages(library(survival))
options(digits = 17)
set.seed(20261127)

n <- 160
d <- data.frame(row = seq_len(n), age = round(rnorm(n, 60, 11)), sex = sample(c("female", "male"), n, TRUE))
d$stratum <- sample(c("a", "b"), n, TRUE)
d$weight <- round(runif(n, 0.3, 2.5), 2)
event_day <- ceiling(rexp(n, exp(0.03 * (d$age - 60) + 0.4 * (d$sex == "male")) / 60))
censor_day <- ceiling(runif(n, 5, 150))
d$stop <- pmin(event_day, censor_day)
d$event <- as.integer(event_day <= censor_day)
d$start <- pmax(0, pmin(d$stop - 1, floor(runif(n, -30, 20))))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")
d$male <- as.integer(d$sex == "male")

control <- coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50)
rows <- list()
keep <- function(model, fit, terms) {
  se <- sqrt(diag(vcov(fit)))
  for (j in seq_along(terms)) {
    rows[[length(rows) + 1]] <<- data.frame(model = model, term = terms[j],
      estimate = sprintf("%.17g", coef(fit)[j]), std_error = sprintf("%.17g", se[j]),
      log_likelihood = sprintf("%.17g", fit$loglik[2]))
  }
}
for (kind in c("log", "sqrt", "linear")) {
  g <- list(log = log, sqrt = sqrt, linear = identity)[[kind]]
  fit <- coxph(Surv(stop, event) ~ age + male + tt(age), d, tt = function(x, t, ...) x * g(t), control = control)
  label <- if (kind == "linear") "age:time" else sprintf("age:%s(time)", kind)
  keep(kind, fit, c("age", "sex", label))
}
# tt = with strata() and (start, stop] gives other estimates in survival 3.5-3 than rows split at every event
# time by hand, which are the definition; the split rows are the reference here.
s <- survSplit(Surv(start, stop, event) ~ ., d, cut = sort(unique(d$stop[d$event == 1])))
s$g <- s$male * log(s$stop)
fit <- coxph(Surv(start, stop, event) ~ age + male + g + strata(stratum), s, ties = "breslow", control = control)
keep("counting_breslow", fit, c("age", "sex", "sex:log(time)"))
fit <- coxph(Surv(start, stop, event) ~ age + male + tt(male), d, tt = function(x, t, ...) x * log(t),
             control = control)
keep("counting", fit, c("age", "sex", "sex:log(time)"))

s <- survSplit(Surv(start, stop, event) ~ ., d, cut = c(15, 40), episode = "k")
s$k1 <- s$age * (s$k == 1); s$k2 <- s$age * (s$k == 2); s$k3 <- s$age * (s$k == 3)
labels <- c("age:time(0,15]", "age:time(15,40]", "age:time(40,inf)", "sex")
keep("piecewise", coxph(Surv(start, stop, event) ~ k1 + k2 + k3 + male, s, control = control), labels)
keep("piecewise_weights", coxph(Surv(start, stop, event) ~ k1 + k2 + k3 + male, s, weights = weight,
     cluster = row, control = control), labels)

# A smooth effect with robust variance, which tt = cannot give: rows split at every event time.
s <- survSplit(Surv(start, stop, event) ~ ., d, cut = sort(unique(d$stop[d$event == 1])))
s$g <- s$age * log(s$stop)
keep("log_robust", coxph(Surv(start, stop, event) ~ age + g + male, s, cluster = row, control = control),
     c("age", "age:log(time)", "sex"))
# A natural cubic spline through knots 2, 15, 50, 140; cardinal functions of the same space as splines::ns.
knots <- c(2, 15, 50, 140)
N <- function(t) cbind(1, unclass(splines::ns(t, knots = knots[2:3], Boundary.knots = knots[c(1, 4)])))
C <- (N(s$stop) %*% solve(N(knots)))[, -1]
S <- s$age * C
keep("spline", coxph(Surv(start, stop, event) ~ age + S + male, s, control = control),
     c("age", sprintf("age:spline(time)[%d]", knots[-1]), "sex"))

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = c(1, 2))
md5 <- tools::md5sum(c("make.R", "data.csv", "expected.csv"))
writeLines(c("{", sprintf('  "r": "%s",', R.version.string), sprintf('  "survival": "%s",', packageVersion("survival")),
  paste(sprintf('  "%s": "%s"', names(md5), md5), collapse = ",\n"), "}"), "provenance.json")
