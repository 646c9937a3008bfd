# Reference values for logistic regression of clustered and matched patients.
# Run from this folder: Rscript make.R. Writes data.csv, matched.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({
  library(geepack)
  library(lme4)
  library(sandwich)
  library(clubSandwich)
  library(survival)
})
set.seed(20261126)

# 12 centers of unequal size, with a random intercept
G <- 12
size <- c(3, 5, 8, 9, 10, 12, 12, 15, 18, 20, 24, 30)
d <- data.frame(center = rep(seq_len(G), size))
n <- nrow(d)
d$age10 <- round(rnorm(n), 1)
d$flair <- rbinom(n, 1, 0.3)
d$volume <- round(rep(rnorm(G), size), 1) # of the center
d$severe <- rbinom(n, 1, plogis(-1 + 0.4 * d$age10 + 0.8 * d$flair + 0.3 * d$volume + rep(rnorm(G, 0, 1.2), size)))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    model = model, quantity = quantity, term = term, value = sprintf("%.17g", value)
  )
}
formula <- severe ~ age10 + flair + volume
tight <- glm.control(epsilon = 1e-15, maxit = 100)
ml <- glm(formula, binomial, d, control = tight)
terms <- names(coef(ml))
add("ml", "cr1", terms, sqrt(diag(vcovCL(ml, d$center))))
cr2 <- coef_test(ml, vcov = "CR2", cluster = d$center, test = "Satterthwaite")
add("ml", "cr2", terms, cr2$SE)
add("ml", "df", terms, cr2$df_Satt)
add("ml", "p_value", terms, cr2$p_Satt)

for (structure in c("exchangeable", "independence")) {
  fit <- geeglm(formula, binomial, d, id = center, corstr = structure, std.err = "san.se",
    control = geese.control(epsilon = 1e-12, maxit = 500)
  )
  add(structure, "estimate", terms, coef(fit))
  add(structure, "robust", terms, sqrt(diag(vcov(fit))))
  rho <- if (structure == "exchangeable") fit$geese$alpha else 0
  add(structure, "correlation", "", rho)
  # Mancl and DeRouen (2001), and Kauermann and Carroll (2001), by their definitions with full matrices
  X <- model.matrix(fit)
  p <- fitted(fit)[, 1]
  M <- 0
  parts <- list()
  for (g in unique(d$center)) {
    k <- d$center == g
    D <- X[k, , drop = FALSE] * (p[k] * (1 - p[k]))
    R <- matrix(rho, sum(k), sum(k))
    diag(R) <- 1
    V <- outer(sqrt(p[k] * (1 - p[k])), sqrt(p[k] * (1 - p[k]))) * R
    parts[[length(parts) + 1]] <- list(D = D, Vi = solve(V), r = d$severe[k] - p[k])
    M <- M + t(D) %*% solve(V) %*% D
  }
  M <- solve(M)
  root <- function(A) {
    e <- eigen(A)
    Re(e$vectors %*% diag(1 / sqrt(as.complex(e$values)), length(e$values)) %*% solve(e$vectors))
  }
  for (kind in c("mancl_derouen", "kauermann_carroll")) {
    meat <- 0
    for (part in parts) {
      H <- part$D %*% M %*% t(part$D) %*% part$Vi
      L <- if (kind == "mancl_derouen") solve(diag(nrow(H)) - H) else root(diag(nrow(H)) - H)
      u <- t(part$D) %*% part$Vi %*% L %*% part$r
      meat <- meat + u %*% t(u)
    }
    add(structure, kind, terms, sqrt(diag(M %*% meat %*% M)))
  }
}

