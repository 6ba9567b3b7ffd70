#!/usr/bin/env Rscript
# result.h5ad, as scgnn2 writes it, becomes a Seurat object (SeuratObject 4 or 5).
#
#   Rscript to_seurat.R [result.h5ad] [seurat.rds]     both beside this script where they are not named
#
# or in a session of R:
#
#   source("to_seurat.R")
#   object <- scgnn2_to_seurat("result.h5ad")
#
# It needs the packages SeuratObject and hdf5r (or Bioconductor's rhdf5). With --output_seurat scgnn2 writes seurat.rds
# itself, and none of this is needed.
#
# What goes where:
#   raw (else layers/counts, else X)         assay RNA: counts; values that are no counts: data
#   layers/scgnn2_imputed                    assay scGNN2, data: ln(1 + imputed expression)
#   other layers                             an assay each, data
#   raw/var (else var)                       the feature table of that assay
#   obs                                      meta.data; scgnn2_cluster (else active_ident): Idents()
#   obsm/X_scgnn2_feature, _graph, _umap     reductions scgnn2.feature, scgnn2.graph, scgnn2.umap
#   obsm/X_pca, X_umap, ...                  reductions pca, umap, ...; raw/varm (else varm): their feature loadings
#   obsp/scgnn2_connectivities               graph scGNN2_snn; others keep their names
#   uns/scgnn2                               object@misc$scgnn2: run (JSON text), metrics, scores
# Where the input of the run was a Seurat object, its names of assays and reductions are used again.

# ---- HDF5 -----------------------------------------------------------------------------------------------------------

# Four functions on an open file, by hdf5r or rhdf5: has(path), children(path), attribute(path, name), read(path).
open_h5 <- function(path, reader = NULL) {
  if (!file.exists(path)) stop("There is no file ", path, ".", call. = FALSE)
  for (package in if (is.null(reader)) c("hdf5r", "rhdf5") else reader) {
    if (requireNamespace(package, quietly = TRUE)) {
      return(tryCatch(
        if (package == "hdf5r") open_by_hdf5r(path) else open_by_rhdf5(path),
        error = function(e) stop(path, " cannot be read as HDF5: it is no h5ad, or damaged.", call. = FALSE)
      ))
    }
  }
  stop(
    "Reading an h5ad needs the package hdf5r: install.packages(\"hdf5r\") ",
    "(seurat.rds, which scgnn2 writes with --output_seurat, needs no package to be read).", call. = FALSE
  )
}

open_by_hdf5r <- function(path) {
  file <- hdf5r::H5File$new(path, mode = "r")
  list(
    has = function(path) has_path(path, function(group, name) name %in% names(if (group == "") file else file[[group]])),
    children = function(path) names(file[[path]]),
    attribute = function(path, name) {
      item <- file[[path]]
      if (name %in% hdf5r::h5attr_names(item)) {
        tryCatch(hdf5r::h5attr(item, name), error = function(e) NULL)  # a list of no columns has no values to read
      }
    },
    read = function(path) {
      item <- file[[path]]
      if (length(item$dims) < 2) item$read() else item[, ]  # R's order of dimensions: genes x cells
    },
    close = function() file$close_all()
  )
}

open_by_rhdf5 <- function(path) {
  file <- rhdf5::H5Fopen(path, flags = "H5F_ACC_RDONLY")
  children <- function(path) {
    group <- rhdf5::H5Gopen(file, path)
    on.exit(rhdf5::H5Gclose(group))
    rhdf5::h5ls(group, recursive = FALSE)$name
  }
  list(
    has = function(path) has_path(path, function(group, name) name %in% children(paste0("/", group))),
    children = children,
    # it cannot read the one that says whether a factor is ordered, so factors come unordered
    attribute = function(path, name) suppressWarnings(rhdf5::h5readAttributes(file, path))[[name]],
    read = function(path) rhdf5::h5read(file, path, bit64conversion = "double"),
    close = function() rhdf5::H5Fclose(file)
  )
}

# Whether a path is there, asked of one group after the other: HDF5 prints errors about paths that are not.
has_path <- function(path, is_in) {
  group <- ""
  for (name in strsplit(path, "/", fixed = TRUE)[[1]]) {
    if (!is_in(group, name)) return(FALSE)
    group <- if (group == "") name else paste0(group, "/", name)
  }
  TRUE
}

# ---- AnnData's encodings --------------------------------------------------------------------------------------------

