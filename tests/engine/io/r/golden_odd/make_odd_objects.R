# Tables and experiments as they are met beside the plain ones: odd_frames.RData and odd_experiments.RData.
#   Rscript --vanilla make_odd_objects.R    writes them again, into the folder of this script
# What they hold is repeated in the tests. Written with R 4.2.2, SingleCellExperiment 1.20.0.

folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
setwd(folder)
suppressPackageStartupMessages(library(SingleCellExperiment))

# ------------------------------------------------------------------------------------------------ data frames

numbered <- data.frame(a = c(1, 2), b = 3:4, row.names = c(7L, 1234567L))
automatic <- data.frame(gene = c("Actb", "Gapdh"), cell_1 = c(0, 1.5), cell_2 = c(2L, NA))
with_lists <- data.frame(a = 1:2, row.names = c("x", "y"))
with_lists$held <- list(1, "b")
with_lists$square <- matrix(1:4, 2)
with_times <- data.frame(
  day = as.Date(c("2020-01-02", NA, "9999-12-31")), n = 1:3,
  time = as.POSIXct(c("2020-01-02 03:04:05.6", NA, "1969-12-31 23:59:59"), tz = "UTC"),
  elapsed = as.difftime(c(1, NA, 3), units = "mins"), row.names = c("x", "y", "z")
)
attr(with_times$time, "tzone") <- "Europe/Berlin"
with_times$broken_down <- as.POSIXlt(with_times$time)
with_na_level <- data.frame(group = addNA(factor(c("b", NA, "a"), levels = c("b", "a"))), row.names = c("x", "y", "z"))
# What package bit64 makes of c(1, 2, NA): the bits of whole numbers in the place of reals.
long_integers <- data.frame(row.names = c("x", "y", "z"))
long_integers$n <- structure(c(4.9406564584124654e-324, 9.8813129168249309e-324, -0), class = "integer64")
tibble <- structure(list(gene = c("Actb", "Gapdh"), cell_1 = c(0, 1)), row.names = c(NA, -2L), class = c("tbl_df", "tbl", "data.frame"))
data_table <- structure(
  list(gene = c("Actb", "Gapdh"), cell_1 = c(0, 1)), row.names = c(NA, -2L), class = c("data.table", "data.frame"),
  .internal.selfref = new("externalptr")
)
no_rows <- data.frame(a = numeric(), b = character())
no_columns <- data.frame(row.names = c("x", "y"))
save(numbered, automatic, with_lists, with_times, with_na_level, long_integers, tibble, data_table, no_rows, no_columns,
  file = "odd_frames.RData", compress = "xz"
)

# ------------------------------------------------------------------------------------------------ experiments

counts <- matrix(c(1, 0, 2, 0, 3, 4), 3, 2)
named <- counts
dimnames(named) <- list(c("g1", "g2", "g3"), c("c1", "c2"))
bare <- SingleCellExperiment(list(counts = counts))
summarized <- SummarizedExperiment(list(named), colData = DataFrame(batch = c("a", "b"), row.names = c("c1", "c2")))
located <- SingleCellExperiment(list(counts = named), rowRanges = GRanges(
  c(g1 = "chr1:1-5", g2 = "chr1:10-15", g3 = "chr2:1-2"), strand = "+", symbol = c("A", "B", "B")
))
repeated <- SingleCellExperiment(list(normcounts = named, other = named * 2))
rownames(repeated) <- c("g", "g", "h")
full <- SingleCellExperiment(list(counts = named))
reducedDim(full, "PCA") <- matrix(1:4 / 2, 2, dimnames = list(NULL, c("PC1", "PC2")))
altExp(full, "ADT") <- SingleCellExperiment(
  list(counts = matrix(5:8, 2, dimnames = list(c("CD3", "CD4"), c("c1", "c2")))), colData = DataFrame(depth = 1:2)
)
hits <- S4Vectors::SelfHits(c(1L, 2L), c(2L, 1L), nnode = 2L, weight = c(0.5, 0.25))
colPair(full, "knn") <- hits
colPair(full, "bare") <- S4Vectors::SelfHits(1L, 2L, nnode = 2L)
colData(full)$table <- DataFrame(inner = 1:2)
delayed <- SingleCellExperiment(list(counts = DelayedArray::DelayedArray(named) + 1))
for (object in list(bare, summarized, located, repeated, full, delayed)) stopifnot(validObject(object))
save(bare, summarized, located, repeated, full, delayed, file = "odd_experiments.RData", compress = "xz")
