# Reference values for diagnostic accuracy, also under partial verification.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({
  library(epiR)
  library(geepack)
  library(survey)
  library(mice)
})
set.seed(20261126)

# Exams of patients: the test decides, with a burden, who is verified.
n_patient <- 90
exams <- sample(1:4, n_patient, TRUE)
d <- data.frame(patient = rep(seq_len(n_patient), exams))
u <- rnorm(n_patient)[d$patient]
d$burden <- round(rnorm(nrow(d)) + 0.4 * u, 3)
d$stage <- sample(0:2, nrow(d), TRUE)
d$condition <- rbinom(nrow(d), 1, plogis(-0.6 + u + 0.5 * d$burden))
d$test <- rbinom(nrow(d), 1, plogis(-1.4 + 2.4 * d$condition + 0.5 * u))
d$verified <- rbinom(nrow(d), 1, plogis(-0.9 + 1.9 * d$test + 0.5 * d$burden - 0.2 * d$stage))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")
v <- d[d$verified == 1, ]

rows <- list()
add <- function(part, term, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(part, term, quantity, value = sprintf("%.17g", as.numeric(value)))
}
z <- qnorm(0.975)

# 1. Complete tables: epiR (Clopper-Pearson, Simel's log method for ratios), Wilson from its definition.
tables <- list(a = c(40, 10, 5, 60), b = c(3, 1, 2, 32), c = c(231, 32, 27, 54))
names_of <- c(
  se = "sensitivity", sp = "specificity", pv.pos = "positive_predictive_value",
  pv.neg = "negative_predictive_value", diag.ac = "accuracy", tp = "prevalence",
  lr.pos = "positive_likelihood_ratio", lr.neg = "negative_likelihood_ratio", diag.or = "diagnostic_odds_ratio"
)
for (t in names(tables)) {
  x <- tables[[t]]
  e <- epi.tests(as.table(matrix(x, 2, byrow = TRUE)), conf.level = 0.95)$detail
  for (s in names(names_of)) {
    row <- e[e$statistic == s, ]
    add(paste("epiR", t), names_of[[s]], "estimate", row$est)
    add(paste("epiR", t), names_of[[s]], "conf_low", row$lower)
    add(paste("epiR", t), names_of[[s]], "conf_high", row$upper)
  }
  w <- prop.test(x[1], x[1] + x[3], correct = FALSE)$conf.int
  add(paste("wilson", t), "sensitivity", "conf_low", w[1])
  add(paste("wilson", t), "sensitivity", "conf_high", w[2])
}

# 2. Clusters: survey's ratio estimator over all clusters; geepack without the factor m / (m - 1).
cl <- v
cl$tp <- cl$test * cl$condition
cl$tn <- (1 - cl$test) * (1 - cl$condition)
cl$no <- 1 - cl$condition
cl$neg <- 1 - cl$test
cl$one <- 1
design <- svydesign(ids = ~patient, weights = ~one, data = cl)
ratios <- list(
  sensitivity = svyratio(~tp, ~condition, design), specificity = svyratio(~tn, ~no, design),
  positive_predictive_value = svyratio(~tp, ~test, design), negative_predictive_value = svyratio(~tn, ~neg, design)
)
for (t in names(ratios)) {
  add("survey", t, "estimate", coef(ratios[[t]]))
  add("survey", t, "std_error", SE(ratios[[t]]))
}
g <- geeglm(test ~ 1, family = binomial, data = cl[cl$condition == 1, ], id = patient, corstr = "independence",
  control = geese.control(epsilon = 1e-14, maxit = 200))
add("geepack", "sensitivity", "logit", coef(g))
add("geepack", "sensitivity", "std_error", summary(g)$coefficients[1, "Std.err"])

# 3. Begg and Greenes 1983: estimates and the variance of the logit as published, test result only.
N <- tapply(d$verified, d$test, length)[c("1", "0")]
k <- tapply(d$verified, d$test, sum)[c("1", "0")]
theta <- (tapply(d$verified * d$condition, d$test, sum) / tapply(d$verified, d$test, sum))[c("1", "0")]
phi <- N / sum(N)
se <- phi[1] * theta[1] / sum(phi * theta)
sp <- phi[2] * (1 - theta[2]) / sum(phi * (1 - theta))
base <- 1 / (sum(N) * phi[1] * phi[2])
var_se <- base + sum((1 - theta) / (k * theta))
var_sp <- base + sum(theta / (k * (1 - theta)))
for (i in 1:2) {
  name <- c("sensitivity", "specificity")[i]
  p <- c(se, sp)[i]
  s <- sqrt(c(var_se, var_sp)[i])
  add("begg_greenes", name, "estimate", p)
  add("begg_greenes", name, "std_error", p * (1 - p) * s)
  add("begg_greenes", name, "conf_low", plogis(qlogis(p) - z * s))
  add("begg_greenes", name, "conf_high", plogis(qlogis(p) + z * s))
}

