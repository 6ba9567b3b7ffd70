"""Parquet and feather (Arrow) tables, read block by block; pyarrow is an extra (formats)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Matrix
from scgnn2_engine.errors import InputError, MissingPackageError
from scgnn2_engine.io.evidence.annotation_axes import annotation_columns
from scgnn2_engine.io.format_detection import Start, cannot_read
from scgnn2_engine.io.format_protocol import About, Format
from scgnn2_engine.io.memory import require_memory, stored_entries
from scgnn2_engine.io.raw_table import Table, described, smaller

_BLOCK_VALUES = 2_000_000
_PARQUET, _ARROW = b"PAR1", b"ARROW1"


def read_columnar(path: Path, max_memory: float = 0.0, negatives: bool = False) -> Table:
    """Read a parquet or feather file with a column of names and columns of numbers.

    The names are the index that pandas wrote, else the first column of text. Other columns of text, and those that are
    called like annotation, describe the rows.

    Parameters
    ----------
    path
        parquet, or feather of version 2 (Arrow).
    max_memory
        GiB the matrix may take; 0 takes what is free.
    negatives
        Read negative values, as results of other tools hold them; else they are refused.

    Raises
    ------
    InputError
        It is damaged, has no names, or a value is missing; row and column are named.
    MissingPackageError
        pyarrow is not installed.
    InsufficientMemoryError
        The matrix is expected not to fit; raised after its first rows.
    """
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingPackageError(
            f"{path} is a parquet or feather file, for which a package is missing.",
            expected="pyarrow",
            found="it is not installed",
            advice="pip install 'scgnn2[formats]', or export the matrix as csv or h5ad.",
        ) from error
    try:
        with _opened(path) as (schema, n_rows, batches):
            return _read_batches(path, schema, n_rows, batches, max_memory, negatives)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise cannot_read(path, error) from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, int, Iterator[Any]]]:
    """The schema, the rows where they are known (else 0), and the rows in batches."""
    with path.open("rb") as raw:
        is_parquet = raw.read(4) == _PARQUET
    if is_parquet:
        from pyarrow.parquet import ParquetFile

        with ParquetFile(path) as file:
            schema = file.schema_arrow
            rows = max(1, _BLOCK_VALUES // max(len(schema), 1))
            yield schema, file.metadata.num_rows, file.iter_batches(batch_size=rows)
        return
    from pyarrow import ipc, memory_map

    with memory_map(str(path)) as raw, ipc.open_file(raw) as file:
        rows = max(1, _BLOCK_VALUES // max(len(file.schema), 1))
        batches = (file.get_batch(at) for at in range(file.num_record_batches))
        parts = (batch.slice(start, rows) for batch in batches for start in range(0, batch.num_rows, rows))
        yield file.schema, 0, parts


def _read_batches(
    path: Path, schema: Any, n_rows: int, batches: Iterator[Any], max_memory: float, negatives: bool
) -> Table:
    texts_first: list[str] = []
    numbers: list[str] = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        (numbers if _is_number(kind) else texts_first).append(name)
    if len(set(schema.names)) < len(schema.names):
        raise InputError(f"{path} has several columns of one name.", advice="Give each column a name of its own.")
    index = _index(path, schema)
    row_name = index[0] if index else next(iter(texts_first), "")
    if not row_name or not set(numbers) - set(index):
        raise InputError(
            f"{path} has no names of rows, or no numbers.",
            expected="an index or a column of text, and columns of numbers",
            found=f"columns such as {', '.join(schema.names[:5])}",
            advice="Write the names as index or column (pandas: DataFrame(x, index=names).to_parquet(FILE)).",
        )
    numbers = [name for name in numbers if name not in index]
    names: list[str] = []
    blocks: list[Matrix] = []
    texts: dict[str, list[Any]] = {}
    for batch in batches:
        if not blocks:
            sample = [[str(batch.column(name)[row]) for name in numbers] for row in range(min(5, batch.num_rows))]
            describing = {numbers[at] for at in annotation_columns(numbers, sample)}
            if len(describing) < len(numbers):
                numbers = [name for name in numbers if name not in describing]
            texts = {name: [] for name in schema.names if name != row_name and name not in set(numbers)}
        names += [str(name) if name is not None else "" for name in batch.column(row_name).to_pylist()]
        for name, values_so_far in texts.items():
            values_so_far += batch.column(name).to_pylist()
        values = _values(path, batch, numbers, names[-batch.num_rows :], negatives)
        blocks.append(smaller(values))
        if len(blocks) == 1 and len(names):
            per_row = min(8 * stored_entries(values) / len(names) + 8, 4 * len(numbers))
            expected = 2 * max(n_rows, len(names)) * per_row + 12 * values.size
            require_memory(expected, f"{path}, read as a matrix,", max_memory)
    if not sum(map(stored_entries, blocks)) and not names:
        raise InputError(f"{path} is empty.", expected="at least one row of numbers")
    return Table(blocks, np.asarray(names, dtype=np.str_), np.asarray(numbers, dtype=np.str_), described(texts))


def _index(path: Path, schema: Any) -> list[str]:
    """The columns that pandas wrote as index."""
    try:
        told = (schema.pandas_metadata or {}).get("index_columns", [])
    except (ValueError, AttributeError) as error:  # it is JSON
        raise cannot_read(path, error) from error
    return [name for name in told if isinstance(name, str) and name in schema.names] if isinstance(told, list) else []


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        return False
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _values(path: Path, batch: Any, columns: list[str], names: list[str], negatives: bool) -> npt.NDArray[np.float32]:
    """(n_rows, n_columns) of a batch, of which no value may be missing, too large or, unless so wanted, negative."""
    values = np.empty((batch.num_rows, len(columns)), dtype=np.float64)
    for at, column in enumerate(columns):
        values[:, at] = batch.column(column).cast("float64", safe=False).to_numpy(zero_copy_only=False)
    high = float(np.finfo(np.float32).max)
    low = -high if negatives else 0
    good = (values >= low) & (values <= high)
    if not good.all():
        row, at = (int(i) for i in np.argwhere(~good)[0])
        value = values[row, at]
        if np.isnan(value):
            what, advice = "a missing value", "Write 0 where nothing was seen (pandas: df.fillna(0))."
        elif -high <= value < 0:
            what, advice = "a negative value", "Give raw or normalised values, not scaled ones."
        else:
            what, advice = "a value too large", "No expression is as large: look for an error in what wrote the data."
        raise InputError(
            f"{path} holds {what} in row {names[row]!r}, column {columns[at]!r}.",
            expected="finite numbers" if negatives else "finite numbers of at least 0",
            found=f"{value:g}",
            advice=advice,
        )
    return values.astype(np.float32)


def _recognises(start: Start) -> bool:
    return start.content.startswith((_PARQUET, _ARROW))


FORMAT = Format(
    "parquet",
    "parquet or feather",
    (".parquet", ".feather", ".arrow"),
    _recognises,
    table=read_columnar,
    about=About(
        tools=("pandas 3.1.1 with pyarrow 26.0.1",),
        names="the index that pandas wrote, else the first column of text; the other columns' names. Other text and "
        "what is called like annotation goes to var or obs",
        refused=(
            ("without pyarrow", "pip install 'scgnn2[formats]'"),
            ("no names of rows", "write them as index or column"),
            ("missing values", "pandas: df.fillna(0)"),
        ),
    ),
)
