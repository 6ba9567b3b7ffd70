"""Ground-truth labels, matched to cells by name and sealed away for display."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from scgnn2_engine.data.dataset import Dataset, Truth
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.compression import opened
from scgnn2_engine.io.format_detection import BROKEN, cannot_read, missing
from scgnn2_engine.io.names import SAMPLE, Names, listed, name_in_sample
from scgnn2_engine.io.readers.text import not_utf8
from scgnn2_engine.io.readers.text_lines import behind_last, comments, is_blank, separator_of, split_line

_LABEL_COLUMNS = ("cell_type", "celltype", "cell.type", "cell type", "label", "labels", "type", "annotation")

MISSING = frozenset({"", "NA", "NaN", "nan", "None"})
"""What stands for no label, to the letter: R writes NA, pandas nan or nothing, Python None."""


def read_labels(path: Path, obs_names: Names, samples: Sequence[str] = ()) -> tuple[Truth, list[str], list[str]]:
    """The labels of :func:`matched_labels`, sealed: only scores read them.

    Parameters
    ----------
    path, obs_names, samples
        As there.

    Returns
    -------
    truth, notes, warnings
        The sealed labels, and what did not match.

    Raises
    ------
    InputError
        As there.
    """
    labels, notes, warnings = matched_labels(path, obs_names, samples)
    return Truth(labels, source=str(path)), notes, warnings


def matched_labels(path: Path, obs_names: Names, samples: Sequence[str] = ()) -> tuple[Names, list[str], list[str]]:
    """Read a csv or tsv of cell names and labels, and match it to the cells by name, never by position.

    The first column holds the cell names. The label column is the only other one, or the one called ``cell_type``,
    ``label`` or the like. The file may lack a header. An empty field, ``NA``, ``NaN``, ``nan`` and ``None``, written
    just so and quoted or not, mean that the cell has no label (:data:`MISSING`).

    Parameters
    ----------
    path
        csv or tsv, plain or packed (see :func:`scgnn2_engine.io.compression.opened`).
    obs_names
        (n_obs,) names of the cells.
    samples
        (n_obs,) the sample of each cell, where several were joined. The file may then call the cells as their own
        samples do, if it has a column ``sample``, or where the name occurs in one sample only.

    Returns
    -------
    labels, notes, warnings
        (n_obs,) labels in the order of ``obs_names`` (``""`` where the file has none), and what did not match.

    Raises
    ------
    InputError
        The file is damaged or ragged, its label column is unclear, a cell has two labels, or no name matches.
    """
    known = {str(name) for name in obs_names}
    header, rows = _without_numbering(*_rows(path), known)
    column = _label_column(path, header)
    if header[0] in known:
        rows = [(1, header), *rows]
    labels, unclear = _by_name(path, header, rows, column, obs_names, samples)
    matched = known & labels.keys()
    if not matched and unclear:
        raise InputError(
            f"{path} does not say of which sample its cells are: several samples have cells of one name.",
            expected=f"names such as {listed(unclear.values(), 3)}, or a column {SAMPLE}",
            found=f"names such as {listed(unclear, 3)}",
            advice="Write the names as they are in the joined data, or the sample of each cell into a column.",
        )
    if not matched:
        raise _none_match(path, labels, obs_names)
    unlabelled = [str(name) for name in obs_names if not labels.get(str(name))]
    extra = [name for name in labels if name not in known]
    notes = [f"Labels for {len(obs_names) - len(unlabelled)} of {len(obs_names)} cells from {path}: for display only."]
    if extra:
        notes.append(f"{len(extra)} labelled cells are not in the data: {listed(extra)}.")
    warnings = [f"{len(unlabelled)} cells have no label in {path}: {listed(unlabelled)}."] if unlabelled else []
    if unclear:
        warnings.append(
            f"{len(unclear)} names in {path} are those of cells in several samples, and were not used: "
            f"{listed(unclear)}. Write {next(iter(unclear.values()))}, or the sample into a column {SAMPLE}."
        )
    return np.asarray([labels.get(str(name), "") for name in obs_names], dtype=np.str_), notes, warnings


def labels_by_cell(path: Path, known: Collection[str] = ()) -> tuple[str, dict[str, str]]:
    """What a file of labels says, by the rule of :func:`matched_labels`, where there is no data to match it to.

    Parameters
    ----------
    path
        As there.
    known
        Names of cells, by which a file without a header is told.

    Returns
    -------
    column, labels
        The name of the label column, and the label of every cell in the file, ``""`` where it has none.

    Raises
    ------
    InputError
        As there, but that cells need not match.
    """
    header, rows = _without_numbering(*_rows(path), known)
    column = _label_column(path, header)
    if header[0] in known:
        rows = [(1, header), *rows]
    names = np.asarray(list(known), dtype=np.str_)
    return header[column], _by_name(path, header, rows, column, names, ())[0]


def _by_name(
    path: Path,
    header: list[str],
    rows: list[tuple[int, list[str]]],
    column: int,
    obs_names: Names,
    samples: Sequence[str],
) -> tuple[dict[str, str], dict[str, str]]:
    """Labels by the names of the cells in the data, and names of several cells, each with the first that it means."""
    own_names: dict[str, list[str]] = {str(name): [str(name)] for name in obs_names}
    for name, sample in zip(map(str, obs_names), samples, strict=False):
        if name.endswith(name_in_sample("", sample)):
            own_names.setdefault(name.removesuffix(name_in_sample("", sample)), []).append(name)
    of_sample = [place for place, name in enumerate(header) if place not in (0, column) and name.lower() == SAMPLE]
    labels: dict[str, str] = {}
    unclear: dict[str, str] = {}
    for number, row in rows:
        written, label = row[0], "" if row[column] in MISSING else row[column]
        in_sample = [name_in_sample(written, row[place]) for place in of_sample]
        meant = next((own_names[name] for name in (*in_sample, written) if name in own_names), [written])
        if len(meant) > 1:
            unclear[written] = meant[0]
        elif labels.setdefault(meant[0], label) != label:
            raise InputError(
                f"{path} gives the cell {written!r} two labels (line {number}).",
                expected="one label",
                found=f"{labels[meant[0]]!r} and {label!r}",
                advice="Remove one of the lines.",
            )
    return labels, unclear


def labels_in_obs(dataset: Dataset, column: str) -> tuple[Truth, list[str], list[str]]:
    """Take the labels from a column of the cell annotation; :data:`MISSING` texts are none, as in a file.

    Raises
    ------
    InputError
        There is no such column; those that exist are listed.
    """
    if dataset.obs is None or column not in map(str, dataset.obs.columns):
        columns = [] if dataset.obs is None else list(dataset.obs.columns)
        raise InputError(
            f"The labels {column!r} are neither a file nor a column of obs.",
            expected="a csv of cell names and labels, or a column of obs",
            found=f"the columns {listed(columns, 20)}" if columns else "no columns",
            advice="Give the path of the file, or the name of a column.",
        )
    values = dataset.obs.iloc[:, list(map(str, dataset.obs.columns)).index(column)]
    sealed = np.asarray(["" if pd.isna(value) or str(value) in MISSING else str(value) for value in values], np.str_)
    unlabelled = [str(name) for name, label in zip(dataset.obs_names, sealed, strict=True) if not label]
    notes = [
        f"Labels for {len(sealed) - len(unlabelled)} of {len(sealed)} cells from obs[{column!r}]: for display only."
    ]
    return (
        Truth(sealed, source=f"obs[{column!r}]"),
        notes,
        ([f"{len(unlabelled)} cells have no label in obs[{column!r}]: {listed(unlabelled)}."] if unlabelled else []),
    )


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    if not path.exists():
        raise missing(path, "a csv or tsv of cells and their labels, not a column of obs")
    try:
        with opened(path) as (content, _):
            text = content.read().replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # alone, as old Macintoshes end lines
        lines = [(number, line) for number, line in enumerate(text.split(b"\n"), start=1) if not is_blank(line)]
        lines = lines[comments([line for _, line in lines[:1000]]) :]
        if len(lines) < 2:
            raise InputError(
                f"{path} holds no labels.",
                expected="a header and a line for each cell",
                found=f"{len(lines)} lines",
                advice="Write the name of a cell and its label into each line, or give another file.",
            )
        first = lines[0][1].removeprefix(b"#")
        separator = separator_of(first, [line for _, line in lines[1:50]])
        header = split_line(first, separator)
        rows = [(number, split_line(line, separator)) for number, line in lines[1:]]
    except BROKEN as error:
        raise cannot_read(path, error) from error
    except UnicodeDecodeError as error:
        raise not_utf8(path, error) from error
    behind = behind_last(header, [row for _, row in rows if len(row) == len(rows[0][1])])
    if behind and len({len(row) for _, row in rows}) == 1:  # lines that end with separators
        rows = [(number, row[:-behind]) for number, row in rows]
    while len(header) > len(rows[0][1]) and not header[-1]:
        header = header[:-1]
    if len(rows[0][1]) == len(header) + 1:  # R's form: a header without the corner
        header = ["", *header]
    for number, row in rows:
        if len(row) != len(header):
            raise InputError(
                f"Line {number} of {path} has another length than the header.",
                expected=f"{len(header)} fields",
                found=f"{len(row)} fields",
            )
    return header, rows


def _without_numbering(
    header: list[str], rows: list[tuple[int, list[str]]], known: Collection[str]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Without a first column that numbers the rows, as R and pandas write it before the names of the cells."""
    numbers = len(header) > 2 and all(row[0].isdigit() and row[0] not in known for _, row in rows)
    if numbers and (not header[0] or any(row[1] in known for _, row in rows)):
        return header[1:], [(number, row[1:]) for number, row in rows]
    return header, rows


