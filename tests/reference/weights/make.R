# Reference values for weights, balance and weighted estimates: glm, nnet::multinom, survey, survival, base R.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({
  library(nnet)
  library(survey)
  library(survival)
})
set.seed(20261126)

n <- 240
d <- data.frame(
  age = round(rnorm(n, 60, 10)), male = rbinom(n, 1, 0.6), product = sample(c("axi", "liso", "tisa"), n, TRUE),
  center = sample(1:12, n, TRUE)
)
lp <- 0.05 * (d$age - 60) + 0.7 * d$male - 0.6 * (d$product == "tisa")
d$flair <- rbinom(n, 1, plogis(-1 + lp))
d$arm <- c("a", "b", "c")[1 + (runif(n) < plogis(0.5 * lp)) + (runif(n) < plogis(lp - 1))]
d$severe <- rbinom(n, 1, plogis(-1 + 0.5 * lp + 0.6 * d$flair))
event <- rexp(n, exp(-4 + 0.4 * lp + 0.5 * d$flair))
end <- pmin(rexp(n, 0.01), 200)
d$days <- pmax(1, ceiling(pmin(event, end)))
d$dead <- as.integer(event <= end)
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    model = model, quantity = quantity, term = term, value = sprintf("%.17g", value)
  )
}
tight <- glm.control(epsilon = 1e-15, maxit = 100)

# Two groups: weights from the propensity of glm
fit <- glm(flair ~ age + male + product, binomial, d, control = tight)
add("propensity", "estimate", names(coef(fit)), coef(fit))
add("propensity", "std_error", names(coef(fit)), sqrt(diag(vcov(fit))))
e <- fitted(fit)
own <- ifelse(d$flair == 1, e, 1 - e)
share <- ifelse(d$flair == 1, mean(d$flair), 1 - mean(d$flair))
w <- list(
  ate = 1 / own, stabilized = share / own, att = e / own, overlap = e * (1 - e) / own,
  matching = pmin(e, 1 - e) / own, imaged = ifelse(d$flair == 1, 1 / e, 0)
)
w$truncated <- pmin(pmax(w$ate, quantile(w$ate, 0.05)), quantile(w$ate, 0.95))
for (kind in names(w)) {
  add(kind, "weight", seq_len(n), w[[kind]])
  add(kind, "effective_n", "", sum(w[[kind]])^2 / sum(w[[kind]]^2))
}

# Three groups: multinom, polished by Newton steps to the maximum
X <- model.matrix(~ age + male + product, d)
z <- scale(X[, -1])
m <- multinom(factor(arm) ~ z, d, reltol = 1e-16, abstol = 1e-16, maxit = 2000, trace = FALSE)
code <- as.integer(factor(d$arm))
Z <- cbind(1, z)
theta <- as.vector(t(coef(m)))
for (step in 1:20) {
  eta <- cbind(0, Z %*% matrix(theta, ncol = 2))
  p <- exp(eta) / rowSums(exp(eta))
  score <- c(crossprod(Z, (code == 2) - p[, 2]), crossprod(Z, (code == 3) - p[, 3]))
  block <- function(i, j) crossprod(Z, Z * p[, i] * ((i == j) - p[, j]))
  information <- rbind(cbind(block(2, 2), block(2, 3)), cbind(block(3, 2), block(3, 3)))
  theta <- theta + solve(information, score)
}
stopifnot(max(abs(score)) < 1e-10, max(abs(p - fitted(m))) < 1e-4)
for (k in 1:3) add("multinomial", "probability", paste(c("a", "b", "c")[k], seq_len(n)), p[, k])
p_own <- p[cbind(seq_len(n), code)]
add("multinomial ate", "weight", seq_len(n), 1 / p_own)
add("multinomial overlap", "weight", seq_len(n), 1 / rowSums(1 / p) / p_own)
add("multinomial matching", "weight", seq_len(n), apply(p, 1, min) / p_own)
add("multinomial att", "weight", seq_len(n), p[, 2] / p_own)

# Entropy balancing: weights proportional to exp(z'lambda) in each group whose means are the target
entropy <- function(inside, target) {
  V <- sweep(X[inside, -1], 2, target) / rep(apply(X[, -1], 2, sd), each = sum(inside))
  lambda <- rep(0, ncol(V))
  for (step in 1:100) {
    q <- exp(V %*% lambda)[, 1]
    q <- q / sum(q)
    g <- crossprod(V, q)[, 1]
    lambda <- lambda - solve(crossprod(V, V * q) - tcrossprod(g), g)
  }
  stopifnot(max(abs(g)) < 1e-12)
  q * sum(inside)
}
all_means <- colMeans(X[, -1])
ebal <- rep(NA, n)
for (g in 0:1) ebal[d$flair == g] <- entropy(d$flair == g, all_means)
add("entropy ate", "weight", seq_len(n), ebal)
focal <- rep(1, n)
focal[d$flair == 0] <- entropy(d$flair == 0, colMeans(X[d$flair == 1, -1]))
add("entropy att", "weight", seq_len(n), focal)

