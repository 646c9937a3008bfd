# Faults of (start, stop] rows by survival::survcheck, row by row, without and with the state each row begins in.
# Run in this folder: Rscript make.R. Writes data.csv, expected.csv and provenance.json.
suppressPackageStartupMessages(library(survival))
set.seed(20261126)
rows <- list()
for (i in 1:150) {
  k <- sample(1:6, 1)
  cuts <- sort(sample(0:40, k + 1))
  start <- cuts[-(k + 1)]; stop <- cuts[-1]
  shift <- sample(c(-3, -1, 0, 0, 0, 0, 0, 0, 1, 4), k, TRUE)
  start <- pmax(0, start + shift)
  event <- sample(c("censored", "icans", "dead"), k, TRUE, prob = c(0.6, 0.3, 0.1))
  state <- rep("well", k)
  for (j in seq_len(k)[-1]) state[j] <- if (event[j - 1] == "censored") state[j - 1] else event[j - 1]
  wrong <- runif(k) < 0.12
  state[wrong] <- sample(c("well", "icans", "dead"), sum(wrong), TRUE)
  one <- data.frame(id = i, start, stop, event, state)
  if (runif(1) < 0.1) one <- rbind(one, one[sample(k, 1), ])
  rows[[i]] <- one
}
d <- do.call(rbind, rows)
d <- d[sample(nrow(d)), ]
write.csv(d, "data.csv", row.names = FALSE, quote = FALSE, na = "")
d <- read.csv("data.csv")
d$event <- factor(d$event, c("censored", "icans", "dead"))
d$state <- factor(d$state, c("well", "icans", "dead"))
d$row <- seq_len(nrow(d))
kept <- d[d$start < d$stop, ]
found <- list(
  plain = survcheck(Surv(start, stop, event) ~ 1, kept, id = id),
  states = survcheck(Surv(start, stop, event) ~ 1, kept, id = id, istate = state))
out <- list()
for (model in names(found)) {
  f <- found[[model]]
  for (fault in c("overlap", "gap", "jump", "teleport")) {
    out[[length(out) + 1]] <- data.frame(model, fault, row = 0, n = f$flag[[fault]])
    r <- f[[fault]]$row
    if (length(r)) out[[length(out) + 1]] <- data.frame(model, fault, row = kept$row[r], n = 1)
  }
}
write.csv(do.call(rbind, out), "expected.csv", row.names = FALSE, quote = FALSE)
md5 <- tools::md5sum(c("data.csv", "expected.csv", "make.R"))
writeLines(c("{", sprintf('  "R": "%s",', R.version.string),
  sprintf('  "survival": "%s",', packageVersion("survival")), '  "script": "make.R",',
  paste0(sprintf('  "md5 %s": "%s"', names(md5), md5), c(",", ",", "")), "}"), "provenance.json")
