"""The output folder: what a run leaves on disk.

A folder is complete when it holds ``run.json``, which arrives last. ``events.jsonl`` and ``intermediate/`` are written
while the run goes on, everything else at its end, all of it or none.
"""

from __future__ import annotations

import importlib.resources
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scgnn2_engine.errors import OutputError
from scgnn2_engine.io.atomic import STAGING_PREFIX, output_error, remove_files, staged_files, whole_file
from scgnn2_engine.io.memory import stored_entries
from scgnn2_engine.io.records import json_text
from scgnn2_engine.io.result_tables import BULK_TABLES, EVALUATION_TABLES, TABLES, frames, write_embedding, write_tables
from scgnn2_engine.io.states import write_states
from scgnn2_engine.io.tables import SIX_DIGITS, write_edges, write_frame, write_matrix
from scgnn2_engine.io.to_anndata import result_to_anndata, write_h5ad
from scgnn2_engine.loop_state import LoopState
from scgnn2_engine.params import RunParams
from scgnn2_engine.types import Prepared, Result

if TYPE_CHECKING:
    from anndata import AnnData

RECORD = "run.json"
EVENTS = "events.jsonl"
SEURAT, SEURAT_SCRIPT = "seurat.rds", "to_seurat.R"
PREPROCESSED = "preprocessed_data"
PREPROCESSED_EXPRESSION = f"{PREPROCESSED}/original_top_expression.csv"
INTERMEDIATE = "intermediate"
FIGURES = tuple(
    f"figures/{name}.{kind}"
    for name in ("graph", "heatmap", "sankey", "curves", "diagnostics")
    for kind in ("html", "png")
)
INTERMEDIATE_FILES = (
    "imputed.csv",
    "labels.csv",
    "graph_embedding.csv",
    "graph_edgeList.csv",
    "feature_embedding.csv",
    "clustering_embedding.csv",
    "feature_weights.npz",
)
SPARE_BYTES = 16 * 2**20


def claim_directory(directory: str | Path, overwrite: bool = False, *, expected_bytes: int = 0) -> Path:
    """Make sure, before a run starts, that its result can be written where it shall go.

    Nothing is removed: a run whose input turns out to be unusable leaves an earlier result as it was. What must go is
    removed by :func:`clear_directory` when the run begins to train, and by :func:`write`.

    Parameters
    ----------
    directory
        The output folder; made if it is not there.
    overwrite
        Allow a folder that holds an earlier result.
    expected_bytes
        Size of what will be written (:func:`expected_size`); the free disk must hold it.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        The folder holds a result already, cannot be written to, or its disk has too little room.

    Examples
    --------
    >>> import tempfile
    >>> claim_directory(tempfile.mkdtemp()).is_dir()
    True
    """
    directory = Path(directory)
    found = result_files(directory)
    if found and not overwrite:
        raise _refusal(directory, found)
    with whole_file(directory / f"{STAGING_PREFIX}probe") as probe:
        probe.write_text("may this user write here?")
    (directory / f"{STAGING_PREFIX}probe").unlink()
    require_room(directory, expected_bytes)
    return directory


def clear_directory(directory: str | Path) -> None:
    """Remove from a claimed folder what a new run streams into or draws again.

    These are an earlier run's ``events.jsonl``, ``intermediate/`` and figures; its tables stay until :func:`write`
    replaces them, so a run that fails loses none of them.

    Raises
    ------
    OutputError
        A file cannot be removed.

    Examples
    --------
    >>> import tempfile
    >>> clear_directory(tempfile.mkdtemp())
    """
    directory = Path(directory)
    try:
        remove_files(directory, _files_made_outside_write(directory))
        for abandoned in directory.glob(f"{STAGING_PREFIX}*"):
            shutil.rmtree(abandoned)
    except OSError as error:
        raise output_error(directory, error) from error


def result_files(directory: str | Path) -> tuple[str, ...]:
    """What makes a folder that of an earlier result; the log of a run that came to nothing does not."""
    others = _files_made_outside_write(Path(directory))
    return earlier_files(directory) + tuple(name for name in others if name != EVENTS)