encoding <- function(h5, path) {
  kind <- h5$attribute(path, "encoding-type")
  if (is.null(kind)) {
    stop(
      "The file was written by an anndata older than 0.8 (", path, " does not say how it is encoded): ",
      "read it in Python with a newer one and write it again.", call. = FALSE
    )
  }
  as.character(kind)
}

# Any element: a vector, a factor, a matrix (genes x cells, sparse stays sparse), a data.frame or a list.
read_element <- function(h5, path) {
  switch(encoding(h5, path),
    "dict" = , "raw" = {
      names <- h5$children(path)
      stats::setNames(lapply(names, function(name) read_element(h5, paste0(path, "/", name))), names)
    },
    "dataframe" = read_frame(h5, path),
    "csr_matrix" = , "csc_matrix" = read_sparse(h5, path),
    "categorical" = read_categorical(h5, path),
    "nullable-integer" = , "nullable-boolean" = , "nullable-string-array" = read_nullable(h5, path),
    "null" = NULL,
    "array" = , "string-array" = , "string" = , "numeric-scalar" = plain(h5$read(path)),
    stop(path, " is encoded in a way that this script does not know (", encoding(h5, path), ").", call. = FALSE)
  )
}

# What HDF5 holds as a plain R vector or matrix: numbers as double or integer, Python's True and False as logical.
plain <- function(values) {
  if (is.factor(values)) values <- as.character(values)
  if (inherits(values, "integer64")) values <- as.double(values)
  if (is.character(values)) {
    Encoding(values) <- "UTF-8"
    if (length(values) && all(values %in% c("TRUE", "FALSE"))) values <- values == "TRUE"
  }
  if (length(dim(values)) == 1) as.vector(values) else values
}

# Whole numbers that R's integers can hold, as the writer of seurat.rds makes them.
integers <- function(values) {
  if (is.double(values) && all(is.na(values) | abs(values) < 2^31)) as.integer(values) else values
}

read_strings <- function(h5, path) {
  values <- h5$read(path)
  if (is.list(values)) return(as.character(plain(h5$read(paste0(path, "/values")))))
  values <- as.vector(values)
  Encoding(values) <- "UTF-8"
  values
}

read_categorical <- function(h5, path) {
  categories <- paste0(path, "/categories")
  labels <- if (encoding(h5, categories) == "string-array") read_strings(h5, categories) else read_element(h5, categories)
  codes <- as.integer(plain(h5$read(paste0(path, "/codes"))))
  codes[codes < 0] <- NA
  ordered <- h5$attribute(path, "ordered")
  labels <- if (is.logical(labels)) ifelse(labels, "True", "False") else as.character(labels)
  factor(codes, levels = seq_along(labels) - 1L, labels = labels, ordered = isTRUE(plain(ordered)))
}

read_nullable <- function(h5, path) {
  text <- encoding(h5, paste0(path, "/values")) == "string-array"
  values <- if (text) read_strings(h5, paste0(path, "/values")) else plain(h5$read(paste0(path, "/values")))
  values <- if (encoding(h5, path) == "nullable-integer") integers(values) else values
  values[plain(h5$read(paste0(path, "/mask")))] <- NA
  values
}

# A data.frame with the names of its rows, which are given to cells or genes.
read_frame <- function(h5, path) {
  index <- read_names(h5, path)
  columns <- setdiff(as.character(h5$attribute(path, "column-order")), "")
  frame <- data.frame(row.names = index)
  for (name in columns) {
    place <- paste0(path, "/", name)
    frame[[name]] <- if (encoding(h5, place) == "string-array") read_strings(h5, place) else read_column(h5, place)
  }
  frame
}

read_column <- function(h5, path) {
  values <- read_element(h5, path)
  if (is.numeric(values) && is_whole_type(h5, path)) integers(values) else values
}

is_whole_type <- function(h5, path) {
  values <- if (encoding(h5, path) == "array") h5$read(path) else 0.5
  is.integer(values) || inherits(values, "integer64")
}

read_names <- function(h5, path) {
  place <- paste0(path, "/", h5$attribute(path, "_index"))
  if (startsWith(encoding(h5, place), "nullable")) as.character(read_nullable(h5, place)) else read_strings(h5, place)
}

