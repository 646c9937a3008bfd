# Reference values for multiple imputation: Rubin's rules from mice and mitools on completed data sets that are
# stored here, and the distribution of what mice imputes for an incomplete data set.
# Run from this folder: Rscript make.R. Writes incomplete.csv, completed.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({
  library(mice)
  library(mitools)
  library(survival)
  library(cmprsk)
})
set.seed(20261126)

n <- 240
d <- data.frame(age = round(rnorm(n, 60, 10), 1))
d$product <- sample(c("axi", "liso", "tisa"), n, TRUE, prob = c(0.5, 0.3, 0.2))
d$crp <- round(3 + 0.06 * (d$age - 60) + 0.8 * (d$product == "axi") + rnorm(n), 2)
d$flair <- rbinom(n, 1, plogis(-1 + 0.6 * (d$crp - 3)))
eta <- 0.7 * (d$crp - 3) + 0.8 * d$flair
d$grade <- findInterval(eta + rlogis(n), c(0.3, 1.2, 2.2, 3.4))
d$severe <- rbinom(n, 1, plogis(-1.2 + 0.6 * (d$crp - 3) + 0.5 * d$flair))
event <- ceiling(rexp(n, 0.004 * exp(0.4 * (d$crp - 3))))
censor <- ceiling(runif(n, 60, 500))
d$days <- pmin(event, censor)
d$status <- ifelse(event <= censor, ifelse(runif(n) < 0.6, 1, 2), 0)
holes <- function(p) runif(n) < p
d$crp[holes(plogis(-1.2 + 0.03 * (d$age - 60) + 0.6 * d$severe))] <- NA
d$product[holes(0.1)] <- NA
d$flair[holes(0.15)] <- NA
d$grade[holes(plogis(-1.6 + 0.5 * d$severe))] <- NA
write.csv(d, "incomplete.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("incomplete.csv", na.strings = "NA")
d$product <- factor(d$product)
d$flair <- factor(d$flair)
d$grade <- factor(d$grade, ordered = TRUE)

rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    model = model, quantity = quantity, term = term, value = sprintf("%.17g", value)
  )
}
seen <- c("age", "product", "crp", "flair", "grade", "severe")
imp <- mice(d[seen], m = 5, maxit = 5, printFlag = FALSE, seed = 7)
long <- complete(imp, "long")
long$days <- d$days[long$.id]
long$status <- d$status[long$.id]
long$flair <- as.integer(as.character(long$flair))
long$grade <- as.integer(as.character(long$grade))
names(long)[names(long) == ".imp"] <- "imputation"
long$.id <- NULL
write.csv(long, "completed.csv", row.names = FALSE, quote = FALSE)
long <- read.csv("completed.csv")
parts <- split(long, long$imputation)

record <- function(model, terms, p) {
  for (quantity in c("qbar", "ubar", "b", "t", "df", "r", "lambda", "fmi")) add(model, quantity, terms, p[[quantity]])
}
scalar <- function(model, term, Q, U, dfcom) {
  s <- pool.scalar(Q, U, n = dfcom + 1, k = 1)
  # pool.scalar takes n - k as the complete-data degrees of freedom and raises lambda to at least 1e-4
  lambda <- (1 + 1 / s$m) * s$b / s$t
  add(model, "qbar", term, s$qbar)
  add(model, "t", term, s$t)
  add(model, "df", term, s$df)
  add(model, "fmi", term, s$fmi)
  add(model, "lambda", term, lambda)
}

tight <- glm.control(epsilon = 1e-15, maxit = 100)
glms <- lapply(parts, function(f) glm(severe ~ age + crp + product, binomial, f, control = tight))
pooled <- pool(as.mira(glms))$pooled
pooled$qbar <- pooled$estimate
pooled$r <- pooled$riv
record("glm", as.character(pooled$term), pooled)
add("glm", "dfcom", "", unique(pooled$dfcom))
combined <- MIcombine(lapply(glms, coef), lapply(glms, vcov), df.complete = n - 5)
add("mitools", "qbar", names(coef(combined)), coef(combined))
add("mitools", "t", names(coef(combined)), diag(combined$variance))
add("mitools", "df", names(coef(combined)), combined$df)

coxes <- lapply(parts, function(f) {
  coxph(Surv(days, status == 1) ~ crp + product, f, control = coxph.control(eps = 1e-12, toler.chol = 1e-13, iter.max = 50))
})
pooled <- pool(as.mira(coxes))$pooled
pooled$qbar <- pooled$estimate
pooled$r <- pooled$riv
record("cox", as.character(pooled$term), pooled)
add("cox", "dfcom", "", unique(pooled$dfcom))

