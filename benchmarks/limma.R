# What Bioconductor limma says on a worked example, to compare immunomon.trial.kernels.moderated with.
# Needs R with limma (Debian: apt-get install r-bioc-limma). Call: Rscript benchmarks/limma.R tests/trial/kernels/limma
# limma is GPL: it is called here, nothing of it is copied. See benchmarks/limma.md.
suppressMessages(library(limma))
folder <- commandArgs(trailingOnly = TRUE)[1]
options(digits = 17)
kind <- RNGkind("Mersenne-Twister", "Inversion", "Rejection")
results <- data.frame()
values <- data.frame()
case <- function(name, y) {
  fit <- lmFit(t(y), matrix(1, nrow(y), 1))
  # Later releases fit unequal degrees of freedom otherwise, unless told to keep to the paper.
  fit <- if ("legacy" %in% names(formals(eBayes))) eBayes(fit, legacy = TRUE) else eBayes(fit)
  results <<- rbind(results, data.frame(
    case = name, population = seq_len(ncol(y)), mean = fit$coefficients[, 1], t = fit$t[, 1],
    df_total = fit$df.total, p = fit$p.value[, 1], s2_prior = fit$s2.prior, df_prior = fit$df.prior))
  values <<- rbind(values, data.frame(
    case = name, patient = as.vector(row(y)), population = as.vector(col(y)), change = as.vector(y)))
}
run <- function(name, seed, n, m, sds, missing = 0) {
  set.seed(seed)
  y <- sapply(seq_len(m), function(j) rnorm(n, 0.2 * (j %% 3), sds[j]))
  if (missing > 0) y[sample(length(y), missing)] <- NA
  case(name, y)
}
run("three patients", 1, 3, 12, seq(0.1, 0.8, length.out = 12))
run("nine patients", 2, 9, 12, exp(seq(-2, 0, length.out = 12)))
run("equal variances", 7, 9, 12, rep(0.35, 12))
run("missing changes", 4, 9, 12, exp(seq(-2, 0, length.out = 12)), missing = 11)
plain <- function(x) { for (n in names(x)) if (is.numeric(x[[n]])) x[[n]] <- sprintf("%.17g", x[[n]]); x }
write.csv(plain(values), file.path(folder, "changes.csv"), row.names = FALSE, quote = FALSE, eol = "\n")
write.csv(plain(results), file.path(folder, "results.csv"), row.names = FALSE, quote = FALSE, eol = "\n")
writeLines(paste0("limma ", packageVersion("limma"), ", ", R.version.string), file.path(folder, "made_by.txt"))
