"""What a scanpy user calls: a run on an AnnData, whose results are written into it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.blocks import AnyMatrix, as_blocks
from scgnn2_engine.data.dataset import Ints
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io import from_anndata
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.results.records import json_text
from scgnn2_engine.io.results.to_anndata import cluster_categories
from scgnn2_engine.params import RunParams
from scgnn2_engine.results.result import Result
from scgnn2_engine.run.loop import fit

if TYPE_CHECKING:
    from anndata import AnnData

_LEFT_OUT: Mapping[str, Any] = {"evaluate_baselines": False, "evaluate_diagnostics": False}
_EVERY_CELL: Mapping[str, Any] = {"preprocess_cell_cutoff": 1.0}
_OUTPUTS = ("imputed", "value", "expected", "rate", "zeros_kept", "corrected")
_OWN = {
    "seed": "random_state",
    "load_layer": "layer",
    "load_batch_key": "batch_key",
    "preprocess_gene_column": "use_highly_variable",
}


def scgnn2(
    adata: AnnData,
    *,
    layer: str | None = None,
    batch_key: str | Sequence[str] | None = None,
    use_highly_variable: bool | str | None = None,
    outputs: Collection[str] = ("imputed",),
    key_added: str = "scgnn2",
    random_state: int = 0,
    model_dir: str | Path | None = None,
    copy: bool = False,
    **parameters: Any,
) -> AnnData | None:
    """Run scGNN 2.0 on an AnnData and write what it finds into it, as scanpy's tools do.

    All cells are kept (``preprocess_cell_cutoff=1``), and nothing is scored beside baselines
    (``evaluate_baselines=False``, ``evaluate_diagnostics=False``), unless ``parameters`` say otherwise.

    Parameters
    ----------
    adata
        (n_obs, n_vars) counts or normalised expression, not scaled.
    layer
        Layer to read, or ``"X"``; None: ``layers["counts"]`` where it is there, else ``X``.
    batch_key
        Column of ``obs`` that says which sample or batch a cell is of, or several that do together; neighbours and
        clusters are corrected for it.
    use_highly_variable
        Train on the genes that ``var["highly_variable"]`` marks, or that another column of that name does. None: on
        those of ``highly_variable`` where it is there, as :func:`scanpy.pp.pca` does. False: the run chooses.
    outputs
        Which answers become layers (``"imputed"``, ``"value"``, ``"expected"``, ``"rate"``, ``"zeros_kept"``); each is
        a dense float32 matrix, NaN for genes that were not trained on. With ``batch_key`` also ``"corrected"``: as of
        one batch, the mean of all, and at the median library size; the others are of each cell in its own batch.
    key_added
        What the names of all that is written begin with.
    random_state
        Seed of every random draw.
    model_dir
        Folder for ``model.npz``, which ``Model.load(folder, adata)`` reads; None: the model is not kept.
    copy
        Return a copy with the results in it, and leave ``adata`` as it is.
    **parameters
        Any parameter of a run (``docs/parameters.md``), such as ``total_epoch=1``.

    Returns
    -------
    AnnData or None
        The copy with ``copy=True``, else None. Written are, with ``key_added="scgnn2"``:

        ``layers["scgnn2_imputed"]`` and other ``outputs``: ln(1 + expression) with the cells' own library sizes (but
        ``corrected``);
        ``obs["scgnn2_cluster"]``: categorical clusters;
        ``obsm["X_scgnn2"]``: the principal components that neighbours and clusters rest on;
        ``obsm["X_scgnn2_feature"]``, ``obsm["X_scgnn2_graph"]``: embeddings of the two autoencoders;
        ``obsp["scgnn2_connectivities"]``, ``obsp["scgnn2_distances"]``: weights and lengths of the edges;
        ``uns["scgnn2"]``: where scanpy finds it (``neighbors_key="scgnn2"``), and the record of the run (JSON);
        ``var["scgnn2_trained"]``: the genes that were trained on.

        Cells that were dropped on request are NaN and have no neighbours: scanpy goes on without them
        (``adata[adata.obs["scgnn2_cluster"].notna()]``).

    Raises
    ------
    InputError, ParameterError, InsufficientMemoryError, TrainingError
        As :func:`scgnn2_engine.fit`; nothing has been written then.

    Examples
    --------
    >>> import scgnn2_engine as sc2
    >>> adata = sc2.io.dataset_to_anndata(sc2.simulate(n_obs=60, n_vars=40, n_types=2, seed=0))
    >>> sc2.tl.scgnn2(adata, total_epoch=1, feature_AE_epoch=[5, 5], device="cpu")
    >>> adata.obsm["X_scgnn2_feature"].shape, sorted(adata.obsp), sorted(adata.layers)
    ((60, 128), ['scgnn2_connectivities', 'scgnn2_distances'], ['scgnn2_imputed'])
    """
    for name, own in _OWN.items():
        if name in parameters:
            raise ParameterError(f"{name} is given by {own}.", expected=f"{own}=…", found=f"{name}=…")
    if not isinstance(key_added, str) or not key_added or "/" in key_added:
        raise ParameterError(
            "key_added cannot begin the names of what is written.",
            expected="a name without a slash, which h5ad takes for a folder",
            found=repr(key_added),
        )
    outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    unknown = [name for name in outputs if name not in _OUTPUTS]
    if unknown:
        raise ParameterError(f"There is no output {unknown[0]}.", expected=", ".join(_OUTPUTS), found=unknown[0])
    if copy:
        adata = adata.to_memory() if adata.isbacked else adata.copy()
    _require_names(adata)
    if layer == "raw" and "raw" not in adata.layers:
        raise InputError(
            "Results cannot be written beside the genes of .raw.",
            expected="a layer, or X",
            found="layer='raw'",
            advice="Call it on adata.raw.to_adata().",
        )
    column = _gene_column(adata, use_highly_variable)
    params = RunParams.from_dict(
        {
            **_LEFT_OUT,
            **_EVERY_CELL,
            **parameters,
            "seed": random_state,
            "preprocess_gene_column": column,
            "load_batch_key": batch_key if isinstance(batch_key, str) else ",".join(batch_key or ()),
            "load_layer": layer or ("counts" if "counts" in adata.layers else "X"),
        }
    )
    require_memory(4 * adata.n_obs * adata.n_vars * len(outputs), "The layers that are written", params.max_memory)
    result = fit(from_anndata(adata, params.load), params.replace(load_layer=""))
    matrices = _asked(result, outputs)
    if model_dir is not None and result.model is not None:
        Path(model_dir).mkdir(parents=True, exist_ok=True)
        result.model.save(model_dir)
    _write(adata, result, matrices, key_added)
    return adata if copy else None


def _require_names(adata: AnnData) -> None:
    """Results are put beside cells and genes by their names."""
    for names, called in ((adata.obs_names, "obs_names"), (adata.var_names, "var_names")):
        if not names.is_unique:
            twice = names[names.duplicated()][0]
            raise InputError(
                f"The {called} are not unique.",
                expected="a name for each",
                found=f"{twice} more than once",
                advice=f"Call adata.{called}_make_unique().",
            )


def _gene_column(adata: AnnData, use_highly_variable: bool | str | None) -> str:
    if isinstance(use_highly_variable, str):
        return use_highly_variable
    if use_highly_variable is None:
        use_highly_variable = "highly_variable" in adata.var
    return "highly_variable" if use_highly_variable else ""


def _asked(result: Result, outputs: Collection[str]) -> dict[str, AnyMatrix]:
    """The outputs that were asked for; of value and expected one is what the run calls imputed."""
    found = dict(result.matrices)
    for name, other in (("value", "expected"), ("expected", "value")):
        if name not in found and other in found:
            found[name] = found["imputed"]
    unknown = [name for name in outputs if name not in found]
    if unknown:
        raise ParameterError(f"This run has no output {unknown[0]}.", expected=", ".join(found), found=unknown[0])
    return {name: found[name] for name in outputs}


def _write(adata: AnnData, result: Result, outputs: Mapping[str, AnyMatrix], key: str) -> None:
    prepared = result.prepared
    cells = adata.obs_names.get_indexer(pd.Index(prepared.obs_names.astype(object)))
    genes = adata.var_names.get_indexer(pd.Index(prepared.var_names.astype(object)))
    for name, matrix in outputs.items():
        layer = np.full(adata.shape, np.nan, np.float32)
        for rows, values in as_blocks(matrix).blocks():
            layer[np.ix_(cells[rows], genes)] = values
        adata.layers[f"{key}_{name}"] = layer
    labels = cluster_categories(result.labels)
    adata.obs[f"{key}_cluster"] = pd.Series(labels, index=adata.obs_names[cells]).reindex(adata.obs_names)
    adata.var[f"{key}_trained"] = np.isin(np.arange(adata.n_vars), genes)
    for name, embedding in (
        ("", result.clustering_embedding),
        ("_feature", result.feature_embedding),
        ("_graph", result.graph_embedding),
    ):
        adata.obsm[f"X_{key}{name}"] = _placed(embedding, cells, adata.n_obs)
    graph = result.graph
    ends = np.repeat(np.arange(graph.n_obs), graph.k), graph.neighbours.reshape(-1)
    distances = sp.csr_matrix((graph.distances.reshape(-1), ends), shape=(graph.n_obs, graph.n_obs))
    adata.obsp[f"{key}_distances"] = _between(distances, cells, adata.n_obs)
    adata.obsp[f"{key}_connectivities"] = _between(graph.adjacency(weighted=True), cells, adata.n_obs)
    adata.uns[key] = {
        "connectivities_key": f"{key}_connectivities",
        "distances_key": f"{key}_distances",
        "params": {
            "n_neighbors": graph.k + 1,  # scanpy counts the cell itself
            "method": "scgnn2",
            "metric": "euclidean",
            "use_rep": f"X_{key}",
            "random_state": result.record["seed"],
        },
        "run": json_text(result.record),
    }


def _placed(rows: npt.NDArray[np.float32], cells: Ints, n_obs: int) -> npt.NDArray[np.float32]:
    """(n_obs, d) rows of the kept cells in their places, NaN elsewhere."""
    placed = np.full((n_obs, rows.shape[1]), np.nan, np.float32)
    placed[cells] = rows
    return placed


def _between(graph: sp.csr_matrix, cells: Ints, n_obs: int) -> sp.csr_matrix:
    """(n_obs, n_obs) edges of the kept cells in their places."""
    edges = graph.tocoo()
    return sp.csr_matrix((edges.data, (cells[edges.row], cells[edges.col])), shape=(n_obs, n_obs))
