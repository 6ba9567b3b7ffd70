# Files written by real R, and beside each what R itself says is in it (NAME.json), so that tests read them without R.
#   Rscript --vanilla make_golden.R    writes them again, into the folder of this script
# Written with R 4.2.2, Matrix 1.5-3, SeuratObject 4.1.3, Seurat 4.3.0, SingleCellExperiment 1.20.0.

folder <- dirname(sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)))
setwd(folder)
invisible(Sys.setlocale("LC_ALL", "C.UTF-8")) # the files name the encoding of who wrote them
options(digits.secs = NULL, keep.source = FALSE)
suppressPackageStartupMessages({
  library(Matrix)
  library(Seurat)
  library(SingleCellExperiment)
})

# ----------------------------------------------------------------------------------------------- what R says of a value

# 17 significant digits give every double back; numbers stand as text because a JSON number could not be NA or Inf.
exact <- function(x) {
  if (is.numeric(x)) {
    text <- vapply(x, format, "", digits = 17, trim = TRUE)
    return(ifelse(is.na(x) & !is.nan(x), NA, text))
  }
  if (is.logical(x)) x else as.character(x)
}

matrix_facts <- function(m, rows = rownames(m), columns = colnames(m)) {
  at <- unique(rbind(
    c(1, 1), c(nrow(m), ncol(m)), c(1, ncol(m)), c(nrow(m), 1),
    cbind(1 + (7 * seq_len(8)) %% nrow(m), 1 + (5 * seq_len(8)) %% ncol(m))
  ))
  dense <- as.matrix(m)
  dimnames(dense) <- NULL
  list(
    class = class(m)[1], dim = dim(m), rows = rows, columns = columns,
    sum = exact(sum(dense)), nonzero = sum(dense != 0, na.rm = TRUE),
    column_sums = exact(colSums(dense)),
    at = at, values = exact(dense[at]) # 1-based row and column
  )
}

column_facts <- function(x) {
  facts <- list(class = class(x)[1], values = exact(as.vector(x)))
  if (is.factor(x)) facts$levels <- levels(x)
  facts
}

frame_facts <- function(df) {
  list(class = class(df)[1], rows = rownames(df), names = names(df), columns = lapply(as.list(df), column_facts))
}

say <- function(name, facts) {
  text <- jsonlite::toJSON(facts, auto_unbox = TRUE, na = "null", null = "null", pretty = FALSE, digits = NA)
  writeLines(text, paste0(name, ".json"))
}

# -------------------------------------------------------------------------------------------------- tables and matrices

genes <- paste0("Gene", 1:8)
cells <- paste0("cell_", 1:5)
set.seed(1)
df <- as.data.frame(matrix(rpois(40, 1.5), 8, 5, dimnames = list(genes, cells)))
df$cell_2 <- as.numeric(df$cell_2) + 0.1
df$cell_5 <- round(df$cell_5 / 3, 3)
save(df, file = "data_frame.RData", compress = "gzip")
say("data_frame", list(df = frame_facts(df)))

dense <- matrix(round(rexp(48), 6) * rbinom(48, 1, 0.6) / 3, 8, 6, dimnames = list(genes, LETTERS[1:6]))
saveRDS(dense, "matrix_xz.rds", compress = "xz")
say("matrix_xz", matrix_facts(dense))

# Column 3 and row 2 hold nothing; one zero is stored.
sparse <- rsparsematrix(12, 9, 0.35, rand.x = function(n) rpois(n, 3) + 1)
sparse[2, ] <- 0
sparse[, 3] <- 0
sparse <- drop0(sparse)
sparse@x[4] <- 0
dimnames(sparse) <- list(paste0("g", 1:12), paste0("c", 1:9))
saveRDS(sparse, "dgcmatrix_bzip2.rds", compress = "bzip2")
say("dgcmatrix_bzip2", c(matrix_facts(sparse), list(i = sparse@i, p = sparse@p, x = exact(sparse@x))))

