"""A whole benchmark: which cells there are, which are missing, and computing those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from scgnn2_engine.benchmark.cells import Cell, cell_of, read_cell, write_cell
from scgnn2_engine.benchmark.data_sets import DataSet
from scgnn2_engine.benchmark.methods import UNLESS_ASKED, Method, Protocol
from scgnn2_engine.benchmark.running import HIDES, Hides, Record, Task, engine_fingerprint, machine, run_task
from scgnn2_engine.benchmark.workers import run_in_workers
from scgnn2_engine.errors import ParameterError
from scgnn2_engine.resources import usable_processors, versions

Again = Literal["", "failed", "all"]


@dataclass(frozen=True)
class Plan:
    """What there is to compute.

    Attributes
    ----------
    tasks
        The missing cells, those of one data set one after the other.
    cells
        All of them, those that are there already too.
    n_there
        How many of them are there already.
    """

    tasks: tuple[Task, ...]
    cells: tuple[Cell, ...]
    n_there: int

    @property
    def n_cells(self) -> int:
        """How many cells the benchmark has."""
        return len(self.cells)

    @property
    def n_missing(self) -> int:
        """How many cells are to be computed."""
        return self.n_cells - self.n_there


@dataclass(frozen=True)
class Question:
    """Data sets × methods × seeds × protocols, and how they are computed.

    Attributes
    ----------
    data_sets, methods, seeds, protocols
        Each with each, as far as a method can be scored by a protocol.
    reading
        ``load_*`` parameters.
    n_processes
        How many tasks run at once; 1 runs them in this process.
    n_threads
        Of each; 0 shares the usable processors out.
    again
        Which cells that are there are computed again: none, those that failed, or all.
    """

    data_sets: Sequence[DataSet]
    methods: Sequence[Method]
    seeds: Sequence[int]
    protocols: Sequence[Protocol] = UNLESS_ASKED
    reading: Mapping[str, Any] = field(default_factory=dict)
    n_processes: int = 1
    n_threads: int = 0
    again: Again = ""


def plan(question: Question, output: Path) -> Plan:
    """Find the missing cells and put those together that see the same entries.

    A run of scGNN 2.0 has a task of its own, so that runs can share the processors; baselines share one.

    Raises
    ------
    ParameterError
        ``n_processes`` is less than 1.
    """
    if question.n_processes < 1:
        raise ParameterError(
            "processes is too small.", expected="a whole number of at least 1", found=str(question.n_processes)
        )
    n_threads = question.n_threads or max(1, usable_processors() // question.n_processes)
    tasks: list[Task] = []
    every: list[Cell] = []
    n_missing = 0
    for data_set in question.data_sets:
        for seed in question.seeds:
            for hides in HIDES:
                together: list[tuple[Method, tuple[Cell, ...]]] = []
                for method in question.methods:
                    cells = [
                        cell_of(data_set, method, seed, protocol, question.reading)
                        for protocol in question.protocols
                        if protocol in method.protocols and _hidden_for(protocol) == hides
                    ]
                    missing = tuple(cell for cell in cells if not _is_there(cell, output, question.again))
                    every += cells
                    n_missing += len(missing)
                    if missing:
                        together.append((method, missing))
                for methods in _apart(together):
                    tasks.append(Task(data_set, seed, hides, methods, question.reading, n_threads))
    return Plan(tuple(tasks), tuple(every), len(every) - n_missing)


def compute(tasks: Sequence[Task], output: Path, *, n_processes: int = 1) -> Iterator[tuple[Cell, Record]]:
    """Compute the cells of some tasks; each is on the disk before it is yielded.

    Raises
    ------
    OutputError
        A cell cannot be written.
    """
    if n_processes <= 1:
        for task in tasks:
            yield from run_task(task, output)
        return
    done: set[Cell] = set()
    for told in run_in_workers(tasks, output, n_processes):
        first, second = told
        if isinstance(first, Cell) and isinstance(second, dict):
            done.add(first)
            yield first, second
        elif isinstance(first, Task):
            for method, cells in first.methods:
                for cell in cells:
                    if cell not in done:
                        record = _lost(first, method, str(second))
                        write_cell(output, cell, record)
                        yield cell, record


def _apart(together: list[tuple[Method, tuple[Cell, ...]]]) -> Iterator[list[tuple[Method, tuple[Cell, ...]]]]:
    baselines = [one for one in together if one[0].kind == "baseline"]
    if baselines:
        yield baselines
    for one in together:
        if one[0].kind == "preset":
            yield [one]


def _hidden_for(protocol: Protocol) -> Hides:
    return "thinning" if protocol == "thinning" else "nothing" if protocol == "tasks" else "mask"


def _is_there(cell: Cell, output: Path, again: Again) -> bool:
    if again == "all":
        return False
    record = read_cell(output, cell)
    return record is not None and not (again == "failed" and "error" in record)


def _lost(task: Task, method: Method, reason: str) -> Record:
    return {
        "kind": method.kind,
        "parameters": dict(method.values),
        "reading": dict(task.reading),
        "machine": {**machine(), "threads": task.n_threads},
        "versions": versions(),
        "engine": engine_fingerprint(),
        "date": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "scores": {},
        "error": reason,
    }
