"""What a run leaves on disk at its end, and after every iteration."""

from __future__ import annotations

import importlib.resources
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from scgnn2_engine.data.blocks import as_blocks
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import PartialOutputError
from scgnn2_engine.io.atomic import staged_files, whole_file
from scgnn2_engine.io.csv_writing import write_edges, write_frame, write_matrix
from scgnn2_engine.io.memory import stored_entries
from scgnn2_engine.io.results.answers import add_answers, stored_answers, writes_csv
from scgnn2_engine.io.results.records import json_text
from scgnn2_engine.io.results.result_folder import (
    FIGURES,
    INTERMEDIATE,
    INTERMEDIATE_FILES,
    MODEL,
    PREPROCESSED,
    PREPROCESSED_EXPRESSION,
    RECORD,
    RESULT,
    SEURAT,
    SEURAT_SCRIPT,
    earlier_files,
    earlier_result,
    expected_size,
    require_room,
)
from scgnn2_engine.io.results.result_tables import frames, table_writers, write_embedding, write_imputed
from scgnn2_engine.io.results.to_anndata import result_to_anndata
from scgnn2_engine.io.states import write_states
from scgnn2_engine.io.storage.storing import is_of_the_disk, reason_of, write_h5ad
from scgnn2_engine.params import RunParams
from scgnn2_engine.results.result import Result
from scgnn2_engine.results.state import LoopState


def write(result: Result, directory: str | Path, *, params: RunParams, overwrite: bool = False) -> list[Path]:
    """Write a result; its files appear together, or the folder is as it was.

    A file that cannot be made never takes the others with it: they are written, ``run.json`` names the missing one
    under ``not_written``, and :class:`PartialOutputError` says why. Only where an earlier result would be replaced and
    the disk is full does the earlier one stay instead.

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
    PartialOutputError
        Some of the files could not be written; all others are there.
    OutputError
        The folder holds a result and ``overwrite`` is off, cannot be written, or the disk is full.
    """
    directory = Path(directory)
    earlier = earlier_files(directory)
    if earlier and not overwrite:
        raise earlier_result(directory, earlier)
    stale = earlier if params.output.figures else earlier + FIGURES
    attempt = _Attempts(give_up_on_a_full_disk=bool(earlier))
    with staged_files(directory, last=RECORD, stale=stale) as staging:
        n_obs, n_vars = result.prepared.n_obs, result.prepared.n_vars
        every = result.source if result.source is not None and result.source.n_vars > n_vars else None
        n_stored = 0 if every is None else stored_entries(every.expression)
        require_room(directory, expected_size(n_obs, n_vars, params, n_stored=n_stored))
        for name, make in table_writers(result, imputed=writes_csv(n_obs * n_vars, params.output)):
            attempt(make, staging / name)
        attempt(partial(_write_h5ad, result, stored_answers(result, params.output)[0]), staging / RESULT)
        if result.model is not None:
            attempt(result.model.write, staging / MODEL)
        if params.output.preprocessed:
            _write_preprocessed(result.prepared, staging, params, attempt)
        if params.output.rdata:
            for name, frame in frames(result):
                attempt(partial(_write_rdata, frame=frame), staging / f"{name}.RData")
        if params.output.seurat:
            attempt(partial(_write_seurat, result), staging / SEURAT)
            attempt(_write_seurat_script, staging / SEURAT_SCRIPT)
        write_record(result, staging, attempt.failed)
        written = sorted(file.relative_to(staging) for file in staging.rglob("*") if file.is_file())
    if attempt.failed:
        raise PartialOutputError(attempt.failed)
    return [directory / file for file in written]


def write_record(result: Result, directory: Path, not_written: Mapping[str, str]) -> None:
    """Write ``run.json``: the record of the run, and which of its files could not be written and why."""
    record = dict(result.record) | ({"not_written": dict(not_written)} if not_written else {})
    with whole_file(directory / RECORD) as temporary:
        temporary.write_text(json_text(record), encoding="utf-8")


class _Attempts:
    """Makes files one by one; what fails is remembered and leaves nothing half-written behind."""

    def __init__(self, *, give_up_on_a_full_disk: bool) -> None:
        self.failed: dict[str, str] = {}
        self._give_up = give_up_on_a_full_disk

    def __call__(self, make: Callable[[Path], object], path: Path, name: str = "") -> None:
        try:
            make(path)
        except Exception as error:  # whatever it is, the other files must not go with it
            if self._give_up and is_of_the_disk(error):
                raise
            path.unlink(missing_ok=True)
            self.failed[name or path.name] = reason_of(error)


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
        write_imputed(staging / "imputed.csv", as_blocks(state.imputed).map(prepared.to_output_scale), prepared)
        write_frame(staging / "labels.csv", pd.DataFrame({"cell": names, "cluster": state.labels}))
        for kind, embedding in (
            ("graph", state.graph_embedding),
            ("feature", state.feature_embedding),
            ("clustering", state.clustering_embedding),
        ):
            write_embedding(staging, kind, embedding, names)
        write_edges(staging / "graph_edgeList.csv", state.graph.adjacency(weighted=True), names)
        np.savez(staging / "feature_weights.npz", allow_pickle=False, **dict(state.fit.weights))
    return [folder / name for name in INTERMEDIATE_FILES]


def _write_h5ad(result: Result, answers: list[str], path: Path) -> None:
    said = write_h5ad(result_to_anndata(result, ()), path)  # of what it changes the run has told before it trained
    add_answers(path, result, answers)
    if said.left_out:
        logging.getLogger("scgnn2_engine").warning("Not stored in %s: %s.", RESULT, "; ".join(said.left_out))


def _write_rdata(path: Path, frame: pd.DataFrame) -> None:
    """A table in the published form: one data frame named ``df``."""
    from scgnn2_engine.io.r.build import data_frame
    from scgnn2_engine.io.r.serialisation import write_rdata

    write_rdata(path, {"df": data_frame(frame)})


def _write_seurat(result: Result, path: Path) -> None:
    from scgnn2_engine.io.r.into_seurat import into_seurat
    from scgnn2_engine.io.r.serialisation import write_rds

    write_rds(path, into_seurat(result_to_anndata(result))[0])


def _write_seurat_script(path: Path) -> None:
    """The script that builds the same object in R."""
    script = importlib.resources.files("scgnn2_engine.io.r").joinpath(SEURAT_SCRIPT)
    path.write_text(script.read_text(encoding="utf-8"), encoding="utf-8")


def _write_preprocessed(prepared: Prepared, folder: Path, params: RunParams, attempt: _Attempts) -> None:
    """The filtered matrix (genes x cells) under the benchmark's names, so the folder can be loaded as one."""
    (folder / PREPROCESSED).mkdir()

    def matrix(path: Path) -> None:
        write_matrix(path, prepared.expression.T, prepared.var_names, prepared.obs_names, corner="gene")

    attempt(matrix, folder / PREPROCESSED_EXPRESSION, PREPROCESSED_EXPRESSION)
    if params.run_LTMG and prepared.states is not None:
        name = f"{PREPROCESSED}/LTMG_{float(params.dropout_prob)}.csv"
        states, cells, genes = prepared.states, prepared.obs_names, prepared.var_names
        attempt(lambda path: write_states(path, states, cells, genes), folder / name, name)