# Random intercept: glmer, and the marginal likelihood by stats::integrate, maximized by optim.
fit <- glmer(update(formula, . ~ . + (1 | center)), d, binomial, nAGQ = 25,
  control = glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5))
)
add("glmer", "estimate", terms, fixef(fit))
add("glmer", "std_error", terms, sqrt(diag(as.matrix(vcov(fit)))))
add("glmer", "sd", "", attr(VarCorr(fit)$center, "stddev"))
X <- model.matrix(ml)
marginal <- function(theta) {
  eta <- drop(X %*% theta[1:4])
  total <- 0
  for (g in unique(d$center)) {
    k <- d$center == g
    f <- function(u) {
      vapply(u, function(v) exp(sum(dbinom(d$severe[k], 1, plogis(eta[k] + theta[5] * v), TRUE)) + 20), 0) * dnorm(u)
    }
    total <- total + log(integrate(f, -8, 8, rel.tol = 1e-11, subdivisions = 1000)$value) - 20
  }
  total
}
slope <- function(theta) {
  vapply(1:5, function(j) {
    h <- 1e-4 * (seq_len(5) == j)
    (8 * (marginal(theta + h) - marginal(theta - h)) - (marginal(theta + 2 * h) - marginal(theta - 2 * h))) / 12e-4
  }, 0)
}
best <- c(fixef(fit), attr(VarCorr(fit)$center, "stddev"))
for (round in 1:4) { # Newton on the integrated likelihood
  H <- matrix(0, 5, 5)
  for (j in 1:5) {
    h <- 1e-3 * (1:5 == j)
    H[, j] <- (8 * (slope(best + h) - slope(best - h)) - (slope(best + 2 * h) - slope(best - 2 * h))) / 12e-3
  }
  H <- (H + t(H)) / 2
  best <- best - drop(solve(H, slope(best)))
}
add("marginal", "estimate", terms, best[1:4])
add("marginal", "std_error", terms, sqrt(diag(solve(-H)))[1:4])
add("marginal", "sd", "", best[5])
add("marginal", "sd_std_error", "", sqrt(diag(solve(-H)))[5])
add("marginal", "log_likelihood", "", marginal(best))

# Matched sets: 1 to 3 cases and 1 to 4 controls
S <- 45
m <- do.call(rbind, lapply(seq_len(S), function(s) {
  cases <- sample(1:3, 1)
  controls <- sample(1:4, 1)
  k <- cases + controls
  data.frame(set = s, severe = rep(1:0, c(cases, controls)), flair = rbinom(k, 1, rep(c(0.5, 0.3), c(cases, controls))),
    age10 = round(rnorm(k, rep(c(0.3, 0), c(cases, controls))), 1), hospital = 1 + s %% 9)
}))
m <- rbind(m, data.frame(set = S + 1:3, severe = c(1, 0, 1), flair = 1, age10 = 0, hospital = 1)) # non-informative
write.csv(m, "matched.csv", row.names = FALSE, quote = FALSE)
m <- read.csv("matched.csv")
fit <- clogit(severe ~ flair + age10 + strata(set), m, method = "exact", control = coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 50))
add("clogit", "estimate", names(coef(fit)), coef(fit))
add("clogit", "std_error", names(coef(fit)), sqrt(diag(vcov(fit))))
add("clogit", "log_likelihood", c("null", "model"), fit$loglik)
# robust variance: one case per set, where the exact likelihood is Cox's
one <- m[m$set <= S & !(m$severe == 1 & duplicated(m[, c("set", "severe")])), ]
fit <- coxph(Surv(rep(1, nrow(one)), severe) ~ flair + age10 + strata(set) + cluster(hospital), one,
  ties = "breslow", control = coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 50)
)
add("one case", "estimate", names(coef(fit)), coef(fit))
add("one case", "robust", names(coef(fit)), sqrt(diag(vcov(fit))))

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
files <- c("data.csv", "matched.csv", "expected.csv", "make.R")
md5 <- tools::md5sum(files)
packages <- c("geepack", "lme4", "sandwich", "clubSandwich", "survival")
versions <- vapply(packages, function(p) as.character(packageVersion(p)), "")
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "%s": "%s",', names(versions), versions),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(rep(",", length(files) - 1), "")), "}"
), "provenance.json")
