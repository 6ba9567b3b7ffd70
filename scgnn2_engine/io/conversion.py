"""Read one format, write another, and say what was lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.io.evidence.annotation_axes import counter_rows, no_expression
from scgnn2_engine.io.exporting import check_writable, dataset_to_anndata, export, holds_layers
from scgnn2_engine.io.formats import format_of
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.readers.h5ad import found_in_anndata
from scgnn2_engine.io.route import read
from scgnn2_engine.io.samples.given import Data, samples_of
from scgnn2_engine.params import LoadParams, RunParams

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Attributes
    ----------
    n_obs, n_vars
        Cells and genes written.
    notes
        How the source was understood, as sentences.
    lost
        What was not carried over, as phrases.
    """

    n_obs: int
    n_vars: int
    notes: tuple[str, ...]
    lost: tuple[str, ...]


def convert(source: Data, out: str | Path, *, load: LoadParams | None = None, r_class: str = "") -> Conversion:
    """Read anything that :func:`read` reads and write it as anything that :func:`export` writes.

    Objects that hold more than a matrix (h5ad, Seurat, SingleCellExperiment) are carried over whole, as far as the
    other format has room; with ``load.layer`` only that matrix and what is known of its cells and genes. Their values
    stay as they are, in double precision.

    Parameters
    ----------
    source, out
        Where from, several samples included, and where to.
    load
        How to read it.
    r_class
        What an R file shall hold; see :func:`export`.

    Raises
    ------
    ScgnnError
        As :func:`read` and :func:`export` do; an unusable ``out`` is refused before anything is read.

    Examples
    --------
    >>> import tempfile
    >>> from scgnn2_engine.data.simulation import simulate
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = export(simulate(n_obs=20, n_vars=10, n_types=2, seed=0), folder / "a.h5ad")
    >>> convert(folder / "a.h5ad", folder / "a.csv").lost
    ('the cell annotation (cell_type)',)
    """
    out = Path(out)
    check_writable(out, r_class)
    load = load or RunParams().load
    notes: tuple[str, ...] = ()
    samples = samples_of(source, load)
    path = samples[0].data if len(samples) == 1 else None
    form = format_of(path) if isinstance(path, Path) else None
    data: Dataset | AnnData
    if form is None or form.whole is None or not isinstance(path, Path):
        data, lost = read(source, load, as_stored=len(samples) == 1), []  # samples are joined on one scale
        notes, scale = (*data.notes, *data.warnings), data.scale
        data, others = _with_others(data, source, load, out, r_class)
        lost += others
        if scale != "counts":
            lost.append("digits beyond single precision (tables of text are read as float32)")
    else:
        data, notes, lost = form.whole(path, load)
        if load.layer:
            data = _one_layer(data, load.layer)
        data, left_out = _expression_only(data)
        notes = (*notes, *left_out)
    lost += export(data, out, r_class=r_class)
    return Conversion(data.n_obs, data.n_vars, notes, tuple(lost))


def _with_others(
    data: Dataset, source: Data, load: LoadParams, out: Path, r_class: str
) -> tuple[Dataset | AnnData, list[str]]:
    """The data with the other matrices over the same cells and genes as layers, and phrases on what has no place."""
    flag = "--load_layer "
    others = [name.removeprefix(flag) for name in data.facts.get("alternatives", {}) if name.startswith(flag)]
    if load.layer or not others:
        return data, []
    if not holds_layers(out, r_class):
        return data, [f"the other matrices ({listed(others)})"]
    adata, lost = dataset_to_anndata(data), []
    for name in others:
        other = read(source, load.replace(layer=name), as_stored=True)
        if adata.obs_names.equals(pd.Index(other.obs_names)) and adata.var_names.equals(pd.Index(other.var_names)):
            adata.layers[name] = other.expression
        else:
            lost.append(f"the matrix {name} (of other cells or genes)")
    return adata, lost


def _one_layer(adata: AnnData, layer: str) -> AnnData:
    """The AnnData with one of its matrices as X and no other."""
    from anndata import AnnData

    found = found_in_anndata(adata, layer=layer)
    kept = AnnData(found.expression, obs=found.obs, var=found.var, obsm=dict(found.obsm))
    kept.uns |= found.uns
    return kept


def _expression_only(adata: AnnData) -> tuple[AnnData, tuple[str, ...]]:
    """The AnnData without what is no cell or no gene, which the sentences name."""
    if adata.X is None:
        return adata, ()
    left = no_expression(adata.X, adata.obs_names.to_numpy(), adata.var_names.to_numpy())
    if left.nothing:
        return adata, left.warnings
    kept = adata[left.cells, left.genes].copy()
    if adata.raw is not None:
        counters = set(counter_rows(adata.raw.var_names.to_numpy()))
        kept.raw = kept.raw[:, [at for at in range(adata.raw.n_vars) if at not in counters]].to_adata()
    return kept, left.warnings
