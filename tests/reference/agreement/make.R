# Reference values for agreement on categories: psych, vcd, and the defining equations in base R.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages({
  library(psych)
  library(vcd)
})
set.seed(20261126)

# Grades 0 to 3 by three readers; some readings are missing, none of the first forty.
n <- 60
true <- sample(0:3, n, TRUE, c(0.5, 0.25, 0.15, 0.1))
read <- function(p) ifelse(runif(n) < p, true, pmin(pmax(true + sample(c(-1, 1, 2), n, TRUE), 0), 3))
d <- data.frame(first = read(0.8), second = read(0.75), third = read(0.6))
for (name in names(d)) d[[name]][40 + which(runif(20) < 0.3)] <- NA
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE, na = "")
d <- read.csv("data.csv")

rows <- list()
add <- function(data, weights, quantity, estimate, std_error = NA) {
  rows[[length(rows) + 1]] <<- data.frame(
    data = data, weights = weights, quantity = quantity,
    estimate = sprintf("%.17g", estimate), std_error = sprintf("%.17g", std_error)
  )
}

# Cohen's kappa: vcd (equal spacing is linear, Fleiss-Cohen quadratic) and psych (quadratic).
both <- na.omit(d[c("first", "second")])
tab <- table(factor(both$first, 0:3), factor(both$second, 0:3))
linear <- Kappa(tab, weights = "Equal-Spacing")
quadratic <- Kappa(tab, weights = "Fleiss-Cohen")
add("pair", "none", "vcd", linear$Unweighted[["value"]], linear$Unweighted[["ASE"]])
add("pair", "linear", "vcd", linear$Weighted[["value"]], linear$Weighted[["ASE"]])
add("pair", "quadratic", "vcd", quadratic$Weighted[["value"]], quadratic$Weighted[["ASE"]])
by_psych <- cohen.kappa(both)
add("pair", "none", "psych", by_psych$kappa, sqrt(by_psych$var.kappa))
# psych 2.2.9 gives another weighted variance (0.0658 here) than vcd and than the derivative of kappa: not used.
add("pair", "quadratic", "psych", by_psych$weighted.kappa)

counts_of <- function(x) sapply(0:3, function(k) rowSums(x == k, na.rm = TRUE))
weights_of <- function(kind) {
  distance <- abs(outer(0:3, 0:3, "-")) / 3
  switch(kind, none = diag(4), linear = 1 - distance, quadratic = 1 - distance^2)
}

# Gwet (2008), equations 20 and 30, extended to weights (2014): every unit rated by every reader.
gwet <- function(r, W, chance) {
  n <- nrow(r)
  q <- ncol(r)
  ri <- rowSums(r)
  pi <- colMeans(r / ri)
  a <- rowSums(r * (r %*% t(W) - 1)) / (ri * (ri - 1))
  pa <- mean(a)
  if (chance == "ac") {
    size <- sum(W) / (q * (q - 1))
    pe <- size * sum(pi * (1 - pi))
    pei <- size * (r / ri) %*% (1 - pi)
  } else {
    pe <- c(t(pi) %*% W %*% pi)
    pei <- (r / ri) %*% (W %*% pi)
  }
  kappa <- (pa - pe) / (1 - pe)
  ki <- (a - pe) / (1 - pe) - 2 * (1 - kappa) * (c(pei) - pe) / (1 - pe)
  c(kappa, sqrt(sum((ki - kappa)^2) / (n - 1) / n))
}
complete <- counts_of(d[1:40, ])
for (kind in c("none", "linear", "quadratic")) {
  for (chance in c("ac", "fleiss")) {
    found <- gwet(complete, weights_of(kind), chance)
    add("complete", kind, chance, found[1], found[2])
  }
}

# Krippendorff (2011): coincidences of the readings of each unit; the standard error is that of the
# infinitesimal jackknife, derivatives by central differences of the units' weights.
alpha <- function(r, level, w = rep(1, nrow(r))) {
  r <- r * (rowSums(r) >= 2)
  m <- pmax(rowSums(r), 2)
  o <- Reduce(`+`, lapply(seq_len(nrow(r)), function(u) w[u] * (outer(r[u, ], r[u, ]) - diag(r[u, ])) / (m[u] - 1)))
  nc <- rowSums(o)
  q <- ncol(r)
  delta <- outer(1:q, 1:q, Vectorize(function(c, k) switch(level,
    nominal = as.numeric(c != k),
    ordinal = (sum(nc[c:k]) - (nc[c] + nc[k]) / 2)^2,
    interval = (c - k)^2,
    ratio = if (c == 1 && k == 1) 0 else ((c - k) / (c + k - 2))^2 # values are c - 1
  )))
  1 - (sum(nc) - 1) * sum(o * delta) / sum(outer(nc, nc) * delta)
}
r <- counts_of(d)
h <- 1e-4
for (level in c("nominal", "ordinal", "interval", "ratio")) {
  slope <- sapply(seq_len(n), function(u) {
    step <- replace(numeric(n), u, h)
    (alpha(r, level, 1 + step) - alpha(r, level, 1 - step)) / (2 * h)
  })
  slope <- slope[rowSums(r) >= 2]
  used <- length(slope)
  add("all", level, "alpha", alpha(r, level), sqrt(sum((slope - mean(slope))^2) * used / (used - 1)))
}

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
versions <- vapply(c("psych", "vcd"), function(p) as.character(packageVersion(p)), "")
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string), sprintf('  "%s": "%s",', names(versions), versions),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"
), "provenance.json")
