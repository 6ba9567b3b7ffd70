"""The data set that needs no file: 700 real blood cells that scanpy carries in its wheel."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn2_engine.errors import MissingPackageError

if TYPE_CHECKING:
    from anndata import AnnData

LABEL_COLUMN = "bulk_labels"
"""The obs column of the demo that names the cell types."""


def demo() -> AnnData:
    """700 peripheral blood mononuclear cells × 765 genes (Zheng et al. 2017, subsampled by scanpy).

    ``X`` is scaled and so cannot be imputed; ``.raw`` holds the log-normalised values, which is what
    :func:`scgnn2_engine.read` takes. ``obs["bulk_labels"]`` names the cell types.

    Returns
    -------
    AnnData

    Examples
    --------
    >>> demo().shape
    (700, 765)
    """
    import anndata

    scanpy = importlib.util.find_spec("scanpy")  # importing it would take longer than everything else the demo needs
    if scanpy is None or scanpy.origin is None:
        raise MissingPackageError(
            "The demo data come with the package scanpy.",
            found="it is not installed",
            advice="Install it with: pip install scanpy",
        )
    with warnings.catch_warnings():
        # The file in the wheel was written by an older anndata; the reader says so, and nothing follows from it.
        warnings.simplefilter("ignore")
        adata: AnnData = anndata.read_h5ad(Path(scanpy.origin).parent / "datasets" / "10x_pbmc68k_reduced.h5ad")
    return adata