annotation <- data.frame(
  batch = factor(c("b", "a", NA, "b", "a"), levels = c("b", "a", "unused")),
  stage = factor(c("late", "early", "early", "late", "late"), levels = c("early", "late"), ordered = TRUE),
  donor = c("x", NA, "\u00e9", "z", ""), doublet = c(TRUE, FALSE, NA, FALSE, TRUE),
  n = c(1L, NA, 3L, 4L, 5L), score = c(0.1, NA, NaN, Inf, -Inf), row.names = cells
)
expression <- as(as.matrix(df), "dgCMatrix")
note <- "three objects and a function"
double_it <- function(x) 2 * x
save(annotation, expression, note, double_it, file = "several.RData")
say("several", list(
  objects = c("annotation", "expression", "note", "double_it"),
  annotation = frame_facts(annotation), expression = matrix_facts(expression), note = note
))

odd_values <- data.frame(
  real = c(0.1, 1 / 3, 1e-300, -0, NA, NaN, Inf, -Inf), whole = c(.Machine$integer.max, -1L, 0L, NA, 1:4),
  text = c("plain", "two\nlines", "tab\t", "\"quoted\"", "back\\slash", "\u00e9\u4e2d", NA, ""),
  flag = c(TRUE, FALSE, NA, TRUE, FALSE, NA, TRUE, FALSE), row.names = letters[1:8]
)
save(odd_values, file = "ascii.RData", ascii = TRUE)
say("ascii", list(odd_values = frame_facts(odd_values)))
saveRDS(odd_values, "version_2.rds", compress = FALSE, version = 2)
say("version_2", frame_facts(odd_values))

# --------------------------------------------------------------------------------------------------------------- Seurat

set.seed(2)
seurat_genes <- c("HLA-A", "MT-ND1", paste0("Gene", 3:50))
barcodes <- sprintf("AAAC%02d-1", 1:30)
group <- rep(c("A", "B"), 15)
means <- outer(rexp(50, 0.6), ifelse(group == "A", 1, 0.4)) * sample(c(1, 3), 1500, TRUE)
counts <- as(matrix(rpois(1500, means), 50, 30, dimnames = list(seurat_genes, barcodes)), "dgCMatrix")
proteins <- as(matrix(rpois(120, 20), 4, 30, dimnames = list(paste0("CD", c(3, 4, 8, 19)), barcodes)), "dgCMatrix")

quiet <- function(expr) suppressWarnings(suppressMessages(expr))
four <- quiet(local({
  object <- CreateSeuratObject(counts, project = "golden")
  object <- NormalizeData(object, verbose = FALSE)
  object <- FindVariableFeatures(object, nfeatures = 16, verbose = FALSE)
  object <- ScaleData(object, verbose = FALSE)
  object <- RunPCA(object, npcs = 4, approx = FALSE, verbose = FALSE)
  object <- FindNeighbors(object, k.param = 5, dims = 1:4, verbose = FALSE)
  object[["ADT"]] <- CreateAssayObject(proteins)
  object$group <- factor(group, levels = c("B", "A"))
  object$donor <- rep(c("d1", NA, "d3"), 10)
  object$doublet <- rep(c(TRUE, FALSE, NA), 10)
  Idents(object) <- factor(rep(c("late", "early"), c(12, 18)), levels = c("late", "early"))
  object@misc <- list(made = "golden", numbers = c(1, 2.5))
  then <- as.POSIXct(0, origin = "1970-01-01")
  for (name in names(object@commands)) slot(object@commands[[name]], "time.stamp") <- then
  object
}))

reduction_facts <- function(reduction) {
  list(
    key = reduction@key, assay = reduction@assay.used, stdev = exact(reduction@stdev),
    embeddings = matrix_facts(reduction@cell.embeddings), loadings = matrix_facts(reduction@feature.loadings)
  )
}

seurat_facts <- function(object, assays) {
  list(
    class = "Seurat", version = as.character(object@version), cells = colnames(object@graphs[[1]]),
    active_assay = object@active.assay, active_ident = column_facts(object@active.ident),
    meta_data = frame_facts(object@meta.data), assays = assays,
    reductions = lapply(object@reductions, reduction_facts), graphs = lapply(object@graphs, matrix_facts)
  )
}

