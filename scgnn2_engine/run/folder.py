"""A run with a folder: events on disk as they happen, results when it is over."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import MissingPackageError, OutputError, PartialOutputError
from scgnn2_engine.events import (
    DataPrepared,
    Event,
    IterationEnded,
    Notice,
    RunEnded,
    RunFailed,
    RunStarted,
    StageEnded,
    StageStarted,
    Stop,
    never,
)
from scgnn2_engine.io import (
    EventLog,
    claim_directory,
    clear_directory,
    expected_size,
    interrupted_run,
    require_room,
    result_files,
    stored_entries,
    try_to_write,
    write,
    write_intermediate,
    write_record,
)
from scgnn2_engine.io.results.answers import stored_answers, writes_csv
from scgnn2_engine.io.results.folder_lock import held
from scgnn2_engine.params import RunParams
from scgnn2_engine.plots import draw_figures, umap_positions
from scgnn2_engine.resources import PeakMemory
from scgnn2_engine.results.result import Result
from scgnn2_engine.run.checkpoint import FolderCheckpoints
from scgnn2_engine.run.loop import iterate

if TYPE_CHECKING:
    from scgnn2_engine.io.samples.given import Data
    from scgnn2_engine.training.ranks import Ranks
    from scgnn2_engine.training.tasks import DaskTasks


def iterate_to_folder(
    data: Data | None = None,
    params: RunParams | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
    stop: Stop = never,
    ranks: Ranks | None = None,
    tasks: DaskTasks | None = None,
) -> Generator[Event, None, Result]:
    """Run scGNN 2.0 and write everything to ``params.output.dir``.

    Parameters
    ----------
    data, params, stop, ranks, tasks
        As for :func:`scgnn2_engine.iterate`.
    overwrite
        Replace a result that is already in the folder; without it such a folder is refused before anything starts.
        A run that was interrupted there is begun anew.
    resume
        Go on with the run that was interrupted there, where there is one.

    Yields
    ------
    Event
        The run's events, then the stage ``output``. Each is appended to ``events.jsonl`` before it is yielded. A file
        that cannot be written takes no other with it: a warning says why, and ``RunEnded.not_written`` and ``run.json``
        name it.

    Raises
    ------
    OutputError
        The folder holds a result, another run is at work there, it cannot be written, or the disk is full.
    ScgnnError
        Whatever ended the run; ``events.jsonl`` then ends with ``RunFailed``, unless the input was unusable and the
        folder holds an earlier result, which stays as it was.
    """
    params = (params or RunParams()).snapshot()
    with held(params.output.dir):
        return (yield from _alone(data, params, overwrite, resume, stop, ranks, tasks))


def _alone(
    data: Data | None,
    params: RunParams,
    overwrite: bool,
    resume: bool,
    stop: Stop,
    ranks: Ranks | None,
    tasks: DaskTasks | None,
) -> Generator[Event, None, Result]:
    """The run, in a folder that no other run writes to."""
    folder = Path(params.output.dir)
    if interrupted_run(folder) and not (resume or overwrite):
        raise OutputError(
            f"{folder} holds a run that was interrupted.",
            advice="Go on with it: --resume. Begin anew: --overwrite.",
        )
    folder = claim_directory(folder, overwrite=overwrite or resume)
    checkpoints = FolderCheckpoints(folder, params, resume=resume)
    with closing(_Log(folder)) as log:
        result: Result | None = None
        try:
            for event in _steps(data, params, folder, stop, checkpoints, ranks, tasks):
                log.append(event)
                if isinstance(event, RunEnded):
                    result = event.result
                yield event
        except BaseException as error:  # whatever ends it, nothing may look as if the run still went on
            if result is None:
                with suppress(OSError, OutputError):
                    log.append(RunFailed(type(error).__name__, str(error)))
            raise
    if result is None:
        raise RuntimeError("a run ended without its result")
    return result


class _Log:
    """The event log of a run; where an earlier result stands it waits until the input has proved usable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: list[Event] = []
        self._log: EventLog | None = None
        if not result_files(folder):
            self._begin()

    def _begin(self) -> None:
        clear_directory(self._folder)
        self._log = EventLog(self._folder / "events.jsonl")
        for event in self._waiting:
            self._log.append(event)

    def append(self, event: Event) -> None:
        if self._log is not None:
            self._log.append(event)
            return
        self._waiting.append(event)
        if isinstance(event, StageStarted) and event.stage not in ("load", "preprocess"):
            self._begin()

    def close(self) -> None:
        if self._log is not None:
            self._log.close()


