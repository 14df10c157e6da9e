# limma's moderated t on many simulated trials, as immunomon.assurance.validation simulates them; called by benchmarks/limma_level.py.
# Reads OUT/changes.csv (trial, patient, one column a population), writes OUT/p.csv (trial, one column a population).
# limma is GPL: it is called here, nothing of it is copied. See benchmarks/limma.md.
suppressMessages(library(limma))
folder <- commandArgs(trailingOnly = TRUE)[1]
changes <- as.matrix(read.csv(file.path(folder, "changes.csv")))
one <- function(rows) {
  y <- changes[rows, -(1:2), drop = FALSE]
  fit <- lmFit(t(y), matrix(1, nrow(y), 1))
  # Later releases fit unequal degrees of freedom otherwise, unless told to keep to the paper.
  fit <- if ("legacy" %in% names(formals(eBayes))) eBayes(fit, legacy = TRUE) else eBayes(fit)
  c(fit$p.value[, 1], df_prior = unname(fit$df.prior[1]))
}
found <- t(sapply(split(seq_len(nrow(changes)), changes[, 1]), one))
p <- apply(found, c(1, 2), function(x) sprintf("%.17g", x))
write.csv(p, file.path(folder, "p.csv"), row.names = FALSE, quote = FALSE, eol = "\n")