four_facts <- lapply(four@assays, function(assay) {
  list(
    class = class(assay)[1], key = assay@key, counts = matrix_facts(assay@counts), data = matrix_facts(assay@data),
    scale_data = if (length(assay@scale.data)) matrix_facts(assay@scale.data), variable_features = assay@var.features,
    meta_features = frame_facts(assay@meta.features)
  )
})
stopifnot(validObject(four, complete = TRUE))
saveRDS(four, "seurat_v4.rds", compress = "xz")
say("seurat_v4", seurat_facts(four, four_facts))

# ------------------------------------------------------------------------------------------------------------- Seurat 5

# SeuratObject 4 has LogMap and KeyMixin; these are the slots of the two classes that version 5 adds to them.
setClass("StdAssay", contains = c("VIRTUAL", "KeyMixin"), package = "SeuratObject", slots = c(
  layers = "list", cells = "LogMap", features = "LogMap", default = "integer", assay.orig = "character",
  meta.data = "data.frame", misc = "list"
))
setClass("Assay5", contains = "StdAssay", package = "SeuratObject")

bare <- function(m) {
  dimnames(m) <- if (is(m, "sparseMatrix")) list(NULL, NULL)
  m
}

# Layers stand without names, in the order of the assay; the two maps say which features and cells each one has.
assay5 <- function(layers, features, cells, meta, default = 1L) {
  maps <- list(features = LogMap(features), cells = LogMap(cells))
  for (name in names(layers)) {
    m <- layers[[name]]
    layers[[name]] <- bare(m[intersect(features, rownames(m)), intersect(cells, colnames(m))])
    maps$features[[name]] <- which(features %in% rownames(m))
    maps$cells[[name]] <- which(cells %in% colnames(m))
  }
  new("Assay5",
    layers = layers, cells = maps$cells, features = maps$features, default = default, assay.orig = character(),
    meta.data = meta, misc = list(calcN = TRUE), key = "rna_"
  )
}

# As version 5 keeps them: row names are numbers, names of variable features stand in their own rows.
variable_columns <- function(layer, features, variable) {
  rank <- match(features, variable)
  columns <- data.frame(!is.na(rank), rank)
  names(columns) <- paste0("vf_vst_", layer, c("_variable", "_rank"))
  cbind(columns, var.features = ifelse(is.na(rank), NA, features), var.features.rank = rank)
}

five_facts <- function(assay) {
  named <- function(map, layer) rownames(map)[map[, layer, drop = TRUE]]
  layers <- sapply(names(assay@layers), simplify = FALSE, function(layer) {
    matrix_facts(assay@layers[[layer]], named(assay@features, layer), named(assay@cells, layer))
  })
  vf <- assay@meta.data
  list(
    class = "Assay5", key = assay@key, features = rownames(assay@features), cells = rownames(assay@cells),
    default = assay@default, layers = layers, meta_data = frame_facts(vf),
    variable_features = na.omit(vf$var.features[order(vf$var.features.rank)])
  )
}

write_five <- function(name, assay) {
  object <- four
  object@assays <- list(RNA = assay)
  object@version <- package_version("5.0.1")
  object@commands <- list()
  saveRDS(object, paste0(name, ".rds"), compress = "xz")
  say(name, seurat_facts(object, list(RNA = five_facts(assay))))
}

rna <- four@assays$RNA
whole <- list(counts = rna@counts, data = rna@data, scale.data = rna@scale.data)
write_five("seurat_v5", assay5(
  whole, seurat_genes, barcodes, variable_columns("counts", seurat_genes, rna@var.features),
  default = 1L
))

# A lacks the last five features and B the first three; their cells alternate.
part <- function(m, which_group) m[if (which_group == "A") 1:45 else 4:50, group == which_group]
split_layers <- list(
  counts.A = part(rna@counts, "A"), counts.B = part(rna@counts, "B"),
  data.A = part(rna@data, "A"), data.B = part(rna@data, "B")
)
write_five("seurat_v5_split", assay5(
  split_layers, seurat_genes, barcodes, variable_columns("counts.A", seurat_genes, rna@var.features),
  default = 2L
))

# ------------------------------------------------------------------------------------------------- SingleCellExperiment

