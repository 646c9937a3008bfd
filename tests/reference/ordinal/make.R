# Reference values of ordinal regressions: ordinal::clm (proportional and partial proportional odds), VGAM::cratio
# (continuation ratio, with stats::glm), sandwich (clusters), Brant's test and the likelihood of grades between bounds, and Jeffreys'
# penalty, from their defining equations. Run from this folder: Rscript make.R
suppressPackageStartupMessages({library(ordinal); library(VGAM); library(sandwich); library(survival)})
set.seed(20261126)
n <- 180
center <- sample(1:12, n, TRUE)
age <- round(rnorm(n, 60, 11))
flair <- rbinom(n, 1, 0.35)
latent <- 0.9 * flair + 0.03 * (age - 60) + rnorm(12, 0, 0.4)[center] + rlogis(n)
grade <- as.integer(cut(latent, c(-Inf, 0, 0.9, 1.7, 2.8, Inf))) - 1L
lower <- grade; upper <- grade
open <- sample(n, 50)
lower[open] <- pmax(grade[open] - rbinom(50, 2, 0.4), 0)
upper[open] <- pmin(grade[open] + rbinom(50, 2, 0.4), 4)
lower[1:3] <- 0; upper[1:3] <- 4
d <- data.frame(grade, lower, upper, flair = ifelse(flair == 1, "present", "absent"), age, center)
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")
d$g <- factor(d$grade, ordered = TRUE)
d$x <- as.numeric(d$flair == "present")
X <- cbind(d$x, d$age)
rows <- list()
add <- function(model, term, quantity, value) rows[[length(rows) + 1]] <<- data.frame(
  model = model, term = term, quantity = quantity, value = sprintf("%.17g", value))
add_all <- function(model, terms, estimate, error) {
  add(model, terms, "estimate", estimate); add(model, terms, "std_error", error) }
control <- clm.control(gradTol = 1e-12, maxIter = 200)
names_of <- c("flair", "age", paste0(0:3, "|", 1:4))

f <- clm(g ~ x + age, data = d, control = control)
order_of <- c(5, 6, 1:4)
add_all("proportional_odds", names_of, coef(f)[order_of], sqrt(diag(vcov(f)))[order_of])
add("proportional_odds", "", "log_likelihood", as.numeric(logLik(f)))
add("proportional_odds", "", "log_likelihood_null", as.numeric(logLik(clm(g ~ 1, data = d, control = control))))
add_all("cluster", names_of, coef(f)[order_of],
        sqrt(diag(vcovCL(f, cluster = d$center, type = "HC0", cadjust = TRUE)))[order_of])
lp <- as.numeric(X %*% coef(f)[5:6])
add("proportional_odds", "", "concordance", concordance(d$grade ~ lp)$concordance)
new <- data.frame(x = c(0, 1), age = c(50, 70))
p <- predict(f, new, type = "prob")$fit
for (i in 1:2) add("predict", paste(i, 0:4), "estimate", p[i, ])

w <- clm(g ~ age, nominal = ~x, data = d, control = control)
# clm's nominal coefficients add to the thresholds: the log odds ratio of a higher grade is minus them
b <- coef(w); e <- sqrt(diag(vcov(w)))
add_all("partial", c(paste0("flair (", 0:3, "|", 1:4, ")"), "age"), c(-b[5:8], b[9]), c(e[5:8], e[9]))
add("partial", "", "log_likelihood", as.numeric(logLik(w)))

# of those who reached a grade, who went on: one logistic regression of all grades together
long <- do.call(rbind, lapply(0:3, function(j) transform(d[d$grade >= j, ], on = as.numeric(grade[grade >= j] > j), at = j)))
v <- glm(on ~ factor(at) + x + age, binomial, long, control = glm.control(1e-15, 100))
stopifnot(max(abs(coef(v)[5:6] - coef(vglm(g ~ x + age, cratio(reverse = FALSE, parallel = TRUE), d, epsilon = 1e-14))[5:6])) < 1e-8)
add_all("continuation_ratio", c("flair", "age"), coef(v)[5:6], sqrt(diag(vcov(v)))[5:6])
add("continuation_ratio", "", "log_likelihood", as.numeric(logLik(v)))

# Likelihoods from their definition: parameters are (beta, thresholds)
cumulative <- function(par, k) if (k < 0) rep(0, n) else if (k >= 4) rep(1, n) else
  plogis(par[3 + k] - as.numeric(X %*% par[1:2]))
category <- function(par) sapply(0:4, function(k) cumulative(par, k) - cumulative(par, k - 1))
between <- function(par) {
  p <- category(par)
  sum(log(rowSums(p * (col(p) - 1 >= d$lower & col(p) - 1 <= d$upper))))
}
gradient <- function(fn, par, h = 1e-4) sapply(seq_along(par), function(j) {  # fourth order
  at <- function(m) { q <- par; q[j] <- q[j] + m * h * s[j]; fn(q) }
  (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h * s[j]) })
hessian <- function(fn, par) { H <- sapply(seq_along(par), function(j) {
  h <- 2e-3 * s[j]; at <- function(m) { q <- par; q[j] <- q[j] + m * h; gradient(fn, q, 1e-3) }
  (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h) }); (H + t(H)) / 2 }