def _steps(
    data: Data | None,
    params: RunParams,
    folder: Path,
    stop: Stop,
    checkpoints: FolderCheckpoints,
    ranks: Ranks | None,
    tasks: DaskTasks | None,
) -> Generator[Event, None, None]:
    """The run's events with ``RunEnded`` held back until every file is written."""
    with closing(iterate(data, params, stop=stop, checkpoints=checkpoints, ranks=ranks, tasks=tasks)) as run:
        for event in run:
            if isinstance(event, RunEnded):
                yield from _output(event, params, folder, stop)
                checkpoints.remove()
                return
            if isinstance(event, RunStarted):
                n_genes = event.n_vars
            if isinstance(event, DataPrepared):
                prepared = event.prepared
                require_room(folder, _expected_size(prepared, n_genes, params))
                yield from _tried(event, folder, params)
            if isinstance(event, IterationEnded) and params.output.intermediate:
                write_intermediate(event.state, prepared, folder)
            yield event


def _tried(event: DataPrepared, folder: Path, params: RunParams) -> Generator[Event, None, None]:
    """What could fail at the end fails now, where it costs nothing."""
    if event.dataset is not None:
        for warning in try_to_write(event.prepared, event.dataset, folder, seurat=params.output.seurat):
            yield Notice(warning, "warning", "output")


def _not_stored(result: Result, params: RunParams) -> Generator[Event, None, None]:
    n_values = result.prepared.n_obs * result.prepared.n_vars
    if params.output.csv == "auto" and not writes_csv(n_values, params.output):
        yield Notice.of("csv_left_out", n=n_values)
    if sentence := stored_answers(result, params.output)[1]:
        yield Notice(sentence, "info" if params.output.layers == "auto" else "warning", "output")


def _renamed(result: Result) -> Generator[Event, None, None]:
    source = result.source
    names = (
        []
        if source is None or isinstance(source.uns.get("seurat"), Mapping)
        else [name for name in source.var_names if {"_", "|"} & set(name)]
    )
    if names:
        yield Notice.of("renamed_for_seurat", n=len(names), first=str(names[0]))


def _expected_size(prepared: Prepared, n_genes: int, params: RunParams) -> int:
    """Bytes on disk from above: the genes that were left out are at most as full as those that were kept."""
    stored = stored_entries(prepared.expression)
    return expected_size(
        prepared.n_obs,
        prepared.n_vars,
        params,
        n_iterations=params.total_epoch if params.output.intermediate else 0,
        n_stored=0 if n_genes == prepared.n_vars else int(stored / prepared.n_vars * n_genes),
    )


def _output(ended: RunEnded, params: RunParams, folder: Path, stop: Stop) -> Generator[Event, None, None]:
    start = time.perf_counter()
    yield StageStarted("output", 0)
    with PeakMemory() as memory:
        result = ended.result
        if (params.output.figures or params.output.seurat) and not stop():
            try:
                result = replace(result, umap=umap_positions(result.graph_embedding, seed=params.seed))
            except Exception as error:  # a map must never cost the result
                yield Notice.of("no_map", error=str(error))
        yield from _not_stored(result, params)
        if params.output.seurat:
            yield from _renamed(result)
        not_written: dict[str, str] = {}
        try:
            write(result, folder, params=params, overwrite=True)
        except PartialOutputError as error:
            not_written |= error.not_written
            yield Notice(str(error), "warning", "output")
        if params.output.figures and not stop():
            without_figures = yield from _figures(result, folder, stop)
            if without_figures:
                not_written |= without_figures
                write_record(result, folder, not_written)
        if params.output.figures and stop():
            yield Notice.of("figures_left_out")
        yield StageEnded("output", 0, time.perf_counter() - start, memory.take())
    yield RunEnded(result, ended.reason, not_written)


def _figures(result: Result, folder: Path, stop: Stop) -> Generator[Event, None, dict[str, str]]:
    """Draw what can be drawn; the figures that cannot are returned with the reason."""
    failed: dict[str, str] = {}
    try:
        draw_figures(result, folder, stop=stop)
    except PartialOutputError as error:
        failed = error.not_written
        yield Notice(str(error), "warning", "output")
    except MissingPackageError as error:  # they were never to be had here
        yield Notice.of("no_figures", error=str(error))
    except Exception as error:  # a figure must never cost the result
        failed["figures"] = str(error)
        yield Notice.of("no_figures", error=str(error))
    return failed
