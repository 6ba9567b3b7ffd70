# From a Seurat object to scGNN2 and back: clusters and imputed values on your own object, markers on the counts.
#
#   Rscript seurat_round_trip.R [pbmc.rds] [output folder] [more flags for scgnn2 run ...]
#
# Without an object it takes the 80 cells of SeuratObject's own pbmc_small. `scgnn2` must be on the path, or be named by
# the environment variable SCGNN2.

suppressPackageStartupMessages(library(Seurat))

arguments <- commandArgs(trailingOnly = TRUE)
input <- if (length(arguments) >= 1) arguments[1] else NA
folder <- if (length(arguments) >= 2) arguments[2] else "scgnn2_output"
flags <- arguments[-(1:2)]

if (is.na(input)) {
  input <- file.path(tempdir(), "pbmc_small.rds")
  saveRDS(pbmc_small, input)
}

# 1. Run scGNN2. Every cell is kept, so that the result has the cells of the input.
scgnn2 <- Sys.getenv("SCGNN2", "scgnn2")
status <- system2(scgnn2, c(
  "run", shQuote(input), "--output_dir", shQuote(folder), "--output_seurat", "--overwrite",
  "--preprocess_cell_cutoff", "1", flags
))
if (status != 0) stop("scgnn2 ended with exit code ", status, call. = FALSE)

# 2. Read the object that it wrote: assays, reductions, graph and metadata are in place.
object <- readRDS(file.path(folder, "seurat.rds"))
print(object)
cat("cells in each cluster:\n")
print(table(Idents(object)))

# 3. Back in the usual workflow. Markers are tested on the original counts, never on imputed values.
object <- NormalizeData(object, verbose = FALSE)
clusters <- levels(droplevels(Idents(object)))
if (length(clusters) > 1) {
  markers <- FindMarkers(object, ident.1 = clusters[1], verbose = FALSE)
  cat("markers of cluster ", clusters[1], ":\n", sep = "")
  print(head(markers))
}

# 4. A plot where there is somewhere to plot to.
if ("scgnn2.umap" %in% Reductions(object)) {
  pdf(file.path(folder, "dimplot.pdf"))
  print(DimPlot(object, reduction = "scgnn2.umap"))
  invisible(dev.off())
}
saveRDS(object, file.path(folder, "seurat_with_markers.rds"))
