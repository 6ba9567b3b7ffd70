"""Computing cells: one data set with one seed, hidden in one way, and the methods that see it."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scgnn2_engine.benchmark.cells import Cell, write_cell
from scgnn2_engine.benchmark.data_sets import DataSet, read_bulk, read_data_set
from scgnn2_engine.benchmark.methods import Method, Protocol, run_params
from scgnn2_engine.benchmark.scores import MaskedScores, cluster_scores, scored_output, traits, why_not_thinned
from scgnn2_engine.benchmark.warming import warm_up
from scgnn2_engine.data.dataset import Dataset, Matrix, Truth
from scgnn2_engine.data.matrices import part
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.data.prepared import Prepared
from scgnn2_engine.errors import ScgnnError
from scgnn2_engine.evaluate import cluster_baseline, denoise_baseline, impute_baseline, thin, thinning_scores
from scgnn2_engine.evaluate.baselines import Visible
from scgnn2_engine.evaluate.metrics import n_label_types
from scgnn2_engine.resources import PeakMemory, usable_processors, versions
from scgnn2_engine.run.loop import fit
from scgnn2_engine.training.devices import threads

Hides = Literal["mask", "thinning", "nothing"]
HIDES: tuple[Hides, ...] = ("mask", "thinning", "nothing")
Record = dict[str, Any]

TEST_SHARE = 0.1  # of every count, that goes to the test part


@dataclass(frozen=True)
class Task:
    """The cells that share a data set, a seed and what is hidden, so that all methods see the same entries.

    Attributes
    ----------
    data_set, seed
        Of all its cells.
    hides
        ``mask``: a share of the non-zero entries; ``thinning``: a share of every count;
        ``nothing``: for tasks.
    methods
        Each with the cells that one run of it answers.
    reading
        ``load_*`` parameters.
    n_threads
        To compute on.
    """

    data_set: DataSet
    seed: int
    hides: Hides
    methods: Sequence[tuple[Method, tuple[Cell, ...]]]
    reading: Mapping[str, Any] = field(default_factory=dict)
    n_threads: int = 1


@dataclass(frozen=True)
class Answer:
    """What a method gave: outputs on the scale ln(1 + expression), or expected counts, and clusters."""

    prepared: Prepared
    outputs: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    labels: npt.NDArray[np.int32] | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


class NotApplicable(Exception):  # noqa: N818  # not an error: a cell that has no answer
    """A method or a protocol does not go with a data set; the message says why."""


def run_task(task: Task, output: Path) -> Iterator[tuple[Cell, Record]]:
    """Compute the cells of a task, write each as soon as it is there, and yield it.

    What goes wrong is written into the cell; only Ctrl-C ends the task.
    """
    with _limited(task.n_threads):
        stage = _Stage(task)
        for method, cells in task.methods:
            for cell, record in stage.records(method, cells):
                write_cell(output, cell, record)
                yield cell, record


class _Stage:
    """One data set as its methods see it: read once, prepared once for all baselines."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._prepared: Prepared | None = None
        self._of_baselines: MaskedScores | None = None

    def records(self, method: Method, cells: Sequence[Cell]) -> list[tuple[Cell, Record]]:
        """The records of the cells that one run of the method answers.

        Their ``seconds`` are those of the method alone, after a short run of it in this process: of scGNN 2.0 from the
        data set as read to the result, its preparation included; of a baseline from the prepared data set to its
        answers. Reading, thinning and scoring are in neither.
        """
        about: Record = {
            "parameters": dict(method.values),
            "reading": dict(self._task.reading),
            "machine": {**machine(), "threads": self._task.n_threads},
            "versions": versions(),
            "engine": engine_fingerprint(),
            "kind": method.kind,
            "scores": {},
        }
        try:
            with PeakMemory() as memory:
                data, split = self._data()
                answer_of = self._run if method.kind == "preset" else self._baseline
                prepared = None if method.kind == "preset" else self._baseline_data(data, method)
                for cell in cells:
                    warm_up(method, cell.protocol, self._task.n_threads)
                before = memory.take()
                start = time.perf_counter()
                answers = answer_of(method, [cell.protocol for cell in cells], data, prepared)
                seconds = time.perf_counter() - start
                peak = memory.take()
            about |= {"seconds": seconds, "memory_before": before, "peak_memory": peak}
            scored = [(cell, self._scored(cell, answers[cell.protocol], data, split)) for cell in cells]
        except NotApplicable as reason:
            scored = [(cell, {"skipped": str(reason)}) for cell in cells]
        except Exception as error:  # one cell that fails must not cost the others
            kind = "" if isinstance(error, ScgnnError) else f"{type(error).__name__}: "
            scored = [(cell, {"error": f"{kind}{error}"}) for cell in cells]
        date = datetime.now(UTC).isoformat(timespec="milliseconds")
        return [(cell, {**about, "date": date, **record}) for cell, record in scored]

    def _data(self) -> tuple[Dataset, Matrix | None]:
        """What methods may see, and the test part of thinned counts."""
        data = _read(self._task.data_set, tuple(self._task.reading.items()))
        if self._task.hides == "nothing" and data.truth is None:
            raise NotApplicable("tasks need known types, and there are no labels")
        if self._task.hides != "thinning":
            return data, None
        return _thinned(self._task.data_set, tuple(self._task.reading.items()), self._task.seed)

    def _baseline_data(self, data: Dataset, method: Method) -> Prepared:
        if self._prepared is None:
            hidden = {} if self._task.hides == "mask" else {"dropout_prob": 0.0}
            self._prepared = prepare(data, run_params(method, self._task.seed, **hidden))
        return self._prepared

    def _masked_scores(self, prepared: Prepared) -> MaskedScores:
        if prepared is not self._prepared:
            return MaskedScores(prepared, self._task.seed)
        if self._of_baselines is None:
            self._of_baselines = MaskedScores(prepared, self._task.seed)
        return self._of_baselines

    def _run(
        self, method: Method, protocols: Sequence[Protocol], data: Dataset, _: Prepared | None
    ) -> dict[Protocol, Answer]:
        hidden = {} if self._task.hides == "mask" else {"dropout_prob": 0.0}
        threads_of_run = {"threads": self._task.n_threads}
        result = fit(replace(data, truth=None), run_params(method, self._task.seed, **hidden, **threads_of_run))
        outputs = {"imputed": result.imputed, **(getattr(result, "outputs", None) or {})}
        if self._task.hides == "thinning":
            outputs = {name: np.expm1(values) for name, values in outputs.items()}
        about = {
            "selected_iteration": result.selected_iteration,
            "n_iterations": len(result.metrics),
            "stopped_by": result.record.get("stopped_by"),
        }
        return dict.fromkeys(protocols, Answer(result.prepared, outputs, result.labels, about))

    def _baseline(
        self, method: Method, protocols: Sequence[Protocol], data: Dataset, prepared: Prepared | None
    ) -> dict[Protocol, Answer]:
        assert prepared is not None
        name, seed = method.name, self._task.seed
        answers: dict[Protocol, Answer] = {}
        for protocol in protocols:
            if protocol in ("mask", "tasks"):
                output = prepared.to_output_scale(impute_baseline(name, prepared, seed=seed))
                answers[protocol] = Answer(prepared, {"imputed": output})
            elif protocol == "thinning":
                rates = denoise_baseline(name, prepared.expression, seed=seed)
                answers[protocol] = Answer(prepared, {"imputed": rates})
            else:
                n_types = n_label_types(_truth(data, prepared))
                if name == "pca_kmeans" and not n_types:
                    raise NotApplicable("k-means gets the true number of types, and there are no labels")
                labels = cluster_baseline(name, prepared, seed=seed, n_clusters=n_types or None)
                answers[protocol] = Answer(prepared, labels=labels)
        return answers

    def _scored(self, cell: Cell, answer: Answer, data: Dataset, test: Matrix | None) -> Record:
        prepared = answer.prepared
        record: Record = {
            **answer.about,
            "n_obs": prepared.n_obs,
            "n_vars": prepared.n_vars,
            "entries": _entries(prepared, test),
            "traits": traits(prepared.expression),
        }
        if cell.protocol == "clusters":
            assert answer.labels is not None
            scores = {"clusters": cluster_scores(answer.labels, _truth(data, prepared))}
            return {**record, "scores": scores, "scored": {}, "labels": answer.labels.tolist()}
        if cell.protocol == "tasks":
            scores = self._task_scores(answer, data)
        elif cell.protocol == "mask":
            score = self._masked_scores(prepared)
            scores = {name: score(output) for name, output in answer.outputs.items()}
        else:
            assert test is not None
            kept = part(test, prepared.cells, prepared.genes)
            scores = {
                name: dict(thinning_scores(rates, prepared.expression, kept)) for name, rates in answer.outputs.items()
            }
        metrics = next(iter(scores.values()))
        return {**record, "scores": scores, "scored": {name: scored_output(answer.outputs, name) for name in metrics}}

    def _task_scores(self, answer: Answer, data: Dataset) -> dict[str, dict[str, float]]:
        from scgnn2_engine.evaluate.tasks import task_scores

        prepared, truth = answer.prepared, _truth(data, answer.prepared)
        assert truth is not None
        visible = Visible.of(prepared, held_out=True)
        bulk = read_bulk(self._task.data_set)
        return {
            name: task_scores(
                visible.normalised(output, prepared), visible.y, truth, prepared.var_names, bulk, seed=self._task.seed
            )
            for name, output in answer.outputs.items()
        }


