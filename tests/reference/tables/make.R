# Reference values for descriptive tables: quantiles, standardized differences, tests, exact limits.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
options(digits = 17)
set.seed(20261122)

n <- 150
d <- data.frame(
  arm = sample(c("a", "b", "c"), n, TRUE, c(0.5, 0.3, 0.2)),
  ferritin = round(exp(rnorm(n, 6, 1.2))), age = round(rnorm(n, 60, 12), 1),
  ecog = sample(0:3, n, TRUE, c(0.45, 0.4, 0.1, 0.05)), sex = sample(c("female", "male"), n, TRUE),
  rare = sample(c("no", "yes"), n, TRUE, c(0.96, 0.04)), lines = sample(1:4, n, TRUE)
)
d$ferritin <- d$ferritin + ifelse(d$arm == "b", 150, 0)
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(quantity, variable, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    quantity = quantity, variable = variable, value = sprintf("%.17g", value)
  )
}

two <- d[d$arm != "c", ]
for (name in c("ferritin", "age", "lines")) {
  for (size in c(150, 149, 148, 147, 5, 4)) {
    q <- quantile(d[[name]][seq_len(size)], c(0.25, 0.5, 0.75), type = 2, names = FALSE)
    for (k in 1:3) add(paste0("quantile_", c("q1", "median", "q3")[k], "_", size), name, q[k])
  }
  x <- two[[name]][two$arm == "a"]
  y <- two[[name]][two$arm == "b"]
  smd <- function(x, y) abs(mean(x) - mean(y)) / sqrt((var(x) + var(y)) / 2)
  add("smd_means", name, smd(x, y))
  ranks <- rank(c(x, y))
  add("smd_ranks", name, smd(ranks[seq_along(x)], ranks[-seq_along(x)]))
  add("wilcoxon", name, wilcox.test(x, y, exact = FALSE, correct = TRUE)$p.value)
  add("welch", name, t.test(x, y)$p.value)
  add("kruskal", name, kruskal.test(d[[name]], factor(d$arm))$p.value)
  add("anova", name, oneway.test(d[[name]] ~ d$arm, var.equal = TRUE)$p.value)
}

# Yang and Dalton's multilevel difference, with the generalized inverse (as in R's tableone)
smd_levels <- function(x, y) {
  p <- as.vector(table(x) / length(x))[-1]
  q <- as.vector(table(y) / length(y))[-1]
  covariance <- function(p) diag(p, length(p)) - outer(p, p)
  drop(sqrt(t(p - q) %*% MASS::ginv((covariance(p) + covariance(q)) / 2) %*% (p - q)))
}
for (name in c("ecog", "sex", "rare")) {
  f <- factor(two[[name]])
  add("smd_levels", name, smd_levels(f[two$arm == "a"], f[two$arm == "b"]))
  counts <- table(f, two$arm)
  add("chi_squared", name, suppressWarnings(chisq.test(counts, correct = FALSE)$p.value))
  add("fisher", name, fisher.test(counts)$p.value)
}

for (k in c(0, 1, 2, 14, 38)) {
  limits <- binom.test(k, 38)$conf.int
  add("exact_low", k, limits[1])
  add("exact_high", k, limits[2])
}

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- function(name) unname(tools::md5sum(name))
writeLines(c(
  "{",
  sprintf('  "R": "%s",', R.version.string),
  sprintf('  "MASS": "%s",', packageVersion("MASS")),
  '  "script": "make.R",',
  sprintf('  "md5 data.csv": "%s",', md5("data.csv")),
  sprintf('  "md5 expected.csv": "%s",', md5("expected.csv")),
  sprintf('  "md5 make.R": "%s"', md5("make.R")),
  "}"
), "provenance.json")
