"""The data set that needs no file: 700 real blood cells that scanpy carries in its wheel."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

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
    import scanpy

    with warnings.catch_warnings():
        # The file in the wheel was written by an older anndata; the reader says so, and nothing follows from it.
        warnings.simplefilter("ignore")
        adata: AnnData = scanpy.datasets.pbmc68k_reduced()
    return adata
