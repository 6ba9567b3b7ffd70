"""The cells of a benchmark: one file for each score of one method on one data set with one seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scgnn2_engine.benchmark.data_sets import DataSet
from scgnn2_engine.benchmark.methods import Method, Protocol
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.io.results.records import json_text

FOLDER = "cells"
SCORES = 2
"""Of the way of scoring: raised when the same output would get other scores, so that all cells are computed again."""

SPEED_ONLY = ("threads", "device", "mixed_precision")
"""Parameters of the speed: with other values a cell is still the same cell."""

LONGEST_NAME = 60
"""Bytes of a data set's name in that of a file, which can have 255 on most disks."""


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
    data
        Of the content of the data set and of how it is read: cells of one name and other data are never compared.
    """

    data_set: str
    method: str
    seed: int
    protocol: Protocol
    key: str
    data: str

    @property
    def file_name(self) -> str:
        """Name of its file in the folder of cells."""
        return f"{_in_file_name(self.data_set)}--{self.method}--{self.protocol}--seed{self.seed}--{self.key}.json"


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
    data = [data_set.fingerprint, sorted((reading or {}).items())]
    return Cell(data_set.name, method.name, seed, protocol, _digest(content), _digest(data))


def write_cell(output: Path, cell: Cell, record: Mapping[str, Any]) -> Path:
    """Write a cell, whole or not at all."""
    path = output / FOLDER / cell.file_name
    whole = {
        "data_set": cell.data_set,
        "method": cell.method,
        "seed": cell.seed,
        "protocol": cell.protocol,
        "key": cell.key,
        "data": cell.data,
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


def newest_cells(output: Path, asked: Collection[Cell] = ()) -> tuple[list[dict[str, Any]], int]:
    """The cells to report, and how many are left out.

    For each data set, method and protocol those of one key, so that seeds of different parameters are never taken
    together: the key that was asked for, else that of the newest cell. For each data set those of the same data.

    Parameters
    ----------
    output
        Folder of the benchmark.
    asked
        The cells of a plan: where it holds a data set, method and protocol, no others of these are reported.

    Raises
    ------
    InputError
        There are no cells, or one of them is damaged.
    """
    every = list(_read_all(output / FOLDER))
    data = {record["data_set"]: record.get("data") for record in sorted(every, key=_date)}  # that of the newest stays
    data |= {cell.data_set: cell.data for cell in asked}
    of_data = [record for record in every if _may_be_of(record, data[record["data_set"]])]
    keys = {_group(record): record["key"] for record in sorted(of_data, key=_date)}
    keys |= {(cell.data_set, cell.method, cell.protocol): cell.key for cell in asked}
    kept = [record for record in of_data if record["key"] == keys[_group(record)]]
    if not kept:
        raise InputError(
            f"There is no benchmark in {output}.",
            expected=f"files in {output / FOLDER}",
            found="none of the cells that were asked for" if every else "none",
            advice="scgnn2 benchmark FOLDER --output DIR computes them.",
        )
    return kept, len(every) - len(kept)


def _group(record: Mapping[str, Any]) -> tuple[str, str, str]:
    return record["data_set"], record["method"], record["protocol"]


def _date(record: Mapping[str, Any]) -> str:
    return str(record["date"])


def _may_be_of(record: Mapping[str, Any], data: str | None) -> bool:
    """Whether a cell can be of these data; those of earlier versions do not say which they are of."""
    return data is None or record.get("data") in (None, data)


def _digest(content: Any) -> str:
    return hashlib.blake2b(json.dumps(content, default=str).encode(), digest_size=5).hexdigest()


def _in_file_name(name: str) -> str:
    """A name for a file: itself where that is safe, else what is safe of it and something that tells it apart.

    Examples
    --------
    >>> _in_file_name("my data_2.1"), _in_file_name(".a/b")
    ('my data_2.1', '_a_b-aa35a539c0')
    """
    safe = "".join(letter if letter.isalnum() or letter in " ._-" else "_" for letter in name)
    if safe.startswith("."):  # a file that starts so is one half written
        safe = f"_{safe[1:]}"
    safe = safe.encode()[:LONGEST_NAME].decode(errors="ignore")
    return name if safe == name else f"{safe}-{_digest(name)}"


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