def write(result: Result, directory: str | Path, *, params: RunParams, overwrite: bool = False) -> list[Path]:
    """Write a result; either all files are there afterwards or the folder is as it was.

    Parameters
    ----------
    result
        A finished run.
    directory
        The output folder.
    params
        Its ``output_*`` switches say what is written beside the standard files; ``run_LTMG`` and ``dropout_prob``
        name the states file.
    overwrite
        Replace an earlier result and remove those of its files that this one does not have. Files that this program
        does not write are never touched, nor are ``events.jsonl`` and ``intermediate/`` (see
        :func:`claim_directory`); figures are removed when ``output_figures`` is off, since they would show another
        result.

    Returns
    -------
    list of Path
        The files written, sorted. With bulk expression ``deconvolution.csv`` (weights of the clusters),
        ``deconvolution_genes.csv`` (scaling and cluster profiles of the shared genes) and, by method shares,
        ``deconvolution_samples.csv`` (shares of the clusters in every sample) are among them.

    Raises
    ------
    OutputError
        The folder holds a result and ``overwrite`` is off, cannot be written, or the disk is full.
    """
    directory = Path(directory)
    earlier = earlier_files(directory)
    if earlier and not overwrite:
        raise _refusal(directory, earlier)
    stale = earlier if params.output.figures else earlier + FIGURES
    with staged_files(directory, last=RECORD, stale=stale) as staging:
        n_obs, n_vars = result.prepared.n_obs, result.prepared.n_vars
        every = result.source if result.source is not None and result.source.n_vars > n_vars else None
        n_stored = 0 if every is None else stored_entries(every.expression)
        require_room(directory, expected_size(n_obs, n_vars, params, n_stored=n_stored))
        write_tables(result, staging)
        adata = result_to_anndata(result)
        write_h5ad(adata, staging / "result.h5ad")
        if params.output.preprocessed:
            _write_preprocessed(result.prepared, staging, params)
        if params.output.rdata:
            _write_rdata(result, staging)
        if params.output.seurat:
            _write_seurat(adata, staging)
        (staging / RECORD).write_text(json_text(result.record), encoding="utf-8")
        written = sorted(file.relative_to(staging) for file in staging.rglob("*") if file.is_file())
    return [directory / file for file in written]


def write_intermediate(state: LoopState, prepared: Prepared, directory: str | Path) -> list[Path]:
    """Write the state of one iteration to ``intermediate/iteration_<i>/``.

    Parameters
    ----------
    state
        The state of a complete iteration.
    prepared
        What was trained on: names and size factors.
    directory
        The output folder of the run.

    Returns
    -------
    list of Path
        The tables, of the same form as the final ones, and ``feature_weights.npz``: the feature autoencoder's
        parameters by name.

    Raises
    ------
    OutputError
        A file cannot be written, or the disk is full.
    ValueError
        The state is that before the loop.
    """
    if state.labels is None or state.imputed is None or state.clustering_embedding is None:
        raise ValueError("expected the state of an iteration, found the state before the loop")
    folder = Path(directory) / INTERMEDIATE / f"iteration_{state.iteration}"
    names = prepared.obs_names
    with staged_files(folder, last="labels.csv") as staging:
        write_matrix(
            staging / "imputed.csv",
            prepared.to_output_scale(state.imputed),
            names,
            prepared.var_names,
            number=SIX_DIGITS,
        )
        write_frame(staging / "labels.csv", pd.DataFrame({"cell": names, "cluster": state.labels}))
        for kind, embedding in (
            ("graph", state.graph_embedding),
            ("feature", state.feature_embedding),
            ("clustering", state.clustering_embedding),
        ):
            write_embedding(staging, kind, embedding, names)
        write_edges(staging / "graph_edgeList.csv", state.graph.adjacency(weighted=True), names)
        np.savez(staging / "feature_weights.npz", allow_pickle=False, **dict(state.feature_weights))
    return [folder / name for name in INTERMEDIATE_FILES]


def expected_size(n_obs: int, n_vars: int, params: RunParams, *, n_iterations: int = 0, n_stored: int = 0) -> int:
    """Bytes a result will take on disk, from above.

    Parameters
    ----------
    n_obs, n_vars
        Cells and genes that are kept (before filtering: as read, with at most ``preprocess_top_gene_select`` genes).
    params
        The ``output_*`` switches.
    n_iterations
        Iterations whose states will be written with ``output_intermediate``.
    n_stored
        Non-zero entries of all genes of the input, where they are kept beside the chosen ones.

    Examples
    --------
    >>> round(expected_size(6940, 2000, RunParams()) / 2**20)
    596
    """
    entries = n_obs * n_vars
    text = 10 * entries + 200 * 12 * n_obs  # "0.123456," per value; embeddings, names and edges of a cell
    total = text + 20 * entries + 40 * 31 * n_obs  # h5ad: X, counts (8 bytes each at most) and the imputed values
    total += 8 * n_stored
    if params.feature_AE.objective == "denoise":
        total += (12 if params.feature_AE.count_weight > 0 else 8) * entries  # rate, expected and zeros_kept
    if params.output.preprocessed:
        total += 12 * entries
    if params.output.rdata:
        total += 9 * entries + 200 * 12 * n_obs
    if params.output.seurat:
        total += 9 * entries + 8 * n_stored + 40 * 31 * n_obs + 400 * (n_obs + n_vars)
    if params.output.intermediate:
        total += n_iterations * text
    return total + SPARE_BYTES


