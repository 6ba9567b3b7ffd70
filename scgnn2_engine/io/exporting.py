"""Write a data set in another format."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.errors import OutputError, ParameterError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.atomic import whole_file, whole_folder
from scgnn2_engine.io.csv_writing import write_matrix
from scgnn2_engine.io.evidence.scale import detect_scale
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.names import Names, listed
from scgnn2_engine.io.readers.h5ad import found_in_anndata
from scgnn2_engine.io.storage.storing import with_unique_names, write_h5ad
from scgnn2_engine.io.storage.zarr_storage import MARKS

if TYPE_CHECKING:
    from anndata import AnnData

ANNDATA = (".h5ad", ".zarr")
TEXT = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
R_FILES = (".rds", ".rdata", ".rda")
WRITABLE = ".h5ad, .rds, .RData, .rda, .csv, .tsv, .csv.gz, .tsv.gz, .zarr"
CLASSES = ("seurat", "sce", "dgCMatrix", "matrix", "data.frame")
"""What an R file can be made to hold."""

_NAMES = {"seurat": "seurat", "sce": "sce", "dgCMatrix": "counts", "matrix": "counts", "data.frame": "df"}


def export(data: Dataset | AnnData, path: str | Path, *, r_class: str = "") -> list[str]:
    """Write a data set; the suffix chooses the format.

    Parameters
    ----------
    data
        What to write. Of an AnnData, formats that hold one matrix get ``layers['counts']``, else ``.raw``, else ``X``.
    path
        ``.h5ad``, ``.zarr`` (a folder); ``.csv``, ``.tsv`` (also ``.gz``) with one gene per row and one cell per
        column; ``.rds``, ``.RData`` or ``.rda`` for R.
    r_class
        What the R file holds: ``"seurat"`` (the default of ``.rds``), ``"sce"`` (a SingleCellExperiment; needs R),
        ``"dgCMatrix"``, ``"matrix"`` or ``"data.frame"`` (the default of ``.RData``; named ``df``), the last three
        genes x cells.

    Returns
    -------
    list of str
        What the format could not carry, as phrases.

    Raises
    ------
    ParameterError
        The suffix names no format that can be written, or no R file while ``r_class`` is given.
    InsufficientMemoryError
        A dense matrix is asked for that does not fit.
    MissingPackageError
        A SingleCellExperiment is asked for without R or the optional package rpy2.
    OutputError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from scgnn2_engine.data.simulation import simulate
    >>> folder = Path(tempfile.mkdtemp())
    >>> export(simulate(n_obs=20, n_vars=10, n_types=2, seed=0), folder / "small.csv.gz")
    ['the labels of the cells', 'the cell annotation (cell_type)']
    >>> export(simulate(n_obs=20, n_vars=10, n_types=2, seed=0), folder / "small.rds", r_class="dgCMatrix")
    ['the labels of the cells', 'the cell annotation (cell_type)']
    """
    path = Path(path)
    check_writable(path, r_class)
    name = path.name.lower()
    if name.endswith(ANNDATA):
        if path.is_dir() and not any((path / mark).exists() for mark in MARKS):
            raise OutputError(f"{path} is a folder that holds no zarr.", advice="Choose another name.")
        with (whole_folder if name.endswith(".zarr") else whole_file)(path) as temporary:
            return write_h5ad(_as_anndata(data), temporary, compression="gzip").phrases
    if name.endswith(TEXT):
        one, lost = _as_matrix(data)
        _write_text(one, path)
        return lost
    return _write_r(data, path, r_class or ("seurat" if name.endswith(".rds") else "data.frame"))


def check_writable(path: Path, r_class: str = "") -> None:
    """Refuse a path whose suffix says nothing, before anything is read.

    Raises
    ------
    ParameterError
        The suffix names no format that can be written, or no R file while ``r_class`` is given.
    """
    name = path.name.lower()
    if not name.endswith((*ANNDATA, *TEXT, *R_FILES)):
        raise ParameterError(
            f"{path} has no suffix that says how to write it.", expected=WRITABLE, found=path.suffix or "no suffix"
        )
    if r_class and not name.endswith(R_FILES):
        raise ParameterError(
            f"{path} is no file of R, so it cannot hold an object of class {r_class}.",
            expected=".rds, .RData or .rda",
            found=path.suffix,
            advice="Leave the class out, or choose another suffix.",
        )
    if r_class and r_class not in CLASSES:
        raise ParameterError(f"{r_class} cannot be written.", expected=", ".join(CLASSES), found=r_class)


def holds_layers(path: Path, r_class: str = "") -> bool:
    """Whether a file of this name has room for several matrices."""
    name = path.name.lower()
    return name.endswith(ANNDATA) or (r_class or "seurat" * name.endswith(".rds")) in ("seurat", "sce")


def dataset_to_anndata(dataset: Dataset) -> AnnData:
    """Make an AnnData of a data set: expression in ``X``, what came with it, and in ``uns`` what was detected.

    Labels appear where the data set's own annotation holds them (``simulate`` puts them in ``obs['cell_type']``);
    sealed labels stay sealed.

    Examples
    --------
    >>> from scgnn2_engine.data.simulation import simulate
    >>> adata = dataset_to_anndata(simulate(20, 50, n_types=2))
    >>> adata.shape, list(adata.obs.columns)
    ((20, 50), ['cell_type'])
    """
    from anndata import AnnData

    index = pd.Index(dataset.obs_names.astype(object))
    obs = pd.DataFrame(index=index) if dataset.obs is None else dataset.obs.set_axis(index, axis=0)
    genes = pd.Index(dataset.var_names.astype(object))
    var = pd.DataFrame(index=genes) if dataset.var is None else dataset.var.set_axis(genes, axis=0)
    expression: Any = dataset.expression
    adata = AnnData(expression.copy(), obs=obs.copy(), var=var.copy(), obsp=dict(dataset.obsp))
    for slot, items, rows in ((adata.obsm, dataset.obsm, index), (adata.varm, dataset.varm, genes)):
        for key, values in items.items():  # a table may have names that were made unique since
            slot[key] = values.set_axis(rows, axis=0) if isinstance(values, pd.DataFrame) else values
    adata.uns |= dataset.uns
    adata.uns["scgnn2_input"] = {"scale": dataset.scale, "notes": list(dataset.notes)}
    return adata


def not_in_anndata(dataset: Dataset) -> list[str]:
    """What of a data set an AnnData of it does not tell, as phrases.

    Examples
    --------
    >>> from scgnn2_engine.data.simulation import simulate
    >>> not_in_anndata(simulate(20, 50, n_types=2))
    ['the known labels (name a column of obs or a file with labels)']
    """
    lost = []
    if dataset.truth is not None:
        lost.append("the known labels (name a column of obs or a file with labels)")
    if dataset.states is not None:
        lost.append("the LTMG states (load_LTMG names a file of them)")
    if dataset.bulk is not None:
        lost.append("the bulk expression (load_bulk_dataset names a file of it)")
    if detect_scale(dataset.expression).scale != dataset.scale:
        lost.append(f"the scale {dataset.scale} (load_scale says it)")
    return lost


def _as_anndata(data: Dataset | AnnData) -> AnnData:
    return dataset_to_anndata(data) if isinstance(data, Dataset) else data


@dataclass(frozen=True)
class _One:
    """A matrix with its names, (n_obs, n_vars)."""

    expression: Any
    obs_names: Names
    var_names: Names


def _as_matrix(data: Dataset | AnnData) -> tuple[_One, list[str]]:
    """The one matrix of the data, its values as they are, and what a format that holds nothing else loses."""
    dataset: Dataset | Found
    if isinstance(data, Dataset):
        dataset, more = data, []
    else:
        dataset = found_in_anndata(data)
        taken = str(dataset.facts["matrix"])
        others = [f"layers[{name!r}]" for name in data.layers] + ["X"] + ([".raw"] if data.raw is not None else [])
        more = [f"the other matrices ({listed(rest)})"] if (rest := [name for name in others if name != taken]) else []
        if len(data.obsp):
            more.append(f"the graphs of the cells ({listed(data.obsp)})")
    lost = ["the labels of the cells"] if isinstance(dataset, Dataset) and dataset.truth is not None else []
    if dataset.obs is not None and len(dataset.obs.columns):
        lost.append(f"the cell annotation ({listed(dataset.obs.columns)})")
    if dataset.var is not None and len(dataset.var.columns):
        lost.append(f"the gene annotation ({listed(dataset.var.columns)})")
    if dataset.obsm:
        lost.append(f"the embeddings ({listed(dataset.obsm)})")
    return _One(dataset.expression, dataset.obs_names, dataset.var_names), lost + more


def _write_text(data: _One, path: Path) -> None:
    genes_by_cells = sp.csr_matrix(data.expression.T) if sp.issparse(data.expression) else data.expression.T
    separator = "\t" if ".tsv" in path.name.lower() else ","
    with whole_file(path) as temporary:
        plain = temporary.with_name(temporary.name + ".plain") if path.suffix == ".gz" else temporary
        try:
            write_matrix(plain, genes_by_cells, data.var_names, data.obs_names, corner="gene", separator=separator)
            if plain is not temporary:
                with open(plain, "rb") as source, gzip.open(temporary, "wb", compresslevel=6) as target:
                    shutil.copyfileobj(source, target)
        finally:
            if plain is not temporary:
                plain.unlink(missing_ok=True)


# ---------------------------------------------------------------------------------------------------- R


def _write_r(data: Dataset | AnnData, path: Path, r_class: str) -> list[str]:
    from scgnn2_engine.io.r.serialisation import write_rdata, write_rds

    if r_class == "sce":
        from scgnn2_engine.io.r.serialisation import parse
        from scgnn2_engine.io.r.session import sce_bytes

        named, renamed = with_unique_names(_as_anndata(data))
        serialised, lost = sce_bytes(named)
        lost = renamed + lost
        obj: Any = parse(serialised)[""]
    elif r_class == "seurat":
        from scgnn2_engine.io.r.into_seurat import into_seurat

        named, renamed = with_unique_names(_as_anndata(data))
        obj, lost = into_seurat(named)
        lost = renamed + lost
    else:
        one, lost = _as_matrix(data)
        obj = _BUILDERS[r_class](one)
    with whole_file(path) as temporary:
        if path.name.lower().endswith(".rds"):
            write_rds(temporary, obj)
        else:
            write_rdata(temporary, {_NAMES[r_class]: obj})
    return lost


def _sparse(data: _One) -> Any:
    from scgnn2_engine.io.r.build import dgcmatrix

    return dgcmatrix(sp.csr_matrix(data.expression).T, list(data.var_names), list(data.obs_names))


def _dense(data: _One) -> Any:
    from scgnn2_engine.io.r.build import matrix

    return matrix(_genes_by_cells(data), list(data.var_names), list(data.obs_names))


def _frame(data: _One) -> Any:
    from scgnn2_engine.io.r.build import data_frame

    return data_frame(pd.DataFrame(_genes_by_cells(data), index=data.var_names, columns=data.obs_names))


def _genes_by_cells(data: _One) -> np.ndarray[Any, Any]:
    """R's dense matrices are of doubles: asked for by name, and refused where they do not fit."""
    require_memory(20.0 * len(data.obs_names) * len(data.var_names), "A dense matrix of R (dgCMatrix stays sparse)")
    x: Any = data.expression
    return np.asarray(x.toarray() if sp.issparse(x) else x, dtype=np.float64).T


_BUILDERS: dict[str, Callable[[_One], Any]] = {"dgCMatrix": _sparse, "matrix": _dense, "data.frame": _frame}
