#!/bin/sh
# Matrix::writeMM (R) writes NA, NaN and Inf as 1e308, and -Inf as -1e308, without a word
#
# Matrix 1.5-3 of Debian 12 (r-cran-matrix 1.5-3-1), R 4.2.2. Needs Rscript; the package comes into a temporary folder.
# Expected: NA (or nan, which readers of Matrix Market know), or an error: the format has no sign for a missing value.
# Seen: the file is valid and every reader takes the values for numbers, R's own readMM too. As float32 they are
# infinite; a sum over the row is 1e308, or infinite. Missing values of imputed or normalised matrices end so.
#
#   %%MatrixMarket matrix coordinate real general
#   3 2 5
#   1 1 5
#   2 1 1e308      <- NA
#   1 2 1e308      <- NaN
#   2 2 1e308      <- Inf
#   3 2 -1e308     <- -Inf
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
apt-get download -qq r-cran-matrix=1.5-3-1 r-cran-lattice 2> /dev/null
for package in *.deb; do dpkg -x "$package" debian; done
cat > try.R << 'R'
.libPaths(c("debian/usr/lib/R/site-library", "debian/usr/lib/R/library", .libPaths()))
suppressPackageStartupMessages(library(Matrix, lib.loc = "debian/usr/lib/R/library"))
stopifnot(packageVersion("Matrix") == "1.5.3")
values <- c(5, NA, NaN, Inf, -Inf)
m <- sparseMatrix(i = c(1, 2, 1, 2, 3), j = c(1, 1, 2, 2, 2), x = values, dims = 3:2)
invisible(writeMM(m, "m.mtx"))
cat(readLines("m.mtx"), sep = "\n")
back <- as.matrix(readMM("m.mtx"))
print(back)
stopifnot(identical(as.vector(back), c(5, 1e308, 0, 1e308, 1e308, -1e308)))
R
Rscript --vanilla try.R
