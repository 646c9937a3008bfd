# Reference values for standardized risks. Data of ../logistic: sandwich of the stacked estimating equations, written
# out in base R (numerical Jacobian by central differences is checked against the analytic one); riskRegression::ate
# (G-formula after glm) as a second opinion. Run from this folder: Rscript make.R.
suppressMessages(library(riskRegression))
d <- read.csv("../logistic/data.csv")
d$age10 <- (d$age - 60) / 10
d$w <- 0.5 + (seq_len(nrow(d)) %% 7) / 4
rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(model = model, quantity = quantity, term = term, value = sprintf("%.17g", value))
}
tight <- glm.control(epsilon = 1e-15, maxit = 200)

contrasts_of <- function(model, risk, V, level) {
  z <- qnorm(0.975)
  add(model, "risk", level, risk)
  se <- sqrt(diag(V))
  add(model, "risk se", level, se)
  add(model, "risk low", level, plogis(qlogis(risk) - z * se / (risk * (1 - risk))))
  for (k in 2:length(risk)) {
    a <- risk[1]; b <- risk[k]; W <- V[c(1, k), c(1, k)]
    one <- function(name, value, g, back) {
      s <- sqrt(drop(t(g) %*% W %*% g))
      add(model, name, level[k], back(value)); add(model, paste(name, "se"), level[k], s)
      add(model, paste(name, "high"), level[k], back(value + z * s))
    }
    one("risk_difference", b - a, c(-1, 1), identity)
    one("risk_ratio", log(b / a), c(-1 / a, 1 / b), exp)
    one("odds_ratio", qlogis(b) - qlogis(a), c(-1 / (a * (1 - a)), 1 / (b * (1 - b))), exp)
  }
}
# Stacked equations U(theta) with theta = (beta, risks): A = -mean dU/dtheta by differences, B = sum over clusters / n
stacked <- function(model, formula, exposure, level, w = rep(1, nrow(d)), cluster = seq_len(nrow(d))) {
  X <- model.matrix(formula, d)
  fit <- suppressWarnings(glm(formula, binomial, d, weights = w, control = tight))
  sets <- lapply(level, function(l) { e <- d; e[[exposure]] <- l; if (exposure == "product") e$product <- factor(l, levels(factor(d$product))); model.matrix(update(formula, NULL ~ .), e) })
  y <- d$severe
  p <- ncol(X)
  U <- function(theta) {
    b <- theta[1:p]
    r <- theta[-(1:p)]
    cbind(X * (w * (y - plogis(drop(X %*% b)))),
      sapply(seq_along(sets), function(k) w * (plogis(drop(sets[[k]] %*% b)) - r[k])))
  }
  b <- coef(fit)
  for (i in 1:5) { # glm stops at a change of the deviance; Newton steps to the last digit
    q <- plogis(drop(X %*% b))
    b <- b + drop(solve(crossprod(X * (w * q * (1 - q)), X), crossprod(X, w * (y - q))))
  }
  theta <- c(b, sapply(sets, function(S) weighted.mean(plogis(drop(S %*% b)), w)))
  stopifnot(max(abs(colMeans(U(theta)))) < 1e-10)
  n <- nrow(d)
  q <- length(theta)
  pi <- plogis(drop(X %*% b))
  A <- matrix(0, q, q)
  A[1:p, 1:p] <- crossprod(X * (w * pi * (1 - pi)), X) / n
  for (k in seq_along(sets)) {
    r <- plogis(drop(sets[[k]] %*% b))
    A[p + k, 1:p] <- -colSums(sets[[k]] * (w * r * (1 - r))) / n
    A[p + k, p + k] <- sum(w) / n
  }
  N <- sapply(seq_len(q), function(j) { h <- 1e-6; e <- replace(numeric(q), j, h); -(colMeans(U(theta + e)) - colMeans(U(theta - e))) / (2 * h) })
  stopifnot(max(abs(N - A)) < 1e-5 * max(abs(A)))
  S <- rowsum(U(theta), cluster)
  G <- nrow(S)
  V <- solve(A) %*% (crossprod(S) * G / (G - 1) / n^2) %*% t(solve(A))
  contrasts_of(model, theta[-(1:p)], V[-(1:p), -(1:p)], level)
}
adjusted <- severe ~ age + flair + product
stacked("ml", adjusted, "flair", c(0, 1))
stacked("interaction", severe ~ age10 * flair, "flair", c(0, 1))
stacked("cluster", adjusted, "flair", c(0, 1), cluster = d$center)
stacked("weights", adjusted, "flair", c(0, 1), w = d$w)
stacked("weights cluster", adjusted, "flair", c(0, 1), w = d$w, cluster = d$center)
stacked("product", adjusted, "product", sort(unique(d$product)))
stacked("age", adjusted, "age", c(50, 70))

# Firth with the intercept of FLIC; model covariance of the coefficients and variance of the mean prediction
firth <- function(model, right) {
  X <- model.matrix(right, d)
  y <- d$severe
  beta <- rep(0, ncol(X))
  for (i in 1:500) {
    p <- plogis(drop(X %*% beta)); w <- p * (1 - p)
    I <- solve(crossprod(X * sqrt(w))); h <- w * rowSums((X %*% I) * X)
    step <- drop(I %*% crossprod(X, y - p + h * (0.5 - p)))
    beta <- beta + step / max(1, max(abs(step)))
    if (max(abs(step)) < 1e-14) break
  }
  beta[1] <- coef(glm(y ~ 1, binomial, offset = drop(X[, -1] %*% beta[-1]), control = tight))
  p <- plogis(drop(X %*% beta))
  V <- solve(crossprod(X * sqrt(p * (1 - p))))
  P <- sapply(0:1, function(l) { e <- d; e$flair <- l; plogis(drop(model.matrix(right, e) %*% beta)) })
  D <- sapply(0:1, function(l) { e <- d; e$flair <- l; Z <- model.matrix(right, e); q <- plogis(drop(Z %*% beta)); colMeans(Z * (q * (1 - q))) })
  contrasts_of(model, colMeans(P), t(D) %*% V %*% D + cov(P) / nrow(d), c(0, 1))
}
firth("firth", ~ age10 + flair)
firth("firth separated", ~ age10 + flair + rare)

e <- transform(d, flair = factor(flair), product = factor(product))
fit <- glm(adjusted, binomial, e, control = tight)
found <- ate(fit, data = e, treatment = "flair", se = TRUE, iid = TRUE, verbose = FALSE)
m <- found$meanRisk
stopifnot(nrow(m) == 2)
add("ate", "risk", c(0, 1), m$estimate)
add("ate", "risk se", c(0, 1), m$se)
add("ate", "risk_difference", 1, found$diffRisk$estimate)
add("ate", "risk_difference se", 1, found$diffRisk$se)

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
files <- c("../logistic/data.csv", "expected.csv", "make.R")
md5 <- tools::md5sum(files)
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "riskRegression": "%s",', packageVersion("riskRegression")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(rep(",", length(files) - 1), "")), "}"
), "provenance.json")