# AnnData's rows are cells and Seurat's columns are: the arrays of a CSR matrix serve as a dgCMatrix as they are.
read_sparse <- function(h5, path) {
  part <- function(name) plain(h5$read(paste0(path, "/", name)))
  shape <- rev(as.integer(plain(h5$attribute(path, "shape"))))
  by_rows <- encoding(h5, path) == "csr_matrix"
  extent <- if (by_rows) shape else rev(shape)
  i <- as.integer(part("indices"))
  p <- as.integer(part("indptr"))
  x <- as.double(part("data"))
  made <- tryCatch(
    methods::new("dgCMatrix", i = i, p = p, x = x, Dim = extent),
    error = function(e) Matrix::sparseMatrix(i = i, p = p, x = x, dims = extent, index1 = FALSE)  # not in order
  )
  if (by_rows) made else Matrix::t(made)
}

read_matrix <- function(h5, path, genes, cells) {
  values <- read_element(h5, path)
  if (is.matrix(values)) storage.mode(values) <- "double"
  dimnames(values) <- list(genes, cells)
  values
}

# ---- names ----------------------------------------------------------------------------------------------------------

`%or%` <- function(value, default) if (is.null(value) || !length(value) || identical(value, "")) default else value

# Names and keys in use: what object[["name"]] and a key find must be one thing in the whole object.
in_use <- function() {
  names <- character()
  keys <- "md_"
  exact <- function(wanted) {
    name <- wanted
    number <- 0
    while (name %in% names) {
      number <- number + 1
      name <- paste0(wanted, ".", number)
    }
    names <<- c(names, name)
    name
  }
  key <- function(wanted) {
    letters <- gsub("[^A-Za-z0-9]", "", wanted)
    if (!grepl("^[A-Za-z]", letters)) letters <- paste0("x", letters)
    while (paste0(letters, "_") %in% keys) letters <- paste0(letters, "x")
    keys <<- c(keys, paste0(letters, "_"))
    paste0(letters, "_")
  }
  list(exact = exact, name = function(wanted) exact(gsub("[^A-Za-z0-9.]", ".", wanted) %or% "unnamed"), key = key)
}

# Seurat allows neither "_" nor "|" in names of features; those that have none stay as they are.
feature_names <- function(names) {
  changed <- grep("[_|]", names)
  if (!length(changed)) return(names)
  kept <- names[-changed]
  allowed <- names
  allowed[changed] <- make.unique(c(kept, gsub("[_|]", "-", names[changed])))[length(kept) + seq_along(changed)]
  message(
    "Seurat allows no \"_\" and no \"|\" in names of features: ", length(changed), " are written with \"-\", such as ",
    names[changed[1]], " as ", allowed[changed[1]], "."
  )
  allowed
}

# ---- the object -----------------------------------------------------------------------------------------------------

scgnn2_to_seurat <- function(path = "result.h5ad", version = utils::packageVersion("SeuratObject"), reader = NULL) {
  if (!requireNamespace("SeuratObject", quietly = TRUE)) {
    stop("A Seurat object needs the package SeuratObject: install.packages(\"SeuratObject\").", call. = FALSE)
  }
  h5 <- open_h5(path, reader)
  on.exit(h5$close())
  if (!all(vapply(c("obs", "var"), h5$has, logical(1)))) {
    stop(path, " is no h5ad: it holds no obs and var.", call. = FALSE)
  }
  facts <- if (h5$has("uns/seurat")) read_element(h5, "uns/seurat") else list()
  record <- if (h5$has("uns/scgnn2")) read_element(h5, "uns/scgnn2") else list()
  used <- in_use()
  obs <- read_frame(h5, "obs")
  active <- used$exact(facts$active.assay %or% "RNA")
  assays <- read_assays(h5, rownames(obs), facts, record, active, used)
  made <- lapply(assays, make_assay, version = version)
  for (name in names(made)) {
    SeuratObject::Key(made[[name]]) <- used$key(facts$assays[[name]]$key %or% tolower(name))
  }
  object <- suppressWarnings(SeuratObject::CreateSeuratObject(made[[active]], assay = active))
  for (name in setdiff(names(made), active)) object[[name]] <- made[[name]]
  object@assays <- object@assays[unique(c(intersect(facts$assay_order, names(made)), names(made)))]
  object <- add_reductions(object, h5, facts, active, used)
  object <- add_graphs(object, h5, facts, active, used)
  cells <- describe_cells(obs, assays[[active]]$counts, facts, length(record) > 0, active, used)
  object@meta.data <- cells$meta
  object@active.ident <- stats::setNames(cells$ident, rownames(obs))
  object@project.name <- facts$project.name %or% "scGNN2"
  if (length(record)) {
    # Tables, texts and numbers; what there is for every cell or entry stays in the h5ad.
    record <- Filter(function(part) is.data.frame(part) || (is.atomic(part) && length(part) == 1), record)
    object@misc$scgnn2 <- lapply(record, function(part) {
      if (is.data.frame(part)) rownames(part) <- NULL
      if (is.integer(part)) as.double(part) else part
    })
  }
  methods::validObject(object)
  object
}