def _truth(data: Dataset, prepared: Prepared) -> Truth | None:
    return None if data.truth is None else data.truth.take(prepared.cells)


@lru_cache(maxsize=1)
def _read(data_set: DataSet, reading: tuple[tuple[str, Any], ...]) -> Dataset:
    return read_data_set(data_set, dict(reading))


@lru_cache(maxsize=1)
def _thinned(data_set: DataSet, reading: tuple[tuple[str, Any], ...], seed: int) -> tuple[Dataset, Matrix]:
    data = _read(data_set, reading)
    reason = why_not_thinned(data)
    if reason:
        raise NotApplicable(f"{data_set.name} cannot be thinned: {reason}")
    train, test = thin(data.expression, TEST_SHARE, seed)
    return replace(data, expression=train), test


def _entries(prepared: Prepared, test: Matrix | None) -> str:
    """A fingerprint of what is scored, so that a table can tell whether methods were scored on the same entries."""
    digest = hashlib.blake2b(digest_size=6)
    digest.update("\n".join([*prepared.obs_names, *prepared.var_names]).encode())
    if prepared.hidden is not None:
        digest.update(np.ascontiguousarray(prepared.hidden.rows, dtype=np.int64).tobytes())
        digest.update(np.ascontiguousarray(prepared.hidden.cols, dtype=np.int64).tobytes())
    digest.update(str(None if test is None else float(test.sum())).encode())
    return digest.hexdigest()


@contextmanager
def _limited(n_threads: int) -> Iterator[None]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(n_threads), threads(n_threads):
        yield


@cache
def machine() -> dict[str, Any]:
    """The processor and how many cores this process may use."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {"cpu": model or platform.machine(), "cores": usable_processors()}


@cache
def engine_fingerprint() -> str:
    """Of the source of this package: a changed method is told apart though its version is the same."""
    package = Path(__file__).resolve().parent.parent
    digest = hashlib.blake2b(digest_size=5)
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