def _label_column(path: Path, header: list[str]) -> int:
    others = [place for place, name in enumerate(header) if place and name.lower() != SAMPLE]
    if len(header) == 2 or len(others) == 1:
        return others[0] if others else 1
    if len(header) == 1:
        raise InputError(
            f"{path} has one column: labels without names of cells cannot be matched.",
            expected="names of cells in the first column, labels in the second",
            found=f"the column {header[0]}",
            advice="Put the names of the cells before the labels, or check the separator (comma, tab or semicolon).",
        )
    lower = [name.lower() for name in header]
    for name in _LABEL_COLUMNS:
        if name in lower[1:]:
            return lower.index(name, 1)
    raise InputError(
        f"{path} does not say which column holds the labels.",
        expected="cell names in the first column, labels in the second or in one called cell_type",
        found=f"the columns {listed(header, 10)}",
        advice="Call the label column cell_type.",
    )


def _none_match(path: Path, labels: dict[str, str], obs_names: Names) -> InputError:
    lower, plain = {name.lower() for name in labels}, {_plain(name) for name in labels}
    but_for_case = sum(str(name).lower() in lower for name in obs_names)
    nearly = sum(_plain(str(name)) in plain for name in obs_names)
    advice = "Check that the file belongs to this data, and that its first column holds the cell names."
    if nearly:
        advice = f"{nearly} names would match without punctuation (R turns - into .): write them as in the data."
    if but_for_case:
        advice = f"{but_for_case} names differ by upper and lower case alone: write them as in the data."
    return InputError(
        f"No cell of the data is in {path}.",
        expected=f"cell names such as {listed(obs_names, 3)}",
        found=f"names such as {listed(labels, 3)}",
        advice=advice,
    )


def _plain(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum()).removeprefix("x")
