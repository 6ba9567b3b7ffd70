"""The cells of a benchmark: one file for each score of one method on one data set with one seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scgnn2_engine.benchmark.data_sets import DataSet
from scgnn2_engine.benchmark.methods import Method, Protocol
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.io.records import json_text

FOLDER = "cells"
SCORES = 1
"""Of the way of scoring: raised when the same output would get other scores, so that all cells are computed again."""

SPEED_ONLY = ("threads", "device", "mixed_precision")
"""Parameters of the speed: with other values a cell is still the same cell."""


@dataclass(frozen=True)
class Cell:
    """What is scored, and the name of its file.

    Attributes
    ----------
    data_set, method, seed, protocol
        Names and seed.
    key
        Of the parameters, the seed left out, and of the content of the data set: when either changes, so does the
        name of the file, and the cell is computed again.
    """

    data_set: str
    method: str
    seed: int
    protocol: Protocol
    key: str

    @property
    def file_name(self) -> str:
        """Name of its file in the folder of cells."""
        return f"{self.data_set}--{self.method}--{self.protocol}--seed{self.seed}--{self.key}.json"


def cell_of(
    data_set: DataSet, method: Method, seed: int, protocol: Protocol, reading: Mapping[str, Any] | None = None
) -> Cell:
    """The cell of a method on a data set that is read with the given ``load_*`` settings."""
    values = {key: value for key, value in method.values.items() if key not in SPEED_ONLY}
    # What hides entries belongs to the mask, the seed stands in the name.
    content = [
        SCORES,
        data_set.fingerprint,
        sorted((reading or {}).items()),
        method.name,
        protocol,
        sorted(values.items()),
    ]
    digest = hashlib.blake2b(json.dumps(content, default=str).encode(), digest_size=5).hexdigest()
    return Cell(data_set.name, method.name, seed, protocol, digest)


def write_cell(output: Path, cell: Cell, record: Mapping[str, Any]) -> Path:
    """Write a cell, whole or not at all."""
    path = output / FOLDER / cell.file_name
    whole = {
        "data_set": cell.data_set,
        "method": cell.method,
        "seed": cell.seed,
        "protocol": cell.protocol,
        "key": cell.key,
        **record,
    }
    with whole_file(path) as temporary:
        temporary.write_text(json_text(whole), encoding="utf-8")
    return path


def read_cell(output: Path, cell: Cell) -> dict[str, Any] | None:
    """The record of a cell, or None where there is none (or a damaged one, which is computed again)."""
    try:
        found = json.loads((output / FOLDER / cell.file_name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def newest_cells(output: Path) -> tuple[list[dict[str, Any]], int]:
    """The cells to report, and how many older ones are left out.

    For each data set, method and protocol those of one key, that of the newest cell, so that seeds of different
    parameters are never taken together.

    Raises
    ------
    InputError
        There are no cells, or one of them is damaged.
    """
    every = list(_read_all(output / FOLDER))
    if not every:
        raise InputError(
            f"There is no benchmark in {output}.",
            expected=f"files in {output / FOLDER}",
            found="none",
            advice="scgnn2 benchmark FOLDER --output DIR computes them.",
        )
    newest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for record in every:
        group = (record["data_set"], record["method"], record["protocol"])
        if group not in newest or record["date"] > newest[group]["date"]:
            newest[group] = record
    kept = [
        record
        for record in every
        if record["key"] == newest[(record["data_set"], record["method"], record["protocol"])]["key"]
    ]
    return kept, len(every) - len(kept)


def _read_all(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        if path.name.startswith("."):  # half written when a run was killed
            continue
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            if not {"data_set", "method", "seed", "protocol", "key", "date", "scores"} <= record.keys():
                raise ValueError("it is not a cell of a benchmark")
        except (OSError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path} cannot be read: {error}.", expected="a cell of a benchmark", advice="Remove the file."
            ) from error
        yield record
