# One matrix of each class of package Matrix, and beside them as.matrix() of each (matrices.json, row by row).
#   Rscript --vanilla make_matrices.R    writes them again, into the folder of this script
# Written with R 4.2.2 and Matrix 1.5-3.

folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
setwd(folder)
suppressPackageStartupMessages(library(Matrix))

general <- matrix(c(0, 2.5, 0, 1, 0, 0, -3, 0, 4, 0, 0, 1e-9), 4, 3, dimnames = list(letters[1:4], LETTERS[1:3]))
square <- matrix(c(2, 1, 0, 1, 3, -4, 0, -4, 0.5), 3, 3, dimnames = list(c("a", "b", "c"), c("a", "b", "c")))
upper <- square
upper[lower.tri(upper)] <- 0
flags <- general > 0
flags[2, 2] <- NA

dgC <- as(general, "CsparseMatrix")
symmetric <- forceSymmetric(as(square, "CsparseMatrix"))
made <- list(
  dgCMatrix = dgC, dgTMatrix = as(dgC, "TsparseMatrix"), dgRMatrix = as(dgC, "RsparseMatrix"),
  dgTMatrix_repeated = new("dgTMatrix", i = c(0L, 0L, 1L), j = c(1L, 1L, 0L), x = c(1, 2, 4), Dim = c(2L, 2L)),
  ngTMatrix_repeated = new("ngTMatrix", i = c(0L, 0L, 1L), j = c(1L, 1L, 0L), Dim = c(2L, 2L)),
  lgTMatrix_repeated = new("lgTMatrix", i = c(0L, 0L, 1L), j = c(1L, 1L, 0L), x = c(TRUE, FALSE, FALSE), Dim = c(2L, 2L)),
  dsCMatrix = symmetric, dsCMatrix_lower = forceSymmetric(as(square, "CsparseMatrix"), "L"),
  dsTMatrix = as(symmetric, "TsparseMatrix"), dsRMatrix = as(symmetric, "RsparseMatrix"),
  dtCMatrix = as(triu(as(upper, "CsparseMatrix")), "triangularMatrix"),
  dtCMatrix_lower = as(tril(as(t(upper), "CsparseMatrix")), "triangularMatrix"),
  dtCMatrix_unit = new("dtCMatrix", i = c(0L, 1L), p = c(0L, 0L, 1L, 2L), x = c(1, -4), Dim = c(3L, 3L), diag = "U"),
  lgCMatrix = as(flags, "CsparseMatrix"), ngCMatrix = as(dgC, "nMatrix"),
  ddiMatrix = Diagonal(3, c(1, 0, 2.5)), ddiMatrix_unit = Diagonal(3), ldiMatrix = Diagonal(2, c(TRUE, FALSE)),
  dgeMatrix = as(general, "unpackedMatrix"), lgeMatrix = as(as(flags, "unpackedMatrix"), "lMatrix"),
  dsyMatrix = as(symmetric, "unpackedMatrix"), dspMatrix = as(symmetric, "packedMatrix"),
  dspMatrix_lower = as(forceSymmetric(as(square, "CsparseMatrix"), "L"), "packedMatrix"),
  dtrMatrix = as(triu(as(upper, "unpackedMatrix")), "triangularMatrix"),
  dtpMatrix = as(as(triu(as(upper, "unpackedMatrix")), "triangularMatrix"), "packedMatrix"),
  dtpMatrix_lower = as(as(tril(as(t(upper), "unpackedMatrix")), "triangularMatrix"), "packedMatrix"),
  indMatrix = as(c(2L, 3L, 3L, 1L), "indMatrix"), pMatrix = as(c(2L, 3L, 1L), "pMatrix"),
  empty = as(matrix(0, 3, 2), "CsparseMatrix"), no_columns = as(matrix(0, 3, 0), "CsparseMatrix")
)
# What stands below the diagonal and on it is not meant.
made$dtrMatrix_unit <- new("dtrMatrix", x = c(9, 9, 9, 1, 9, 9, 0, -4, 9), Dim = c(3L, 3L), diag = "U")
for (object in made) stopifnot(validObject(object))

exact <- function(x) ifelse(is.na(x), NA, vapply(as.numeric(x), format, "", digits = 17, trim = TRUE))
facts <- lapply(made, function(object) {
  dense <- as.matrix(object)
  list(class = class(object)[1], dim = I(dim(dense)), rows = rownames(dense), columns = colnames(dense), values = I(exact(dense)))
})
names(made) <- gsub("[^A-Za-z_]", "", names(made))
invisible(list2env(made, environment()))
save(list = names(made), file = "matrices.RData", compress = "xz")
text <- jsonlite::toJSON(facts, auto_unbox = TRUE, na = "null", null = "null")
writeLines(text, "matrices.json")