# A list of assays, the measured one first: counts and data (genes x cells), and the names of the variable features.
read_assays <- function(h5, cells, facts, record, active, used) {
  kept <- read_names(h5, "var")
  has_raw <- h5$has("raw/X")
  from <- if (has_raw) "raw/X" else if (h5$has("X")) "X" else "layers/counts"
  if (!h5$has(from)) stop("The file holds no expression: neither raw, nor layers/counts, nor X.", call. = FALSE)
  genes <- if (has_raw) read_names(h5, "raw/var") else kept
  allowed <- feature_names(genes)
  values <- read_matrix(h5, from, allowed, cells)
  scale <- record$scale_of_X
  whole <- if (is.null(scale)) is_whole(values) else scale == "counts"
  counts <- if (whole) SeuratObject::as.sparse(values)
  if (!whole && h5$has("layers/counts") && identical(genes, kept)) {
    counts <- SeuratObject::as.sparse(read_matrix(h5, "layers/counts", allowed, cells))
  }
  variable <- as.character(facts$assays[[active]]$var.features)
  if (!length(variable)) variable <- variable_genes(h5, if (has_raw) "raw/var" else "var", genes)
  table <- read_frame(h5, if (has_raw) "raw/var" else "var")
  rownames(table) <- allowed
  assays <- list(list(
    counts = counts, data = if (!whole) values, variable = allowed[match(variable, genes, 0)],
    table = features_table(table, facts$assays[[active]])
  ))
  names(assays) <- active
  for (name in names(facts$assays)) {
    assays <- add_known_assay(assays, h5, name, facts$assays[[name]], cells, length(record) > 0, used)
  }
  layers <- if (h5$has("layers")) setdiff(h5$children("layers"), c("counts", facts$X)) else character()
  for (layer in layers) {
    name <- used$name(if (layer == "scgnn2_imputed") "scGNN2" else layer)
    genes_of_layer <- if (identical(kept, genes)) allowed else allowed[match(kept, genes)]
    if (anyNA(genes_of_layer)) genes_of_layer <- feature_names(kept)
    assays[[name]] <- list(data = read_matrix(h5, paste0("layers/", layer), genes_of_layer, cells))
    if (!startsWith(layer, "scgnn2_")) assays[[name]]$layer <- layer
  }
  assays
}

variable_genes <- function(h5, path, genes) {
  place <- paste0(path, "/highly_variable")
  if (h5$has(place)) genes[which(as.logical(read_element(h5, place)))] else character()
}

# As characters what was characters in R; which features are variable stands elsewhere.
features_table <- function(table, described) {
  if (length(described$var.features)) table$highly_variable <- NULL
  for (name in intersect(described$character_columns, names(table))) table[[name]] <- as.character(table[[name]])
  table
}

is_whole <- function(values) {
  stored <- if (methods::is(values, "sparseMatrix")) values@x else values
  all(stored >= 0) && all(stored == floor(stored))
}

# A further assay of the Seurat object that the run was given, or what else was known of the measured one.
add_known_assay <- function(assays, h5, name, described, cells, of_run, used) {
  for (slot in intersect(names(described$features), c("counts", "data"))) {
    place <- paste0("obsm/", name, "_", slot)
    given_back <- slot == "data" && of_run  # instead of the values that stand in for it
    if (!h5$has(place) || !(is.null(assays[[name]][[slot]]) || given_back)) next
    if (is.null(assays[[name]])) used$exact(name)
    allowed <- feature_names(as.character(described$features[[slot]]))
    if (is.null(assays[[name]])) {
      assays[[name]] <- list(variable = intersect(gsub("[_|]", "-", described$var.features), allowed))
      if (identical(rownames(described$var), as.character(described$features[[slot]]))) {
        assays[[name]]$table <- features_table(described$var, described)
        rownames(assays[[name]]$table) <- allowed
      }
    }
    assays[[name]][[slot]] <- read_matrix(h5, place, allowed, cells)
  }
  assays
}