def earlier_files(directory: str | Path) -> tuple[str, ...]:
    """The files of an earlier result in a folder, those written at the end of a run, relative to it."""
    directory = Path(directory)
    known = [f"{name}.{kind}" for name in TABLES + BULK_TABLES + EVALUATION_TABLES for kind in ("csv", "RData")]
    known += ["result.h5ad", SEURAT, SEURAT_SCRIPT, RECORD, PREPROCESSED_EXPRESSION]
    states = sorted(directory.glob(f"{PREPROCESSED}/LTMG_*.csv"))
    return tuple(name for name in known if (directory / name).is_file()) + tuple(
        path.relative_to(directory).as_posix() for path in states
    )


def _files_made_outside_write(directory: Path) -> tuple[str, ...]:
    folders = sorted(directory.glob(f"{INTERMEDIATE}/iteration_*"))
    names = [EVENTS, *FIGURES]
    names += [f"{INTERMEDIATE}/{folder.name}/{name}" for folder in folders for name in INTERMEDIATE_FILES]
    return tuple(name for name in names if (directory / name).is_file())


def _refusal(directory: Path, found: tuple[str, ...]) -> OutputError:
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return OutputError(
        f"{directory} holds an earlier result.",
        expected="a new or empty folder",
        found=", ".join(found[:3]) + more,
        advice="Choose another output_dir, or add --overwrite (overwrite=True) to replace it.",
    )


def require_room(directory: str | Path, expected_bytes: int) -> None:
    """Refuse to go on when the disk of a folder has too little room for what will be written there.

    Raises
    ------
    OutputError
        Less than ``expected_bytes`` is free.

    Examples
    --------
    >>> import tempfile
    >>> require_room(tempfile.mkdtemp(), 1000)
    """
    free = shutil.disk_usage(directory).free
    if free < max(expected_bytes, SPARE_BYTES):
        raise OutputError(
            f"The disk of {directory} has too little room.",
            expected=f"{max(expected_bytes, SPARE_BYTES) / 2**20:,.0f} MiB free",
            found=f"{free / 2**20:,.0f} MiB",
            advice="Free some space or choose another output_dir.",
        )


def _write_rdata(result: Result, folder: Path) -> None:
    """Every table in the published form: one data frame named ``df``."""
    from scgnn2_engine.io.r.build import data_frame
    from scgnn2_engine.io.r.serialisation import write_rdata

    for name, frame in frames(result):
        write_rdata(folder / f"{name}.RData", {"df": data_frame(frame)})


def _write_seurat(adata: AnnData, folder: Path) -> None:
    """The result as a Seurat object, and the script that builds the same in R."""
    from scgnn2_engine.io.r.into_seurat import into_seurat
    from scgnn2_engine.io.r.serialisation import write_rds

    write_rds(folder / SEURAT, into_seurat(adata)[0])
    script = importlib.resources.files("scgnn2_engine.io.r").joinpath(SEURAT_SCRIPT)
    (folder / SEURAT_SCRIPT).write_text(script.read_text(encoding="utf-8"), encoding="utf-8")


def _write_preprocessed(prepared: Prepared, folder: Path, params: RunParams) -> None:
    """The filtered matrix (genes x cells) under the benchmark's names, so the folder can be loaded as one."""
    (folder / PREPROCESSED).mkdir()
    write_matrix(
        folder / PREPROCESSED_EXPRESSION, prepared.expression.T, prepared.var_names, prepared.obs_names, corner="gene"
    )
    if params.run_LTMG and prepared.states is not None:
        write_states(
            folder / PREPROCESSED / f"LTMG_{float(params.dropout_prob)}.csv",
            prepared.states,
            prepared.obs_names,
            prepared.var_names,
        )