# Balance: survey for weighted means, cov.wt for weighted variances, steps for the distributions
Xall <- cbind(X[, -1], productaxi = as.integer(d$product == "axi"))
ks <- function(x, a, b) {
  at <- sort(unique(x))
  max(abs(sapply(at, function(t) sum(a[x <= t]) / sum(a) - sum(b[x <= t]) / sum(b))))
}
spread <- function(x) if (all(x %in% 0:1)) mean(x) * (1 - mean(x)) else var(x)
for (kind in c("unweighted", "ate", "att", "overlap")) {
  v <- if (kind == "unweighted") rep(1, n) else w[[kind]]
  for (term in colnames(Xall)) {
    x <- Xall[, term]
    design <- svydesign(ids = ~1, weights = ~v, data = data.frame(x = x, v = v, flair = d$flair))
    means <- sapply(0:1, function(g) coef(svymean(~x, subset(design, flair == g)))[[1]])
    parts <- lapply(0:1, function(g) x[d$flair == g])
    s <- if (kind == "att") sqrt(spread(parts[[2]])) else sqrt((spread(parts[[1]]) + spread(parts[[2]])) / 2)
    variances <- sapply(0:1, function(g) {
      inside <- d$flair == g
      cov.wt(matrix(x[inside]), wt = v[inside] / sum(v[inside]), method = "unbiased")$cov[1, 1]
    })
    add(kind, "mean_first", term, means[1])
    add(kind, "mean_second", term, means[2])
    add(kind, "standardized_difference", term, (means[2] - means[1]) / s)
    add(kind, "variance_ratio", term, variances[2] / variances[1])
    add(kind, "ks", term, ks(x, v * (d$flair == 0), v * (d$flair == 1)))
  }
}
# Imaged against everybody
for (term in colnames(Xall)) {
  x <- Xall[, term]
  gap <- weighted.mean(x, w$imaged) - mean(x)
  add("imaged", "standardized_difference", term, gap / sqrt(spread(x)))
}

# Weighted estimates with robust variance
d$w <- w$ate
d$row <- seq_len(n)
for (ties in c("efron", "breslow")) {
  cox <- coxph(Surv(days, dead) ~ flair, d, weights = w, ties = ties)
  add(paste("cox", ties), "estimate", "flair", coef(cox))
  add(paste("cox", ties), "std_error", "flair", sqrt(vcov(cox)[1, 1]))
  add(paste("cox", ties), "model_std_error", "flair", sqrt(cox$naive.var[1, 1]))
  clustered <- coxph(Surv(days, dead) ~ flair, d, weights = w, ties = ties, cluster = center)
  add(paste("cox", ties), "cluster_std_error", "flair", sqrt(vcov(clustered)[1, 1]))
}
curve <- function(model, fit) {
  strata <- rep(names(fit$strata), fit$strata)
  add(model, "survival", paste(strata, fit$time), fit$surv)
  add(model, "std_error", paste(strata, fit$time), fit$std.err)
  for (name in c("median", "lower", "upper")) {
    q <- quantile(fit, 0.5)
    value <- list(median = q$quantile, lower = q$lower, upper = q$upper)[[name]]
    add(model, name, rownames(q$quantile), value[, 1])
  }
}
curve("survival", survfit(Surv(days, dead) ~ flair, d, weights = w, id = row, robust = TRUE, conf.type = "log-log"))
curve("survival clustered", survfit(Surv(days, dead) ~ flair, d, weights = w, cluster = center, conf.type = "log-log"))
# Start-stop rows of one patient count together; weights of a patient
half <- floor(d$days / 2)
long <- survSplit(Surv(days, dead) ~ ., data.frame(d, id = seq_len(n)), cut = 20, episode = "part")
names(long)[names(long) == "days"] <- "stop"
curve("survival split", survfit(Surv(tstart, stop, dead) ~ flair, long, weights = w, id = id, robust = TRUE, conf.type = "log-log"))
# Late entry
d$entry <- pmin(d$days - 1, (seq_len(n) %% 7))
curve("survival late", survfit(Surv(entry, days, dead) ~ flair, d, weights = w, id = row, robust = TRUE, conf.type = "log-log"))

logit <- svyglm(severe ~ flair + age, svydesign(ids = ~1, weights = ~w, data = d), family = quasibinomial(), control = tight)
add("odds", "estimate", names(coef(logit)), coef(logit))
add("odds", "std_error", names(coef(logit)), sqrt(diag(vcov(logit))))
logit <- svyglm(severe ~ flair + age, svydesign(ids = ~center, weights = ~w, data = d), family = quasibinomial(), control = tight)
add("odds clustered", "std_error", names(coef(logit)), sqrt(diag(vcov(logit))))

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
versions <- vapply(c("nnet", "survey", "survival"), function(p) as.character(packageVersion(p)), "")
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "%s": "%s",', names(versions), versions),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