# Assay5 with a layer for each matrix from SeuratObject 5 on, the Assay of before otherwise.
make_assay <- function(assay, version) {
  if (version >= "5.0.0") {
    layers <- list(counts = assay$counts, data = assay$data)
    made <- do.call(SeuratObject::CreateAssay5Object, layers[lengths(layers) > 0])
  } else if (is.null(assay$counts)) {
    made <- SeuratObject::CreateAssayObject(data = assay$data)
  } else {
    made <- SeuratObject::CreateAssayObject(counts = assay$counts)
    if (!is.null(assay$data)) made <- SeuratObject::SetAssayData(made, "data", assay$data)
  }
  if (length(assay$table)) {
    if (version >= "5.0.0") made <- SeuratObject::AddMetaData(made, assay$table) else made@meta.features <- assay$table
  }
  if (length(assay$layer)) made@misc <- list(layer = assay$layer)  # by which it becomes a layer again
  if (length(assay$variable)) SeuratObject::VariableFeatures(made) <- assay$variable
  made
}

add_reductions <- function(object, h5, facts, active, used) {
  ours <- c(X_scgnn2_feature = "scgnn2.feature", X_scgnn2_graph = "scgnn2.graph", X_scgnn2_umap = "scgnn2.umap")
  keys <- c(pca = "PC_", umap = "UMAP_", tsne = "tSNE_", ica = "IC_")
  further <- unlist(lapply(names(facts$assays), function(name) {
    slots <- names(facts$assays[[name]]$features)
    if (length(slots)) paste0(name, "_", slots)
  }))
  for (place in setdiff(if (h5$has("obsm")) h5$children("obsm"), further)) {
    stem <- sub("^X_", "", place)
    embedding <- embedding_of(h5, paste0("obsm/", place), colnames(object))
    if (is.null(embedding)) next
    known <- if (startsWith(place, "X_")) facts$reductions[[stem]]
    is_ours <- place %in% names(ours)
    name <- if (length(known)) used$exact(stem) else used$name(if (is_ours) ours[[place]] else stem)
    key <- used$key(known$key %or% (if (stem %in% names(keys)) keys[[stem]] else tolower(name)))
    colnames(embedding) <- as.character(known$columns %or% paste0(key, seq_len(ncol(embedding))))
    assay <- if (is_ours && "scGNN2" %in% SeuratObject::Assays(object)) "scGNN2" else active
    scanpy <- if (!length(known) && stem == "pca") scanpy_loadings(h5, colnames(embedding))
    made <- SeuratObject::CreateDimReducObject(
      embedding, key = key, assay = known$assay.used %or% assay, stdev = as.double(known$stdev %or% scanpy$stdev),
      global = as.logical(known$global %or% grepl("umap|tsne", stem))
    )
    loadings <- known_loadings(h5, known, "feature.loadings", stem, colnames(embedding)) %or% scanpy$loadings
    projected <- known_loadings(
      h5, known, "feature.loadings.projected", paste0(stem, "_projected"), colnames(embedding)
    )
    if (!is.null(loadings)) made@feature.loadings <- loadings
    if (!is.null(projected)) made@feature.loadings.projected <- projected
    object[[name]] <- made
  }
  object
}

# Genes x dimensions, of the genes that are still there, in the order that they had in the Seurat object of the input.
known_loadings <- function(h5, known, slot, place, columns) {
  names <- as.character(known[[paste0(slot, ".names")]])
  if (!length(names)) return(NULL)
  if (!is.null(known[[slot]])) {
    values <- t(known[[slot]])
  } else {
    group <- if (h5$has(paste0("raw/varm/", place))) "raw/" else ""
    if (!h5$has(paste0(group, "varm/", place))) return(NULL)
    row <- match(names, read_names(h5, paste0(group, "var")))
    if (all(is.na(row))) return(NULL)
    names <- names[!is.na(row)]
    values <- t(read_element(h5, paste0(group, "varm/", place)))[row[!is.na(row)], , drop = FALSE]
  }
  dimnames(values) <- list(names, columns[seq_len(ncol(values))])
  values
}

# Scanpy's names for the same things; a gene that was not used has zeros.
scanpy_loadings <- function(h5, columns) {
  if (!h5$has("varm/PCs")) return(NULL)
  values <- t(read_element(h5, "varm/PCs"))
  if (ncol(values) != length(columns)) return(NULL)
  kept <- read_names(h5, "var")
  genes <- unique(c(if (h5$has("raw/var")) read_names(h5, "raw/var"), kept))
  dimnames(values) <- list(suppressMessages(feature_names(genes))[match(kept, genes)], columns)
  storage.mode(values) <- "double"
  variance <- if (h5$has("uns/pca/variance")) as.double(read_element(h5, "uns/pca/variance"))
  list(
    loadings = values[rowSums(values != 0) > 0, , drop = FALSE],
    stdev = if (length(variance) == length(columns)) sqrt(variance)
  )
}