# 4. Begg and Greenes over strata: standardization, variance by differentiating numerically
#    the estimate in the multinomial shares of cells and the binomial shares with the condition.
cell <- interaction(d$test, d$stage, drop = TRUE)
N <- tapply(d$verified, cell, length)
k <- tapply(d$verified, cell, sum)
theta <- tapply(d$verified * d$condition, cell, sum) / k
positive <- grepl("^1", levels(cell))
n <- nrow(d)
logit_se <- function(par) {
  phi <- par[seq_along(N)] / sum(par[seq_along(N)])
  th <- par[-seq_along(N)]
  qlogis(sum((phi * th)[positive]) / sum(phi * th))
}
logit_sp <- function(par) {
  phi <- par[seq_along(N)] / sum(par[seq_along(N)])
  th <- par[-seq_along(N)]
  qlogis(sum((phi * (1 - th))[!positive]) / sum(phi * (1 - th)))
}
richardson <- function(f, x) {
  sapply(seq_along(x), function(j) {
    step <- function(h) {
      up <- down <- x
      up[j] <- x[j] + h
      down[j] <- x[j] - h
      (f(up) - f(down)) / (2 * h)
    }
    h <- 1e-3
    (64 * step(h / 4) - 20 * step(h / 2) + step(h)) / 45
  })
}
phi <- N / n
V <- matrix(0, 2 * length(N), 2 * length(N))
V[seq_along(N), seq_along(N)] <- (diag(as.numeric(phi)) - outer(as.numeric(phi), as.numeric(phi))) / n
diag(V)[-seq_along(N)] <- theta * (1 - theta) / k
for (name in c("sensitivity", "specificity")) {
  f <- if (name == "sensitivity") logit_se else logit_sp
  gradient <- richardson(f, c(phi, theta))
  p <- plogis(f(c(phi, theta)))
  add("begg_greenes strata", name, "estimate", p)
  add("begg_greenes strata", name, "std_error", p * (1 - p) * sqrt(drop(gradient %*% V %*% gradient)))
}

# 5. Inverse probability: glm weights; stacked estimating equations of logistic model and two means.
m <- glm(verified ~ test + burden + stage, binomial, d, control = glm.control(epsilon = 1e-15, maxit = 100))
X <- model.matrix(m)
rho <- fitted(m)
w <- d$verified / rho
for (name in c("sensitivity", "specificity")) {
  own <- if (name == "sensitivity") d$condition else 1 - d$condition
  hit <- if (name == "sensitivity") d$test else 1 - d$test
  p <- sum(w * own * hit) / sum(w * own)
  psi <- cbind(X * (d$verified - rho), w * own * (hit - p))
  bread <- matrix(0, ncol(X) + 1, ncol(X) + 1)
  bread[seq_len(ncol(X)), seq_len(ncol(X))] <- -crossprod(X * sqrt(rho * (1 - rho)))
  bread[ncol(X) + 1, seq_len(ncol(X))] <- -colSums(w * (1 - rho) * own * (hit - p) * X)
  bread[ncol(X) + 1, ncol(X) + 1] <- -sum(w * own)
  sandwich <- solve(bread) %*% crossprod(psi) %*% t(solve(bread))
  add("ipw", name, "estimate", p)
  add("ipw", name, "std_error", sqrt(sandwich[ncol(X) + 1, ncol(X) + 1]))
  total <- rowsum(psi, d$patient)
  C <- nrow(total)
  sandwich <- solve(bread) %*% crossprod(total) %*% t(solve(bread)) * C / (C - 1)
  add("ipw cluster", name, "std_error", sqrt(sandwich[ncol(X) + 1, ncol(X) + 1]))
}
add("ipw", "", "weight_max", max(w))
add("ipw", "", "effective_n", sum(w)^2 / sum(w^2))

# 6. Pooling imputed tables: mice on the log and logit scale; Lott and Reiter 2020 solved as an equation.
imputed <- rbind(c(30, 12, 9, 49), c(33, 9, 6, 52), c(28, 14, 10, 48), c(31, 11, 8, 50), c(30, 12, 5, 53))
tp <- imputed[, 1]
fp <- imputed[, 2]
fn <- imputed[, 3]
tn <- imputed[, 4]
q <- tp / (tp + fn)
size <- mean(tp + fn)
B <- var(q)
U <- mean(q * (1 - q) / (tp + fn))
r <- (1 + 1 / 5) * B / U
t2 <- qt(0.975, 4 * (1 + 1 / r)^2)^2
f <- function(p) (mean(q) - p)^2 - t2 * (1 + r) * p * (1 - p) / size
add("imputed", "sensitivity", "estimate", mean(q))
add("imputed", "sensitivity", "conf_low", uniroot(f, c(1e-9, mean(q)), tol = 1e-14)$root)
add("imputed", "sensitivity", "conf_high", uniroot(f, c(mean(q), 1 - 1e-9), tol = 1e-14)$root)
pool <- function(term, Q, U, back) {
  s <- pool.scalar(Q, U, n = 100, k = 1)
  half <- qt(0.975, s$df) * sqrt(s$t)
  add("imputed", term, "estimate", back(s$qbar))
  add("imputed", term, "conf_low", back(s$qbar - half))
  add("imputed", term, "conf_high", back(s$qbar + half))
}
pool("positive_likelihood_ratio", log(q / (fp / (fp + tn))), 1 / tp - 1 / (tp + fn) + 1 / fp - 1 / (fp + tn), exp)
pool("negative_likelihood_ratio", log((1 - q) / (tn / (fp + tn))), 1 / fn - 1 / (tp + fn) + 1 / tn - 1 / (fp + tn), exp)
pool("diagnostic_odds_ratio", log(tp * tn / (fp * fn)), 1 / tp + 1 / tn + 1 / fp + 1 / fn, exp)
sp <- tn / (fp + tn)
pool("youden", q + sp - 1, q * (1 - q) / (tp + fn) + sp * (1 - sp) / (fp + tn), identity)

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
packages <- c("epiR", "geepack", "survey", "mice")
versions <- vapply(packages, function(p) as.character(packageVersion(p)), "")
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "%s": "%s",', names(versions), versions),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
