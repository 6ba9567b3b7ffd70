"""Figures of an AnnData that :func:`scgnn2_engine.tl.scgnn2` or ``result.h5ad`` filled, as Matplotlib figures.

Maps coloured by genes and clusters are scanpy's (``sc.pl.umap(adata, color="scgnn2_cluster")``); here is the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from scgnn2_engine import plots
from scgnn2_engine.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.figure import Figure


def cell_graph(
    adata: AnnData,
    *,
    basis: str = "umap",
    color: str | None = None,
    key: str = "scgnn2",
    max_edges: int = 20_000,
    title: str = "Cell graph",
) -> Figure:
    """Draw the cell graph on a map.

    Parameters
    ----------
    adata
        With ``obsp["<key>_connectivities"]`` and the map ``obsm["X_<basis>"]``, whose first two columns count.
    basis
        Name of the map without ``X_``.
    color
        Column of ``obs`` whose groups give the colours; None: the clusters of the run.
    key
        ``key_added`` of the run.
    max_edges
        Most edges drawn.
    title
        What stands above it.

    Raises
    ------
    InputError
        One of them is not there.

    Examples
    --------
    >>> import anndata, numpy as np, scipy.sparse as sp
    >>> adata = anndata.AnnData(np.ones((3, 1), np.float32), obsm={"X_umap": np.eye(3, 2)})
    >>> adata.obs["scgnn2_cluster"] = ["0", "0", "1"]
    >>> adata.obsp["scgnn2_connectivities"] = sp.csr_matrix(np.ones((3, 3)) - np.eye(3))
    >>> len(cell_graph(adata).axes)
    1
    """
    color = f"{key}_cluster" if color is None else color
    basis = basis.removeprefix("X_")
    _require(f"X_{basis}", "obsm", adata.obsm, f'sc.tl.umap(adata, neighbors_key="{key}")')
    _require(f"{key}_connectivities", "obsp", adata.obsp, f'tl.scgnn2(adata, key_added="{key}")')
    _require(color, "obs", adata.obs, "")
    half = sp.triu(adata.obsp[f"{key}_connectivities"], k=1).tocoo()
    chart = plots.cell_graph(
        np.asarray(adata.obsm[f"X_{basis}"])[:, :2],
        np.stack([half.row, half.col]).astype(np.int64),
        half.data,
        _groups(adata, color),
        obs_names=np.asarray(adata.obs_names, str),
        max_edges=max_edges,
        title=title,
    )
    figure: Figure = plots.to_matplotlib(chart)
    return figure


def sankey(adata: AnnData, groupby: Sequence[str], *, title: str = "") -> Figure:
    """Draw the flow of cells between two or more groupings, such as cell types and clusters.

    Parameters
    ----------
    adata
        With these groupings.
    groupby
        Columns of ``obs``, left to right.
    title
        What stands above it.

    Raises
    ------
    InputError
        A column is not there.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> adata = anndata.AnnData(np.ones((3, 1), np.float32))
    >>> adata.obs["cell_type"], adata.obs["scgnn2_cluster"] = ["a", "a", "b"], ["0", "1", "1"]
    >>> len(sankey(adata, ["cell_type", "scgnn2_cluster"]).axes)
    1
    """
    groupby = [groupby] if isinstance(groupby, str) else groupby
    for column in groupby:
        _require(column, "obs", adata.obs, "")
    chart = plots.sankey({column: _groups(adata, column) for column in groupby}, title=title)
    figure: Figure = plots.to_matplotlib(chart)
    return figure


def _groups(adata: AnnData, column: str) -> Any:
    """Names of the groups; cells without one are grey."""
    values = adata.obs[column].astype(object)
    return values.where(values.notna(), "(no label)").astype(str).to_numpy().astype(str)


def _require(name: str, slot: str, found: Any, how: str) -> None:
    if name not in found:
        there = ", ".join(map(str, found)) or "nothing"
        raise InputError(
            f"There is no {slot}[{name!r}].",
            expected=f"{slot}[{name!r}]",
            found=there,
            advice=f"Call {how} first." if how else f"Name one of {slot}.",
        )
