"""Marker genes of groups of cells, on observed expression only."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Matrix, Scale

COLUMNS = ("group", "gene", "score", "log2_fold_change", "p_adjusted", "share_in_group", "share_elsewhere")


def rank_genes(
    expression: Matrix,
    scale: Scale,
    groups: npt.NDArray[Any],
    var_names: npt.NDArray[np.str_],
    *,
    n_genes: int = 25,
    only: str = "",
) -> pd.DataFrame:
    """Genes higher in each group than in all other cells, by Wilcoxon's rank-sum test as scanpy does it.

    Parameters
    ----------
    expression
        (n_obs, n_vars) observed values; counts and normalised values are brought to equal library sizes and logged.
    scale
        Of ``expression``.
    groups
        (n_obs,) one group for every cell; groups of fewer than two cells are left out.
    var_names
        (n_vars,) names of the genes.
    n_genes
        Most genes for each group.
    only
        Test this group alone.

    Returns
    -------
    pandas.DataFrame
        Columns :data:`COLUMNS`: strongest first within each group; p adjusted by Benjamini and Hochberg; shares of the
        cells with a value above 0. Empty where there are no two groups to compare.

    Examples
    --------
    >>> x = np.array([[9.0, 0.0], [8.0, 1.0], [0.0, 7.0], [1.0, 9.0]])
    >>> found = rank_genes(x, "logged", np.array([0, 0, 1, 1]), np.array(["A", "B"]), n_genes=1)
    >>> list(zip(found["group"], found["gene"]))
    [('0', 'A'), ('1', 'B')]
    """
    names = np.asarray(groups).astype(str)
    sizes = dict(zip(*np.unique(names, return_counts=True), strict=True))
    tested = [group for group, size in sizes.items() if size > 1 and (not only or group == only)]
    if len(sizes) < 2 or not tested or len(names) < 3:
        return pd.DataFrame(columns=list(COLUMNS))
    import anndata
    import scanpy as sc

    matrix = expression.astype(np.float32)  # a copy: scanpy works in place
    adata = anndata.AnnData(matrix, obs=pd.DataFrame({"group": pd.Categorical(names)}, index=_index(len(names))))
    adata.var_names = pd.Index(np.asarray(var_names).astype(object))
    with warnings.catch_warnings():  # of empty cells, and of pandas about scanpy
        warnings.simplefilter("ignore")
        if scale != "logged":
            sc.pp.normalize_total(adata)
            sc.pp.log1p(adata)
        else:
            adata.uns["log1p"] = {"base": None}
        most = min(n_genes, len(var_names))
        sc.tl.rank_genes_groups(adata, "group", groups=tested, method="wilcoxon", n_genes=most, pts=True)
        table = sc.get.rank_genes_groups_df(adata, None)
    if "group" not in table:
        table.insert(0, "group", tested[0])
    table["group"] = table["group"].astype(str)
    theirs = ("names", "scores", "logfoldchanges", "pvals_adj", "pct_nz_group", "pct_nz_reference")
    shown = dict(zip(theirs, COLUMNS[1:], strict=True))
    return table.rename(columns=shown)[list(COLUMNS)]


def _index(n_obs: int) -> pd.Index:
    return pd.Index(np.arange(n_obs).astype(str))