grays <- lapply(parts, function(f) crr(f$days, f$status, cbind(crp = f$crp, flair = f$flair), failcode = 1))
for (k in 1:2) {
  scalar("crr", c("crp", "flair")[k], sapply(grays, function(g) g$coef[k]), sapply(grays, function(g) g$var[k, k]),
    sum(d$status == 1) - 2)
}
# Kaplan-Meier by product at days 100 and 300, on the complementary log-log scale
for (arm in c("axi", "liso", "tisa")) {
  for (day in c(100, 300)) {
    s <- sapply(parts, function(f) {
      at <- summary(survfit(Surv(days, status == 1) ~ 1, f[f$product == arm, ]), times = day)
      c(log(-log(at$surv)), (at$std.err / (at$surv * log(at$surv)))^2)
    })
    scalar("km", paste(arm, day), s[1, ], s[2, ], Inf)
  }
}
# 2 x 2: logarithms of risk and odds ratio, risk difference
tables <- lapply(parts, function(f) table(factor(f$flair, 1:0), factor(f$severe, 1:0)))
both <- sapply(tables, function(x) {
  p <- x[, 1] / rowSums(x)
  c(log(p[1] / p[2]), sum(1 / x[, 1] - 1 / rowSums(x)), log(x[1, 1] * x[2, 2] / x[1, 2] / x[2, 1]), sum(1 / x),
    p[1] - p[2], sum(p * (1 - p) / rowSums(x)))
})
scalar("two_by_two", "risk_ratio", both[1, ], both[2, ], Inf)
scalar("two_by_two", "odds_ratio", both[3, ], both[4, ], Inf)
scalar("two_by_two", "risk_difference", both[5, ], both[6, ], Inf)

# D1 and D2 of the two products, by their defining equations (Li, Raghunathan and Rubin 1991; Li et al. 1991)
Q <- t(sapply(glms, coef))[, 4:5]
U <- Reduce(`+`, lapply(glms, function(g) vcov(g)[4:5, 4:5])) / 5
r1 <- (1 + 1 / 5) * sum(diag(var(Q) %*% solve(U))) / 2
D1 <- drop(colMeans(Q) %*% solve(U) %*% colMeans(Q)) / (2 * (1 + r1))
df1 <- 4 + (2 * 4 - 4) * (1 + (1 - 2 / (2 * 4)) / r1)^2
add("D1", "statistic", "", D1)
add("D1", "df", "", df1)
add("D1", "p", "", pf(D1, 2, df1, lower.tail = FALSE))
wald <- sapply(glms, function(g) drop(coef(g)[4:5] %*% solve(vcov(g)[4:5, 4:5]) %*% coef(g)[4:5]))
r2 <- (1 + 1 / 5) * var(sqrt(wald))
D2 <- (mean(wald) / 2 - 6 / 4 * r2) / (1 + r2)
df2 <- 2^(-3 / 5) * 4 * (1 + 1 / r2)^2
add("D2", "statistic", "", D2)
add("D2", "df", "", df2)
add("D2", "p", "", pf(D2, 2, df2, lower.tail = FALSE))

# What mice imputes: 200 imputations; means of what was drawn, and their standard deviation between imputations
many <- mice(d[seen], m = 200, maxit = 10, printFlag = FALSE, seed = 11)
drawn <- function(name) many$imp[[name]]
facts <- list(
  "crp mean" = colMeans(drawn("crp")),
  "crp sd" = apply(drawn("crp"), 2, sd),
  "product axi" = colMeans(drawn("product") == "axi"),
  "product liso" = colMeans(drawn("product") == "liso"),
  "flair 1" = colMeans(drawn("flair") == "1")
)
for (g in 0:4) facts[[paste("grade", g)]] <- colMeans(drawn("grade") == as.character(g))
frames <- lapply(1:200, function(k) complete(many, k))
fits <- lapply(frames, function(f) glm(severe ~ age + crp + product + flair, binomial, f, control = tight))
for (k in 1:6) facts[[paste("coef", names(coef(fits[[1]]))[k])]] <- sapply(fits, function(g) coef(g)[k])
for (name in names(facts)) {
  add("mice", "mean", name, mean(facts[[name]]))
  add("mice", "std", name, sd(facts[[name]]))
}

expected <- do.call(rbind, rows)
write.csv(expected, "expected.csv", row.names = FALSE, quote = FALSE)
version <- function(p) sprintf('  "%s": "%s"', p, packageVersion(p))
files <- c("incomplete.csv", "completed.csv", "expected.csv", "make.R")
lines <- c(
  sprintf('  "R": "%s"', R.version.string), sapply(c("mice", "mitools", "survival", "cmprsk"), version),
  sprintf('  "md5 %s": "%s"', files, tools::md5sum(files))
)
writeLines(c("{", paste(lines, collapse = ",\n"), "}"), "provenance.json")
