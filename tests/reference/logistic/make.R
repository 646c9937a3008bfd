# Reference values for logistic regression from R's glm, sandwich and brglm2.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({
  library(brglm2)
  library(sandwich)
})
set.seed(20261124)

n <- 160
d <- data.frame(
  age = round(rnorm(n, 60, 10)), flair = rbinom(n, 1, 0.25), product = sample(c("axi", "liso", "tisa"), n, TRUE),
  center = sample(1:14, n, TRUE)
)
d$severe <- rbinom(n, 1, plogis(-1 + 0.04 * (d$age - 60) + 0.9 * d$flair))
# a rare finding of three patients, all with the outcome: separation
d$rare <- as.integer(seq_len(n) %in% which(d$severe == 1)[1:3])
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    model = model, quantity = quantity, term = term, value = sprintf("%.17g", value)
  )
}
tight <- glm.control(epsilon = 1e-15, maxit = 100)
ml <- glm(severe ~ age + flair + product, binomial, d, control = tight)
add("ml", "estimate", names(coef(ml)), coef(ml))
add("ml", "std_error", names(coef(ml)), sqrt(diag(vcov(ml))))
add("ml", "robust", names(coef(ml)), sqrt(diag(vcovCL(ml, d$center))))
add("ml", "log_likelihood", "", as.numeric(logLik(ml)))
add("ml", "log_likelihood_null", "", as.numeric(logLik(glm(severe ~ 1, binomial, d, control = tight))))
add("ml", "aic", "", AIC(ml))

# Profile limits: the equation 2 (l_max - l(b)) = chi-squared quantile, solved directly.
drop <- qchisq(0.95, 1) / 2
X <- model.matrix(ml)
for (j in seq_len(ncol(X))) {
  profile <- function(b) {
    held <- suppressWarnings(glm.fit(X[, -j], d$severe, offset = X[, j] * b, family = binomial(), control = tight))
    -held$deviance / 2 - as.numeric(logLik(ml)) + drop
  }
  b <- coef(ml)[j]
  s <- sqrt(vcov(ml)[j, j])
  add("ml", "profile_low", names(b), uniroot(profile, c(b - 5 * s, b), tol = 1e-13)$root)
  add("ml", "profile_high", names(b), uniroot(profile, c(b, b + 5 * s), tol = 1e-13)$root)
}

# Firth: brglm2's AS_mean for estimates, and the penalized profile likelihood solved directly.
penalized <- function(beta, X, y) {
  p <- plogis(drop(X %*% beta))
  sum(y * log(p) + (1 - y) * log1p(-p)) + as.numeric(determinant(crossprod(X * sqrt(p * (1 - p))))$modulus) / 2
}
drop_q <- drop
drop <- base::drop
score <- function(beta, X, y) {
  p <- plogis(drop(X %*% beta))
  w <- p * (1 - p)
  h <- w * rowSums((X %*% solve(crossprod(X * sqrt(w)))) * X)
  drop(crossprod(X, y - p + h * (0.5 - p)))
}
held_maximum <- function(j, b, start, X, y) {
  full <- function(free) append(free, b, j - 1)
  best <- start[-j]
  for (round in 1:3) {
    best <- optim(best, function(v) -penalized(full(v), X, y), function(v) -score(full(v), X, y)[-j],
      method = "BFGS", control = list(reltol = 1e-16, maxit = 1000)
    )$par
  }
  penalized(full(best), X, y)
}
for (model in c("firth", "firth separated")) {
  formula <- if (model == "firth") severe ~ I((age - 60) / 10) + flair else severe ~ I((age - 60) / 10) + flair + rare
  fit <- glm(formula, binomial, d, method = "brglmFit", type = "AS_mean",
    control = brglmControl(epsilon = 1e-10, maxit = 2000, slowit = 0.5)
  )
  stopifnot(fit$converged)
  X <- model.matrix(fit)
  beta <- coef(fit)
  names(beta)[2] <- "age10"
  add(model, "estimate", names(beta), beta)
  add(model, "std_error", names(beta), sqrt(diag(vcov(fit))))
  top <- penalized(beta, X, d$severe)
  add(model, "log_likelihood", "", top)
  for (j in seq_along(beta)) {
    s <- sqrt(vcov(fit)[j, j])
    f <- function(b) held_maximum(j, b, beta, X, d$severe) - top + drop_q
    add(model, "profile_low", names(beta)[j], uniroot(f, c(beta[j] - 6 * s, beta[j]), tol = 1e-12)$root)
    add(model, "profile_high", names(beta)[j], uniroot(f, c(beta[j], beta[j] + 6 * s), tol = 1e-12)$root)
    add(model, "statistic", names(beta)[j], 2 * (top - held_maximum(j, 0, beta, X, d$severe)))
  }
}

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
versions <- vapply(c("brglm2", "sandwich"), function(p) as.character(packageVersion(p)), "")
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "%s": "%s",', names(versions), versions),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
