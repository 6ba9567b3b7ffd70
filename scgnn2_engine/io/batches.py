"""The batch of each cell, from columns of obs or from the cells' names; and columns that look like one."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.batches import Batches
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.labels import MISSING
from scgnn2_engine.io.names import listed

if TYPE_CHECKING:
    import pandas as pd

NO_BATCH = "missing"
"""The batch of cells of which the column says none."""

FEW_CELLS = 10
"""Cells below which a batch says little about what sets it apart."""

MOST_BATCHES = 50
"""Values above which a column is not taken for batches unasked."""

IN_NAMES = {
    "barcode_prefix": re.compile(r"^([^_:#|.\-]+)[_:#|.\-].+$"),
    "barcode_suffix": re.compile(r"^.+[_:#|.\-]([^_:#|.\-]+)$"),
}
"""What the names of cells may say: ``mouse1`` of ``mouse1_lib1.cell_2``, and ``2`` of ``AAACATTG-2``."""

_BATCH_WORDS = re.compile(
    r"batch|sample|donor|plate|patient|individual|subject|replicate|library|lane|protocol|chemistry|platform|"
    r"technolog|^tech$|dataset|study|experiment|channel|orig.?ident|mouse|animal|^run|^well_?plate|^chip",
    re.IGNORECASE,
)
"""What columns of batches are called. Types of cells and clusters never are, so that no label is looked at."""


def with_batches(dataset: Dataset, key: str, label_column: str = "") -> Dataset:
    """Add the batches that columns of obs name.

    Parameters
    ----------
    dataset
        As read.
    key
        A column of obs, or several with commas between, whose values are joined; where obs has no such column
        ``barcode_prefix`` and ``barcode_suffix`` stand for what the cells' names say.
    label_column
        What ``load_cell_type_labels`` names: labels are no batches.

    Returns
    -------
    Dataset
        Without batches, and a warning, where all cells are of one.

    Raises
    ------
    InputError
        There is no such column, it holds the labels, measured numbers, or a value of its own for every other cell.

    Examples
    --------
    >>> import pandas as pd
    >>> names = np.array(["a-1", "b-1", "c-2", "d-2"])
    >>> obs = pd.DataFrame({"mouse": [1, 1, 2, 2]})
    >>> data = Dataset(np.ones((4, 2)), names, np.array(["g", "h"]), "counts", obs=obs)
    >>> with_batches(data, "mouse").batches.names.tolist(), with_batches(data, "barcode_suffix").batches.codes.tolist()
    (['1', '2'], [0, 0, 1, 1])
    """
    columns = [name.strip() for name in key.split(",") if name.strip()]
    if not columns:
        raise InputError(
            "load_batch_key names no column.",
            expected="a column of obs, or several with commas between",
            found=repr(key),
        )
    if label_column and label_column in columns:
        raise InputError(
            f"load_batch_key names the column of the labels, {label_column}.",
            expected="a column that says which sample or batch a cell is of",
            found="load_cell_type_labels of the same name",
            advice="What differs between batches is removed, and with it what differs between the labels.",
        )
    said: list[str] = []
    parts = [_values(dataset, name, said) for name in columns]
    values = [", ".join(parts_of_cell) for parts_of_cell in zip(*parts, strict=True)]
    batches = Batches.of(values)
    _require_batches(batches, key, dataset.n_obs)
    if len(batches) == 1:
        alone = f"All cells are of one batch by load_batch_key {key} ({batches.names[0]}): there is nothing to correct."
        return replace(dataset, warnings=(*dataset.warnings, *said, alone))
    sizes = dict(zip(batches.names.tolist(), batches.sizes.tolist(), strict=True))
    note = f"{len(batches)} batches by {key}: {listed([f'{name} {size}' for name, size in sizes.items()], 10)}."
    small = [name for name, size in sizes.items() if size < FEW_CELLS]
    if small:
        said.append(
            f"{len(small)} batches have fewer than {FEW_CELLS} cells, too few to say what sets them apart: "
            f"{listed(small)}."
        )
    facts = {**dataset.facts, "batch_key": key, "batches": sizes}
    return replace(
        dataset, batches=batches, notes=(*dataset.notes, note), warnings=(*dataset.warnings, *said), facts=facts
    )


def _values(dataset: Dataset, name: str, said: list[str]) -> list[str]:
    obs = dataset.obs
    known = [] if obs is None else [str(column) for column in obs.columns]
    if obs is None or name not in known:
        if name in IN_NAMES:
            return _in_names(dataset.obs_names, name)
        near = difflib.get_close_matches(name, [*known, *IN_NAMES], n=1, cutoff=0.5)
        raise InputError(
            f"load_batch_key {name} is not there.",
            expected="a column of obs (several with commas between), barcode_prefix or barcode_suffix",
            found=f"the columns {listed(known, 20)}" if known else "no columns of obs",
            advice=f"Did you mean {near[0]}?" if near else "",
        )
    column = obs.iloc[:, known.index(name)]
    lacking = column.isna().to_numpy() | column.astype(str).isin(MISSING).to_numpy()
    _refuse_measured(column[~lacking], name)
    texts = [NO_BATCH if none else _text(value) for none, value in zip(lacking, column, strict=True)]
    if lacking.any():
        said.append(
            f"{int(lacking.sum())} cells have no value in obs['{name}']: they are taken for a batch of their own, "
            f"called {NO_BATCH}."
        )
    return texts


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float | np.floating) and float(value).is_integer() else str(value)


def _refuse_measured(column: pd.Series, name: str) -> None:
    """Refuse numbers with fractions: those are measured, not counted off."""
    if column.dtype.kind == "f" and not np.equal(np.mod(column, 1), 0).all():
        raise InputError(
            f"obs['{name}'] holds measured numbers, which name no batches.",
            expected="names, or whole numbers that number the batches",
            found=f"values such as {listed(map(str, column.unique()), 3)}",
            advice="Choose the column that says which sample a cell is of.",
        )


def _in_names(names: npt.NDArray[np.str_], which: str) -> list[str]:
    found = [IN_NAMES[which].match(str(name)) for name in names]
    return [NO_BATCH if match is None else match.group(1) for match in found]


def _require_batches(batches: Batches, key: str, n_obs: int) -> None:
    if len(batches) > max(2, n_obs // 2):
        raise InputError(
            f"load_batch_key {key} gives nearly every cell a batch of its own.",
            expected="batches of several cells",
            found=f"{len(batches)} values among {n_obs} cells",
            advice="Choose the column that says which sample a cell is of.",
        )


def undeclared(dataset: Dataset, cells: npt.NDArray[np.integer]) -> dict[str, Batches]:
    """Columns that may name batches though none was declared: key of ``load_batch_key`` to the batches of some cells.

    Only columns of text or categories that are called as batches are (sample, donor, plate, ...), with 2 to 50 values;
    and the beginnings and ends of the cells' names.

    Examples
    --------
    >>> names = np.array([f"{barcode}-{lane}" for barcode in ("AC", "AG", "CT") for lane in (1, 2)])
    >>> data = Dataset(np.ones((6, 2)), names, np.array(["g", "h"]), "counts")
    >>> list(undeclared(data, np.arange(6)))
    ['barcode_suffix']
    """
    found: dict[str, Batches] = {}
    columns = {} if dataset.obs is None else {str(name): dataset.obs[name] for name in dataset.obs.columns}
    for name, column in columns.items():
        if "," in name or not _BATCH_WORDS.search(name) or column.dtype.kind == "f" or column.isna().any():
            continue
        found[name] = Batches.of(column.astype(str).to_numpy()[cells])
    for which in IN_NAMES:
        if which not in columns:
            texts = _in_names(dataset.obs_names[cells], which)
            if NO_BATCH not in texts:
                found[which] = Batches.of(texts)
    return {
        key: batches
        for key, batches in found.items()
        if 2 <= len(batches) <= min(MOST_BATCHES, len(cells) // 3) and batches.sizes.min() > 1
    }
