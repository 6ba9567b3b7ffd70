"""Objects exchanged with a running R: from Python through rpy2, or from R through reticulate as bytes.

In R, where ``scgnn2 <- reticulate::import("scgnn2_engine.io.r")``::

    adata  <- scgnn2$from_r(serialize(object, NULL))         # a Seurat object goes to Python
    object <- unserialize(scgnn2$seurat_bytes(result))       # and a result comes back
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn2_engine.errors import InputError, MissingPackageError, ParameterError
from scgnn2_engine.io.assemble import from_table, unfinished
from scgnn2_engine.io.r.into_experiment import into_experiment
from scgnn2_engine.io.r.into_seurat import into_seurat
from scgnn2_engine.io.r.reading import READS, read_r
from scgnn2_engine.io.r.running import as_robject, bytes_of, is_of_r, made_in_r, raw_bytes
from scgnn2_engine.io.r.serialisation import to_bytes
from scgnn2_engine.io.raw_table import Table
from scgnn2_engine.io.results.to_anndata import result_to_anndata
from scgnn2_engine.params import LoadParams
from scgnn2_engine.results.result import Result

if TYPE_CHECKING:
    from anndata import AnnData

_ORIENTATIONS = ("auto", "cells-by-genes", "genes-by-cells")

_CHECKED_SEURAT = """function(object) {
  if (!requireNamespace("SeuratObject", quietly = TRUE)) return(list(object, "missing"))
  parts <- c(list(object), object@assays, object@reductions, object@graphs)
  said <- tryCatch({ lapply(parts, methods::validObject); "" }, error = conditionMessage)
  list(object, said)
}"""

_EXPERIMENT = """function(pieces) {
  if (!requireNamespace("SingleCellExperiment", quietly = TRUE)) return(list(NULL, "missing"))
  table <- function(frame) methods::as(frame, "DataFrame")
  built <- function(part, ...) SingleCellExperiment::SingleCellExperiment(
    assays = part$assays, rowData = table(part$genes), ...
  )
  sce <- built(
    pieces$main, colData = table(pieces$cells), reducedDims = pieces$reductions,
    altExps = lapply(pieces$others, built), metadata = pieces$metadata
  )
  for (name in names(pieces$pairs)) {
    graph <- pieces$pairs[[name]]
    target <- rep(seq_len(ncol(graph)), diff(graph@p))
    pairs <- S4Vectors::SelfHits(graph@i + 1L, target, nnode = ncol(graph), x = graph@x)
    sce <- SingleCellExperiment::`colPair<-`(sce, name, value = pairs)
  }
  list(sce, "")
}"""
_SERIALISED_EXPERIMENT = f"""function(pieces) {{
  made <- ({_EXPERIMENT})(pieces)
  list(serialize(made[[1]], NULL), made[[2]])
}}"""


def from_r(obj: Any, *, orientation: str = "auto") -> AnnData:
    """Make an AnnData of an object in R's memory.

    What has no place in an AnnData is named in a warning.

    Parameters
    ----------
    obj
        The name of a variable in R's global environment; an object of rpy2; or the bytes of R's
        ``serialize(object, NULL)``, which is what R hands over through reticulate and needs neither rpy2 nor R here.
        A Seurat object (v3 to v5), a SingleCellExperiment, a matrix (dense or sparse) or a data frame.
    orientation
        Of a matrix or data frame: ``"genes-by-cells"`` or ``"cells-by-genes"``; ``"auto"`` decides by the names.

    Returns
    -------
    AnnData
        (n_obs, n_vars), rows are cells.

    Raises
    ------
    InputError
        R has no such variable; the object is of another class, or cannot be used; the names leave its orientation open.
    MissingPackageError
        rpy2 or R is missing, and ``obj`` is not bytes.
    ParameterError
        The orientation is none of the three.
    ScgnnError
        This is not the main thread, and ``obj`` is not bytes.

    Examples
    --------
    >>> import anndata, numpy as np, pandas as pd
    >>> genes, cells = pd.DataFrame(index=["Actb", "Gapdh"]), pd.DataFrame(index=["cell_1", "cell_2", "cell_3"])
    >>> adata = anndata.AnnData(np.array([[1.0, 0.0], [2.0, 5.0], [0.0, 1.0]]), obs=cells, var=genes)
    >>> adata = from_r(seurat_bytes(adata))  # in R: from_r(serialize(object, NULL))
    >>> adata.shape, list(adata.layers), adata.obs["nCount_RNA"].tolist()
    ((3, 2), ['counts'], [1.0, 7.0, 1.0])

    With rpy2 and R::

        adata = from_r("object")
    """
    if orientation not in _ORIENTATIONS:
        raise ParameterError("No such orientation.", expected=", ".join(_ORIENTATIONS), found=str(orientation))
    if isinstance(obj, (bytes, bytearray, memoryview)):
        data = bytes(obj)
    elif isinstance(obj, str) or is_of_r(obj):
        data = bytes_of(obj)
    else:
        raise InputError(
            "This is no object of R.",
            expected="the name of a variable in R, an object of rpy2, or the bytes of R's serialize(object, NULL)",
            found=f"{type(obj).__module__}.{type(obj).__qualname__}",
            advice=f"In R, it may be {READS}.",
        )
    content = read_r(data)
    _warn_of("Not carried over from R", content.lost)
    return _of_table(content.value, orientation) if isinstance(content.value, Table) else content.value


def _of_table(table: Table, orientation: str) -> AnnData:
    found = from_table(table, "The R object", LoadParams(orientation=orientation), dtype=np.float64)
    adata, sentences = unfinished(found)
    for sentence in sentences[len(found.notes) :]:
        warnings.warn(sentence, UserWarning, stacklevel=3)
    return adata


def to_seurat(result: Result | AnnData) -> Any:
    """Make a Seurat object in the running R.

    R checks it (``validObject``) where SeuratObject is installed; what R objects to, and what has no place in a Seurat
    object, is named in a warning.

    Parameters
    ----------
    result
        A result, or an AnnData (rows are cells).

    Returns
    -------
    rpy2.robjects.methods.RS4
        The object; ``rpy2.robjects.globalenv["object"] = to_seurat(result)`` gives it a name in R.

    Raises
    ------
    InputError
        It cannot be a Seurat object (names are repeated, nothing is measured).
    MissingPackageError
        rpy2 or R is not installed.
    ScgnnError
        This is not the main thread.

    Examples
    --------
    With R on the machine (:func:`seurat_bytes` shows the same without)::

        rpy2.robjects.globalenv["object"] = to_seurat(result)
    """
    made, said = made_in_r(_CHECKED_SEURAT, seurat_bytes(result))
    if said[0] == "missing":
        warnings.warn(
            "R has no package SeuratObject, which is needed to use the object there: "
            'install.packages("SeuratObject") (on Debian and Ubuntu: apt-get install r-cran-seuratobject).',
            UserWarning,
            stacklevel=2,
        )
    elif said[0]:
        warnings.warn(
            f"R objects to the Seurat object: {' '.join(said[0].split())}. UpdateSeuratObject(object) may mend it.",
            UserWarning,
            stacklevel=2,
        )
    return as_robject(made)


def seurat_bytes(result: Result | AnnData) -> bytearray:
    r"""Make a Seurat object as the bytes that R's ``unserialize`` reads, without R.

    In R with reticulate: ``object <- unserialize(scgnn2$seurat_bytes(result))``. What has no place in a Seurat object
    is named in a warning.

    Parameters
    ----------
    result
        A result, or an AnnData (rows are cells).

    Returns
    -------
    bytearray
        Of all kinds of bytes the one that reticulate turns into R's raw vectors.

    Raises
    ------
    InputError
        It cannot be a Seurat object (names are repeated, nothing is measured).

    Examples
    --------
    >>> import anndata, numpy as np
    >>> seurat_bytes(anndata.AnnData(np.eye(2)))[:2]  # R's binary format
    bytearray(b'X\n')
    """
    obj, lost = into_seurat(_anndata_of(result))
    _warn_of("Not carried over to R", lost)
    return bytearray(to_bytes(obj))


def to_sce(result: Result | AnnData) -> Any:
    """Make a SingleCellExperiment in the running R; what has no place in it is named in a warning.

    Parameters
    ----------
    result
        A result, or an AnnData (rows are cells).

    Returns
    -------
    rpy2.robjects.methods.RS4
        The object; ``rpy2.robjects.globalenv["sce"] = to_sce(result)`` gives it a name in R.

    Raises
    ------
    InputError
        It cannot be a SingleCellExperiment (nothing is measured).
    MissingPackageError
        rpy2, R or R's package SingleCellExperiment is not installed.
    ScgnnError
        This is not the main thread.

    Examples
    --------
    With R on the machine::

        rpy2.robjects.globalenv["sce"] = to_sce(result)
    """
    pieces, lost = into_experiment(_anndata_of(result))
    made = _experiment(_EXPERIMENT, to_bytes(pieces))
    _warn_of("Not carried over to R", lost)
    return as_robject(made)


def sce_bytes(result: Result | AnnData) -> tuple[bytes, list[str]]:
    """What R's ``serialize`` makes of the SingleCellExperiment, and what was not carried over.

    Raises
    ------
    InputError, MissingPackageError, ScgnnError
        As :func:`to_sce` does.
    """
    pieces, lost = into_experiment(_anndata_of(result))
    return raw_bytes(_experiment(_SERIALISED_EXPERIMENT, to_bytes(pieces))), lost


def _experiment(code: str, pieces: bytes) -> Any:
    made, said = made_in_r(code, pieces)
    if said[0] == "missing":
        raise MissingPackageError(
            "A SingleCellExperiment is made by R's package SingleCellExperiment.",
            found="R does not have it",
            advice='Install it in R: BiocManager::install("SingleCellExperiment") '
            "(on Debian and Ubuntu: apt-get install r-bioc-singlecellexperiment), or write a Seurat object.",
        )
    return made


def _anndata_of(result: Result | AnnData) -> AnnData:
    from anndata import AnnData

    if isinstance(result, Result):
        return result_to_anndata(result)
    if isinstance(result, AnnData):
        return result
    raise InputError(
        "This cannot be handed to R.",
        expected="a Result or an AnnData (cells x genes)",
        found=f"{type(result).__module__}.{type(result).__qualname__}",
    )


def _warn_of(what: str, lost: list[str]) -> None:
    if lost:
        warnings.warn(f"{what}: {'; '.join(lost)}.", UserWarning, stacklevel=3)
