"""What could fail at the end of a run, tried before it trains: the annotation is written to a scratch file."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.io.atomic import STAGING_PREFIX, output_error
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.results.result_folder import RESULT, SEURAT
from scgnn2_engine.io.results.to_anndata import annotation_of, cluster_categories
from scgnn2_engine.io.storage.storing import is_of_the_disk, reason_of, write_h5ad

if TYPE_CHECKING:
    from anndata import AnnData

_NAMED = 20


def changes_in_the_result(prepared: Prepared, dataset: Dataset) -> tuple[list[str], list[str]]:
    """Sentences on what came with the data and ``result.h5ad`` holds in another form (notes), or not (warnings)."""
    said = annotation_of(prepared, _without_values(dataset), raw=True)[1]
    notes = [f"Changed in {RESULT}: {listed(dict.fromkeys(said.changed), _NAMED)}."] if said.changed else []
    return notes, _not_in(RESULT, said.left_out)


def try_to_write(prepared: Prepared, dataset: Dataset, folder: Path, *, seurat: bool) -> list[str]:
    """Write the annotation that will go into a result to a scratch file, and remove it.

    Parameters
    ----------
    prepared, dataset
        What the run trains on, and what was read.
    folder
        The output folder.
    seurat
        Whether ``seurat.rds`` is asked for: then its annotation is made as well.

    Returns
    -------
    list of str
        Warnings on what the files of the result will not hold.

    Raises
    ------
    OutputError
        The disk does not take it.
    """
    warnings = _tried_h5ad(annotation_of(prepared, _without_values(dataset), raw=True)[0], folder)
    return warnings + (_tried_seurat(prepared, dataset) if seurat else [])


def _without_values(dataset: Dataset) -> Dataset:
    """The data set with empty matrices in place of those that h5ad takes in any case."""

    def light(items: Mapping[str, Any], shape: tuple[int, int]) -> dict[str, Any]:
        empty = sp.csr_matrix(shape, dtype=np.float32)
        return {key: empty if _is_of_numbers(values) else values for key, values in items.items()}

    n_obs, n_vars = dataset.n_obs, dataset.n_vars
    return replace(
        dataset,
        obsm=light(dataset.obsm, (n_obs, 1)),
        varm=light(dataset.varm, (n_vars, 1)),
        obsp=light(dataset.obsp, (n_obs, n_obs)),
    )


def _is_of_numbers(values: Any) -> bool:
    kind = getattr(getattr(values, "dtype", None), "kind", "O")
    return kind in "biuf" and not isinstance(values, np.ma.MaskedArray | pd.DataFrame | pd.Series)


def _tried_h5ad(adata: AnnData, folder: Path) -> list[str]:
    scratch = folder / f"{STAGING_PREFIX}trial-{secrets.token_hex(4)}"
    try:
        scratch.mkdir()
        return _not_in(RESULT, write_h5ad(adata, scratch / RESULT).left_out)
    except OSError as error:
        if is_of_the_disk(error):
            raise output_error(folder, error) from error
        return [f"{RESULT} will be missing: {reason_of(error)}."]
    except Exception as error:
        return [f"{RESULT} will be missing: {reason_of(error)}."]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _tried_seurat(prepared: Prepared, dataset: Dataset) -> list[str]:
    """The conversion with matrices that hold nothing."""
    from scgnn2_engine.io.r.into_seurat import into_seurat

    adata, _ = annotation_of(prepared, dataset, raw=True)
    nothing = sp.csr_matrix((prepared.n_obs, prepared.n_vars), dtype=np.float32)
    adata.X = adata.layers["scgnn2_imputed"] = nothing
    adata.obs["scgnn2_cluster"] = cluster_categories(np.zeros(prepared.n_obs, dtype=int))
    adata.uns["scgnn2"] = {"scale_of_X": prepared.scale}
    try:
        lost = into_seurat(adata)[1]
    except Exception as error:
        return [f"{SEURAT} will be missing: {reason_of(error)}."]
    return _not_in(SEURAT, [phrase for phrase in lost if not phrase.startswith('"_"')])  # a notice of its own says that


def _not_in(file: str, phrases: list[str]) -> list[str]:
    return [f"Not in {file}: {listed(phrases, _NAMED)}."] if phrases else []