s <- c(1, 0.05, 1, 1, 1, 1)
maximize <- function(fn, par) { for (i in 1:12) par <- par - solve(hessian(fn, par), gradient(fn, par, 1e-3)); par }
start <- coef(f)[order_of]
par <- maximize(between, start)
add_all("between", names_of, par, sqrt(diag(solve(-hessian(between, par)))))
add("between", "", "log_likelihood", between(par))

# Rao's score test of equal odds ratios: 12 parameters (beta, thresholds, deviations at the 2nd to 4th threshold)
general <- function(low, high) function(par) {
  F <- sapply(0:3, function(k) plogis(par[3 + k] - as.numeric(X %*% (par[1:2] + if (k) par[6 + 2 * k - 1:0] else 0))))
  F <- cbind(0, F, 1)
  sum(log(F[cbind(seq_len(n), high + 2)] - F[cbind(seq_len(n), low + 1)]))
}
rao <- function(fn, at, use) {
  deviations <- 6 + c(outer(use, 2 * (0:2), "+"))
  par <- c(at, rep(0, 6)); kept <- c(1:6, deviations); S <- s
  s <<- c(S, rep(S[1:2], 3))[kept]
  inside <- function(q) { p <- par; p[kept] <- q; fn(p) }
  U <- gradient(inside, par[kept], 1e-3); J <- -hessian(inside, par[kept]); s <<- S
  as.numeric(t(U) %*% solve(J, U))
}
for (model in c("score", "score_between")) {
  fn <- if (model == "score") general(d$grade, d$grade) else general(d$lower, d$upper)
  at <- if (model == "score") start else par
  add(model, c("flair", "age", "GLOBAL"), "statistic", c(rao(fn, at, 1), rao(fn, at, 2), rao(fn, at, 1:2)))
}

# Jeffreys: half the log determinant of the expected information, exact grades of 36 patients
keep <- seq(1, n, 5); n <- length(keep); X <- X[keep, ]; g <- d$grade[keep]
information <- function(par) {
  edge <- lapply(-1:4, function(k) { F <- cumulative(par, k); f <- F * (1 - F)
    J <- matrix(0, n, 6); if (k %in% 0:3) { J[, 3 + k] <- f; J[, 1:2] <- -f * X }
    list(F = F, J = J) })
  I <- matrix(0, 6, 6)
  for (k in 1:5) { p <- edge[[k + 1]]$F - edge[[k]]$F; D <- edge[[k + 1]]$J - edge[[k]]$J; I <- I + crossprod(D / sqrt(p)) }
  I
}
penalized <- function(par) { p <- category(par)
  sum(log(p[cbind(seq_len(n), g + 1)])) + 0.5 * as.numeric(determinant(information(par))$modulus) }
jeffreys <- maximize(penalized, start)
add_all("firth", names_of, jeffreys, sqrt(diag(solve(information(jeffreys)))))
add("firth", "", "log_likelihood", penalized(jeffreys))
profile <- function(value) { others <- jeffreys[-1]; S <- s; fn <- function(q) penalized(c(value, q))
  s <<- S[-1]; for (i in 1:12) others <- others - solve(hessian(fn, others), gradient(fn, others, 1e-3)); s <<- S; fn(others) }
gap <- function(value) profile(value) - penalized(jeffreys) + qchisq(0.95, 1) / 2
add("firth", "flair", "conf_low", uniroot(gap, jeffreys[1] + c(-3, 0), tol = 1e-12)$root)
add("firth", "flair", "conf_high", uniroot(gap, jeffreys[1] + c(0, 3), tol = 1e-12)$root)

# Brant (1990), equation 4: binary regressions of "higher than j", joint covariance
n <- nrow(d); Z <- cbind(1, d$x, d$age)
fits <- lapply(0:3, function(j) glm(d$grade > j ~ d$x + d$age, family = binomial, control = glm.control(1e-15, 100)))
pis <- sapply(fits, fitted)
B <- as.numeric(sapply(fits, function(m) coef(m)[2:3]))
V <- matrix(0, 8, 8)
for (j in 1:4) for (l in j:4) {
  Ij <- solve(crossprod(Z * sqrt(pis[, j] * (1 - pis[, j])))); Il <- solve(crossprod(Z * sqrt(pis[, l] * (1 - pis[, l]))))
  block <- (Ij %*% crossprod(Z, Z * (pis[, l] - pis[, j] * pis[, l])) %*% Il)[2:3, 2:3]
  V[2 * j - 1:0, 2 * l - 1:0] <- block; V[2 * l - 1:0, 2 * j - 1:0] <- t(block)
}
brant <- function(use) { D <- NULL
  for (j in 2:4) for (k in use) { r <- rep(0, 8); r[k] <- 1; r[2 * (j - 1) + k] <- -1; D <- rbind(D, r) }
  as.numeric(t(D %*% B) %*% solve(D %*% V %*% t(D), D %*% B)) }
add("brant", c("flair", "age", "GLOBAL"), "statistic", c(brant(1), brant(2), brant(1:2)))

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "ordinal": "%s",', packageVersion("ordinal")),
  sprintf('  "VGAM": "%s",', packageVersion("VGAM")), sprintf('  "sandwich": "%s",', packageVersion("sandwich")),
  sprintf('  "survival": "%s",', packageVersion("survival")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
