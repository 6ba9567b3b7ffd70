# 10x folders (versions 2 and 3) and a 10x .h5 as DropletUtils writes them, which has no Cell Ranger at its back:
#   Rscript --vanilla with_dropletutils.R, in this folder. Written with R 4.2.2, DropletUtils 1.18.1 (Debian 12).
suppressPackageStartupMessages({
  library(Matrix)
  library(DropletUtils)
})
m <- as(as.matrix(read.csv("pandas/counts.csv", row.names = 1, check.names = FALSE)), "dgCMatrix")
identifiers <- read.table("scipy/genes.tsv", sep = "\t")$V1
unlink("dropletutils", recursive = TRUE)
dir.create("dropletutils")
common <- list(x = m, gene.id = identifiers, gene.symbol = rownames(m), barcodes = colnames(m))
do.call(write10xCounts, c("dropletutils/version_2", common, version = "2", type = "sparse"))
do.call(write10xCounts, c("dropletutils/version_3", common, version = "3", type = "sparse"))
do.call(write10xCounts, c("dropletutils/version_2.h5", common, version = "2", type = "HDF5", genome = "GRCh38"))
kinds <- c(rep("Gene Expression", 9), rep("Antibody Capture", 3))
more <- list(version = "3", type = "HDF5", genome = "GRCh38", gene.type = kinds)
do.call(write10xCounts, c("dropletutils/citeseq.h5", common, more))
more$gene.type <- rep("Antibody Capture", 12)
do.call(write10xCounts, c("dropletutils/antibodies.h5", common, more))