set.seed(3)
sce_cells <- paste0("cell", 1:20)
sce_counts <- as(matrix(rpois(500, 1.2), 25, 20, dimnames = list(paste0("ENSG", 101:125), sce_cells)), "dgCMatrix")
sce <- SingleCellExperiment(
  assays = list(counts = sce_counts, logcounts = log1p(sce_counts)),
  colData = DataFrame(
    type = factor(rep(c("B", "A", NA, "B"), 5), levels = c("B", "A")), donor = rep(c("x", NA), 10),
    doublet = rep(c(TRUE, FALSE, NA, FALSE), 5), n = c(NA, 2:20), score = c(NA, rnorm(19)), row.names = sce_cells
  ),
  rowData = DataFrame(
    symbol = paste0("Sym", 1:25), length = 1000 + 1:25, coding = rep(c(TRUE, FALSE, NA, TRUE, TRUE), 5)
  ),
  reducedDims = list(PCA = matrix(rnorm(60), 20, 3, dimnames = list(sce_cells, paste0("PC", 1:3))),
                     UMAP = matrix(rnorm(40), 20, 2)),
  altExps = list(ADT = SummarizedExperiment(list(counts = matrix(
    rpois(60, 9), 3, 20, dimnames = list(c("CD3", "CD4", "CD8"), sce_cells)
  )))),
  metadata = list(project = "golden")
)
stopifnot(validObject(sce))
saveRDS(sce, "sce.rds", compress = "xz")
plain <- function(frame) frame_facts(as.data.frame(frame))
say("sce", list(
  class = "SingleCellExperiment", rows = rownames(sce), columns = colnames(sce),
  assays = lapply(as.list(assays(sce)), matrix_facts), col_data = plain(colData(sce)), row_data = plain(rowData(sce)),
  reduced_dims = lapply(as.list(reducedDims(sce)), matrix_facts),
  alt_exps = list(ADT = list(counts = matrix_facts(assay(altExp(sce, "ADT"), "counts"))))
))

# --------------------------------------------------------------------------------------------- what no table is made of

setClass("Odd", slots = c(label = "character", inside = "environment", more = "list"))
ring <- new.env(parent = baseenv())
ring$self <- ring
ring$value <- 1:3
delayedAssign("later", stop("this is never run"), assign.env = ring)
misc <- list(
  table = df,
  closure = function(x, ...) stop("this is never run"), compiled = compiler::cmpfun(function(n) {
    for (i in seq_len(n)) if (i %% 2) next else n <- n + i
    n
  }),
  builtin = sum, special = `if`, call = quote(system("touch run_by_the_reader")), symbol = quote(name),
  expression = expression(a + b, stop("this is never run")), formula = y ~ x + log(z), pairlist = pairlist(a = 1, 2),
  missing = quote(expr = ), nothing = NULL, ring = ring, dots = (function(...) environment())(1, two = 2),
  global = globalenv(), base = baseenv(), empty = emptyenv(), namespace = asNamespace("stats"),
  package = as.environment("package:stats"), raw = as.raw(c(0, 255)), complex = c(1 + 2i, NA),
  odd = new("Odd", label = "s4", inside = ring, more = list(1, "a")),
  pointer = new("externalptr"), sequence = 1:100000, texts = as.character(c(3L, NA, -7L)),
  texts_of_reals = as.character(c(0.1 + 0.2, 1e5, 123456.7, 1e-20, NA)), sorted = sort(c(2.5, 1.5)),
  latin = "\xe9", bytes = "\xff\xfe", time = as.POSIXct("2020-01-02", tz = "UTC"), day = as.Date("2020-01-02"),
  table_of = table(c("a", "b", "a")), three_way = array(1:8, c(2, 2, 2)), nested = list(list(list(1)))
)
Encoding(misc$latin) <- "latin1"
Encoding(misc$bytes) <- "bytes"
suppressWarnings(saveRDS(misc, "misc.rds", compress = "xz")) # of package:stats, which is only named in the file
plainly <- c("texts", "texts_of_reals", "sorted", "latin")
say("misc", list(
  names = names(misc), classes = lapply(misc, function(x) class(x)[1]), table = frame_facts(misc$table),
  sequence = list(length = length(misc$sequence), sum = exact(sum(as.numeric(misc$sequence)))),
  values = lapply(misc[plainly], exact)
))
