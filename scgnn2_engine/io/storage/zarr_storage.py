"""Zarr folders and zips of them: opened, and their arrays checked before they are read."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scgnn2_engine.errors import InputError

MARKS = (".zgroup", "zarr.json")
"""What lies at the root of a zarr folder, of format 2 and 3."""

_LARGE = 64 * 1024**2


def root_in_zip(names: list[str]) -> str | None:
    """The folder in a zip in which zarr's root lies: empty where it is the zip itself, None where there is none.

    Examples
    --------
    >>> root_in_zip(["a.zarr/.zgroup", "a.zarr/X/.zgroup"]), root_in_zip(["zarr.json"]), root_in_zip(["a.csv"])
    ('a.zarr', '', None)
    """
    roots = [name.rpartition("/")[0] for name in names if name.rpartition("/")[2] in MARKS]
    return min(roots, key=lambda root: (root.count("/") + bool(root), root), default=None)


@contextmanager
def open_zarr(path: Path) -> Iterator[Any]:
    """The root group of a zarr folder, or of a zip of one, for reading.

    By the metadata of each part, not by the copy at the root ("consolidated"), which stays what it was where a part is
    written anew: whole numbers would then be read as another kind, bit for bit.
    """
    import zarr

    if path.is_dir():
        yield zarr.open_group(path, mode="r", use_consolidated=False)
        return
    with zipfile.ZipFile(path) as packed:
        place = root_in_zip(packed.namelist())
    store = zarr.storage.ZipStore(path, mode="r")
    try:
        yield zarr.open_group(store, mode="r", path=place or "", use_consolidated=False)
    finally:
        store.close()


def check_codecs(array: Any, what: str) -> str:
    """Check how a zarr array is stored, and return a sentence where parts of it were never written.

    zarr does not write chunks that hold the fill value alone, so a part that is not there may be one of zeros: of a
    matrix this is said, of the stored entries of a sparse one and of names it is never right.

    Raises
    ------
    InputError
        Reading it would unpickle, which runs any code that is in the file; it declares much and holds nothing, or
        lacks entries of a sparse matrix.
    """
    if any("pickle" in name for name in _codec_names(array.metadata.to_dict())):
        raise InputError(
            f"{what} is packed as a pickle, and pickles are refused: loading one runs any code that is in it.",
            expected="numbers and text",
            advice="Write it again with text as strings, where you trust the file.",
        )
    if not array.size:
        return ""
    expected, there = int(array.nchunks), int(array.nchunks_initialized)
    if there == 0 and array.size * array.dtype.itemsize > _LARGE:
        raise InputError(
            f"{what} declares more than the folder holds.",
            expected=f"{expected} chunks",
            found="none",
            advice="The folder is damaged, or was copied in part: download or export it again.",
        )
    if there == expected:
        return ""
    if array.basename == "data" and array.ndim == 1:
        check_no_gap(array, what)
    text = array.dtype.kind not in "biufc"
    matrix = array.ndim == 2 and (array.basename == "X" or "layers" in array.path.split("/"))
    if text or matrix or array.basename in ("indices", "indptr"):
        return f"{what} lacks {expected - there} of its {expected} parts, which are read as {array.fill_value!r}."
    return ""


def check_no_gap(array: Any, what: str) -> None:
    """Refuse an array of which a part is not there.

    Raises
    ------
    InputError
        It lacks one.
    """
    if not array.size or array.nchunks_initialized == array.nchunks:
        return
    raise InputError(
        f"{what} lacks {array.nchunks - array.nchunks_initialized} of its parts.",
        expected=f"{array.nchunks} chunks",
        found=f"{array.nchunks_initialized}",
        advice="The folder was copied in part: copy or export it again.",
    )


def _codec_names(metadata: Any) -> Iterator[str]:
    """Names of everything that is named in the description of an array."""
    if isinstance(metadata, dict):
        for key, value in metadata.items():
            if key in ("id", "name", "codec_id") and isinstance(value, str):
                yield value.lower()
            yield from _codec_names(value)
    elif isinstance(metadata, (list, tuple)):
        for value in metadata:
            yield from _codec_names(value)
    elif hasattr(metadata, "get_config"):
        yield from _codec_names(metadata.get_config())
