# Reference values for FLIC and FLAC (Puhr et al. 2017), from their defining equations: Firth's estimate by Newton steps on
# the modified score, then glm with an offset (FLIC), or glm of the augmented data (FLAC). Data of ../logistic.
# Run from this folder: Rscript make.R. Writes expected.csv and provenance.json.
d <- read.csv("../logistic/data.csv")
d$age10 <- (d$age - 60) / 10
new <- data.frame(age10 = c(-1.5, 0, 2), flair = c(0, 1, 1), rare = c(0, 0, 1))

rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    model = model, quantity = quantity, term = term, value = sprintf("%.17g", value)
  )
}
tight <- glm.control(epsilon = 1e-15, maxit = 200)
predictions <- function(model, kind, beta, X, N) {
  p <- plogis(drop(X %*% beta))
  V <- solve(crossprod(X * sqrt(p * (1 - p))))
  eta <- drop(N %*% beta)
  se <- sqrt(rowSums((N %*% V) * N))
  k <- seq_along(eta)
  add(model, paste(kind, "risk"), k, plogis(eta))
  add(model, paste(kind, "std_error"), k, plogis(eta) * (1 - plogis(eta)) * se)
  add(model, paste(kind, "low"), k, plogis(eta - qnorm(0.975) * se))
  add(model, paste(kind, "high"), k, plogis(eta + qnorm(0.975) * se))
}
for (model in c("firth", "firth separated")) {
  right <- if (model == "firth") ~ age10 + flair else ~ age10 + flair + rare
  X <- model.matrix(right, d)
  N <- model.matrix(right, new)
  y <- d$severe
  beta <- rep(0, ncol(X))
  for (i in 1:500) {
    p <- plogis(drop(X %*% beta))
    w <- p * (1 - p)
    I <- solve(crossprod(X * sqrt(w)))
    h <- w * rowSums((X %*% I) * X)
    step <- drop(I %*% crossprod(X, y - p + h * (0.5 - p)))
    beta <- beta + step / max(1, max(abs(step)))
    if (max(abs(step)) < 1e-14) break
  }
  p <- plogis(drop(X %*% beta))
  w <- p * (1 - p)
  h <- w * rowSums((X %*% solve(crossprod(X * sqrt(w)))) * X)

  offset <- drop(X[, -1, drop = FALSE] %*% beta[-1])
  flic <- glm(y ~ 1, binomial, offset = offset, control = tight)
  stopifnot(abs(mean(fitted(flic)) - mean(y)) < 1e-12)
  add(model, "flic", colnames(X), c(coef(flic), beta[-1]))
  predictions(model, "flic", c(coef(flic), beta[-1]), X, N)

  augmented <- cbind(rbind(X, X, X), added = rep(c(0, 1, 1), each = length(y)))
  both <- suppressWarnings(glm.fit(augmented, c(y, y, 1 - y), c(rep(1, length(y)), h / 2, h / 2),
    family = binomial(), control = tight
  ))
  flac <- coef(both)[seq_len(ncol(X))]
  stopifnot(abs(mean(plogis(drop(X %*% flac))) - mean(y)) < 1e-10)
  add(model, "flac", colnames(X), flac)
  predictions(model, "flac", flac, X, N)
}
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
files <- c("../logistic/data.csv", "expected.csv", "make.R")
md5 <- tools::md5sum(files)
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(rep(",", length(files) - 1), "")), "}"
), "provenance.json")
