# Reference values for areas under ROC curves, independent and clustered, and comparisons.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages(library(pROC))
set.seed(20261126)

# Exams of patients in 25 clusters; scores with ties; a cluster may be in both groups.
n <- 160
d <- data.frame(patient = sample(1:25, n, TRUE), group = sample(c("axi", "tisa"), n, TRUE))
u <- rnorm(25)[d$patient]
d$outcome <- rbinom(n, 1, plogis(-0.6 + u))
d$first <- round(2 * (rnorm(n) + 0.9 * d$outcome + 0.6 * u)) / 2
d$second <- round(rnorm(n) + 0.5 * d$outcome + 0.5 * d$first, 1)
d$platelets <- round(150 - 30 * d$outcome + 40 * rnorm(n))
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(part, quantity, value) {
  rows[[length(rows) + 1]] <<- data.frame(part, quantity, value = sprintf("%.17g", as.numeric(value)))
}
z <- qnorm(0.975)
curve_of <- function(score, data = d, direction = "<") {
  roc(data$outcome, data[[score]], levels = c(0, 1), direction = direction, quiet = TRUE)
}

# 1. pROC: DeLong area, limits on the natural scale; logit limits from its variance.
for (score in c("first", "second", "platelets")) {
  r <- curve_of(score, direction = if (score == "platelets") ">" else "<")
  ends <- ci.auc(r, method = "delong")
  a <- as.numeric(auc(r))
  se <- sqrt(var(r, method = "delong"))
  add(score, "estimate", a)
  add(score, "std_error", se)
  add(score, "delong_low", ends[1])
  add(score, "delong_high", ends[3])
  add(score, "logit_low", plogis(qlogis(a) - z * se / (a * (1 - a))))
  add(score, "logit_high", plogis(qlogis(a) + z * se / (a * (1 - a))))
}

# 2. pROC: paired and unpaired comparisons.
t <- roc.test(curve_of("first"), curve_of("second"), method = "delong", paired = TRUE)
add("paired", "statistic", t$statistic)
add("paired", "p_value", t$p.value)
add("paired", "conf_low", t$conf.int[1])
add("paired", "conf_high", t$conf.int[2])
groups <- split(d, d$group)
t <- roc.test(curve_of("first", groups$axi), curve_of("first", groups$tisa), method = "delong", paired = FALSE)
add("unpaired", "statistic", t$statistic)
add("unpaired", "df", t$parameter)
add("unpaired", "p_value", t$p.value)

# 3. pROC: sensitivity and specificity at a cutoff, and Youden's point.
r <- curve_of("first")
at <- coords(r, 0.5 - 1e-9, input = "threshold", ret = c("sensitivity", "specificity"))
add("cutoff", "sensitivity", at$sensitivity)
add("cutoff", "specificity", at$specificity)
best <- coords(r, "best", best.method = "youden", ret = "youden")
add("cutoff", "youden", best$youden[1] - 1)

# 4. Obuchowski (1997), from its definition with the matrix of all pairs.
psi <- function(x, y) outer(x, y, function(a, b) (a > b) + 0.5 * (a == b))
parts_of <- function(score, data, cl) {
  x <- data[[score]][data$outcome == 1]
  y <- data[[score]][data$outcome == 0]
  k <- psi(x, y)
  a <- mean(k)
  s10 <- sapply(cl, function(i) sum(rowMeans(k)[data$patient[data$outcome == 1] == i] - a))
  s01 <- sapply(cl, function(i) sum(colMeans(k)[data$patient[data$outcome == 0] == i] - a))
  has <- sapply(cl, function(i) c(any(data$outcome == 1 & data$patient == i), any(data$outcome == 0 & data$patient == i)))
  list(a = a, s10 = s10, s01 = s01, i10 = sum(has[1, ]), i01 = sum(has[2, ]), i = sum(has[1, ] | has[2, ]),
       m = length(x), n = length(y))
}
covariance <- function(p, q) {
  p$i10 / (p$i10 - 1) * sum(p$s10 * q$s10) / p$m^2 + p$i01 / (p$i01 - 1) * sum(p$s01 * q$s01) / p$n^2 +
    p$i / (p$i - 1) * (sum(p$s10 * q$s01) + sum(q$s10 * p$s01)) / (p$m * p$n)
}
cl <- sort(unique(d$patient))
p <- parts_of("first", d, cl)
q <- parts_of("second", d, cl)
add("clustered", "std_error_first", sqrt(covariance(p, p)))
add("clustered", "std_error_second", sqrt(covariance(q, q)))
add("clustered", "covariance", covariance(p, q))
# One row per cluster is DeLong's variance.
one <- d[!duplicated(d$patient), ]
p1 <- parts_of("first", one, sort(one$patient))
stopifnot(abs(covariance(p1, p1) - var(curve_of("first", one), method = "delong")) < 1e-14)
# Groups that share clusters: influences of a cluster on either area.
influence <- function(data) {
  p <- parts_of("first", data, cl)
  p$s10 / p$m + p$s01 / p$n
}
add("clustered", "covariance_of_groups", sum(influence(groups$axi) * influence(groups$tisa)) * 25 / 24)
# Cluster bootstrap of the standard errors and the covariance: a check of the formula, not to digits.
area <- function(x, o) {
  r <- rank(x)
  (sum(r[o == 1]) - sum(o) * (sum(o) + 1) / 2) / (sum(o) * sum(1 - o))
}
index <- split(seq_len(n), d$patient)
boot <- replicate(4000, {
  b <- d[unlist(index[sample(length(index), replace = TRUE)]), ]
  g <- split(b, b$group)
  c(area(b$first, b$outcome), area(b$second, b$outcome), area(g$axi$first, g$axi$outcome), area(g$tisa$first, g$tisa$outcome))
})
v <- cov(t(boot))
add("bootstrap", "std_error_first", sqrt(v[1, 1]))
add("bootstrap", "std_error_second", sqrt(v[2, 2]))
add("bootstrap", "std_error_difference", sqrt(v[1, 1] + v[2, 2] - 2 * v[1, 2]))
add("bootstrap", "std_error_difference_of_groups", sqrt(v[3, 3] + v[4, 4] - 2 * v[3, 4]))

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "pROC": "%s",', packageVersion("pROC")),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
