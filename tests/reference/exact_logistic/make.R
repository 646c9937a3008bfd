# Reference values for exact conditional logistic regression: every outcome is enumerated.
# Run from this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
set.seed(20261127)
n <- 18
d <- data.frame(
  set = rep(1:3, each = 6), flair = rbinom(n, 1, 0.4), grade = sample(0:3, n, TRUE), volume = round(runif(n), 1)
)
d$severe <- 0
d$severe[c(1, 4, 7, 8, 11, 14, 18)] <- 1
d$rare <- 0
d$rare[c(4, 11, 18)] <- 1 # all with the outcome: separation
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE)
d <- read.csv("data.csv")

rows <- list()
add <- function(model, quantity, term, value) {
  rows[[length(rows) + 1]] <<- data.frame(
    model = model, quantity = quantity, term = term, value = sprintf("%.17g", value)
  )
}

# All outcomes with the observed number of events in each set, one per row.
outcomes <- function(y, set) {
  found <- matrix(0, 1, length(y))
  for (s in unique(set)) {
    k <- which(set == s)
    chosen <- combn(length(k), sum(y[k]))
    block <- matrix(0, ncol(chosen), length(k))
    block[cbind(as.vector(col(chosen)), as.vector(chosen))] <- 1
    again <- rep(seq_len(nrow(found)), each = nrow(block))
    more <- found[again, , drop = FALSE]
    more[, k] <- block[rep(seq_len(nrow(block)), nrow(found)), ]
    found <- more
  }
  found
}

root <- function(f, low = -30, high = 30) uniroot(f, c(low, high), tol = 1e-14, maxiter = 5000)$root

exact <- function(model, terms, set) {
  y <- d$severe
  all <- outcomes(y, set)
  for (term in terms) {
    others <- as.matrix(d[, setdiff(terms, term), drop = FALSE])
    same <- rep(TRUE, nrow(all))
    if (ncol(others)) {
      same <- apply(abs(all %*% others - rep(colSums(others * y), each = nrow(all))) < 1e-9, 1, all)
    }
    statistic <- round(drop(all[same, , drop = FALSE] %*% d[[term]]), 9)
    counts <- table(statistic)
    t <- as.numeric(names(counts))
    c <- as.numeric(counts)
    obs <- round(sum(y * d[[term]]), 9)
    p <- function(b) {
      w <- log(c) + b * (t - obs)
      w <- exp(w - max(w))
      w / sum(w)
    }
    tail <- function(b, side, own) sum(p(b)[side * (t - obs) > 1e-9]) + own * p(b)[abs(t - obs) < 1e-9]
    at_low <- obs == min(t)
    at_high <- obs == max(t)
    add(model, "n_support", term, length(t))
    if (length(t) == 1) next
    for (kind in c("exact", "mid_p")) {
      own <- if (kind == "exact") 1 else 0.5
      add(model, paste0(kind, "_low"), term, if (at_low) -Inf else root(function(b) tail(b, 1, own) - 0.025))
      add(model, paste0(kind, "_high"), term, if (at_high) Inf else root(function(b) tail(b, -1, own) - 0.025))
      add(model, paste0(kind, "_p_value"), term, min(1, 2 * min(tail(0, 1, own), tail(0, -1, own))))
    }
    if (at_low || at_high) {
      add(model, "median_unbiased", term, root(function(b) tail(b, if (at_high) 1 else -1, 1) - 0.5))
    } else {
      b <- root(function(b) sum(p(b) * t) - obs)
      add(model, "estimate", term, b)
      add(model, "std_error", term, 1 / sqrt(sum(p(b) * (t - obs)^2)))
    }
  }
}
exact("one intercept", c("flair", "grade"), rep(1, n))
exact("sets", c("flair", "grade"), d$set)
exact("decimals", c("flair", "volume"), d$set)
exact("separated", c("rare", "grade"), rep(1, n))

# One exposure: R's own conditional inference for a 2 x 2 table and for 2 x 2 x K tables
fisher <- fisher.test(table(d$flair, d$severe))
add("fisher", "limits", c("low", "high"), log(fisher$conf.int))
mantel <- mantelhaen.test(table(d$flair, d$severe, d$set), exact = TRUE)
add("mantelhaen", "limits", c("low", "high"), log(mantel$conf.int))

write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE, quote = FALSE)
files <- c("data.csv", "expected.csv", "make.R")
md5 <- tools::md5sum(files)
writeLines(c(
  "{", sprintf('  "R": "%s",', R.version.string),
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(rep(",", length(files) - 1), "")), "}"
), "provenance.json")