# Cells x dimensions; nothing of what are no numbers.
embedding_of <- function(h5, path, cells) {
  kind <- encoding(h5, path)
  if (!kind %in% c("array", "dataframe")) return(NULL)
  values <- read_element(h5, path)
  if (kind == "dataframe") {
    if (!ncol(values) || !all(vapply(values, is.numeric, logical(1)))) return(NULL)
    values <- as.matrix(values)
  } else {
    if (!is.numeric(values) || length(dim(values)) != 2) return(NULL)
    values <- t(values)
  }
  if (!ncol(values)) return(NULL)
  storage.mode(values) <- "double"
  dimnames(values) <- list(cells, NULL)
  values
}

add_graphs <- function(object, h5, facts, active, used) {
  for (place in if (h5$has("obsp")) h5$children("obsp")) {
    if (!encoding(h5, paste0("obsp/", place)) %in% c("csr_matrix", "csc_matrix")) next
    is_ours <- place == "scgnn2_connectivities"
    graph <- Matrix::t(read_sparse(h5, paste0("obsp/", place)))  # read as columns, kept as rows
    dimnames(graph) <- list(colnames(object), colnames(object))
    graph <- SeuratObject::as.Graph(graph)
    assay <- if (is_ours && "scGNN2" %in% SeuratObject::Assays(object)) "scGNN2" else active
    SeuratObject::DefaultAssay(graph) <- facts$graphs[[place]]$assay.used %or% assay
    object[[used$exact(if (is_ours) "scGNN2_snn" else place)]] <- graph
  }
  object
}

# meta.data with Seurat's own columns where they are missing, and the identity of the cells: the clusters of a run, else
# what was active before, else one for all.
describe_cells <- function(obs, counts, facts, of_run, active, used) {
  for (name in intersect(facts$character_columns, names(obs))) obs[[name]] <- as.character(obs[[name]])
  project <- facts$project.name %or% "scGNN2"
  wanted <- c("scgnn2_cluster", "active_ident")
  chosen <- intersect(if (of_run) wanted else rev(wanted), names(obs))
  ident <- if (length(chosen)) factor_of(obs[[chosen[1]]]) else factor(rep(project, nrow(obs)))
  if (length(chosen) && chosen[1] == "active_ident") obs$active_ident <- NULL
  if (length(facts)) return(list(meta = obs, ident = ident))
  first <- data.frame(row.names = rownames(obs))
  if (!"orig.ident" %in% names(obs)) first$orig.ident <- factor(rep("scGNN2", nrow(obs)))
  if (!is.null(counts)) {
    sums <- list(Matrix::colSums(counts), as.integer(Matrix::colSums(counts > 0)))
    for (position in 1:2) {
      name <- paste0(c("nCount_", "nFeature_")[position], active)
      if (!name %in% names(obs)) first[[name]] <- unname(sums[[position]])
    }
  }
  meta <- first
  for (name in names(obs)) meta[[name]] <- obs[[name]]
  names(meta) <- vapply(names(meta), used$exact, character(1))
  list(meta = meta, ident = ident)
}

factor_of <- function(values) if (is.factor(values)) values else factor(values)

# ---- as a program ---------------------------------------------------------------------------------------------------

if (sys.nframe() == 0L) {
  local({
    given <- commandArgs(trailingOnly = TRUE)
    if (length(given) > 2 || any(given %in% c("-h", "--help"))) {
      cat("Rscript to_seurat.R [result.h5ad] [seurat.rds]\n")
      quit(status = if (length(given) > 2) 2 else 0)
    }
    script <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE)[1])
    folder <- dirname(gsub("~+~", " ", script, fixed = TRUE))  # how R hands over a space
    source <- if (length(given)) given[1] else file.path(folder, "result.h5ad")
    target <- if (length(given) > 1) given[2] else file.path(folder, "seurat.rds")
    if (file.exists(target)) stop(target, " exists already: name another file.", call. = FALSE)
    saveRDS(scgnn2_to_seurat(source), target)
    message("Written: ", target)
  })
}
