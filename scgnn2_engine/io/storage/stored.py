"""HDF5 files and zarr folders, element by element: each is checked before it is read, and what cannot be is said.

A damaged file must not end the program, take all memory, or be read as something else without a word. So nothing is
read before its links, filters, declared sizes and memory were looked at, and no sparse matrix is made before
:mod:`scgnn2_engine.io.storage.sparse_structure` checked its parts.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, ScgnnError
from scgnn2_engine.io.format_detection import cannot_read
from scgnn2_engine.io.memory import available_memory, require_memory
from scgnn2_engine.io.storage.hdf5_probe import check_walk
from scgnn2_engine.io.storage.hdf5_storage import check_storage, outside
from scgnn2_engine.io.storage.sparse_structure import Axis, check_lengths, compressed
from scgnn2_engine.io.storage.zarr_storage import check_codecs, check_no_gap, open_zarr

_TEXT = 100
"""Bytes that a short text takes in memory, as an object of Python."""
_SHOWN = 120

T = TypeVar("T")


class Store:
    """An open HDF5 file or zarr folder.

    Parameters
    ----------
    path
        The file or folder, for messages.
    root
        Its group at the root.
    max_memory
        GiB that what is read may take together; 0 takes what is free.

    Attributes
    ----------
    left_out
        What could not be read, and why, by its place in the file.
    doubts
        Sentences on what was read.
    """

    def __init__(self, path: Path, root: Any, max_memory: float = 0.0) -> None:
        self.path, self.root, self.max_memory = path, root, max_memory
        self.left_out: dict[str, str] = {}
        self.doubts: list[str] = []
        self._free = available_memory()
        self._claimed = 0.0

    def called(self, where: str) -> str:
        """How a message calls an element."""
        return f"{self.path} ({where})"

    def find(self, *keys: str, start: Any = None) -> Any:
        """The element at a place below the root (or below another group), or None where there is none.

        Raises
        ------
        InputError
            A link on the way leads into another file.
        """
        element = self.root if start is None else start
        for key in keys:
            if not is_group(element) or key not in names(element):
                return None
            if outside(element, key, self.root):
                raise InputError(
                    f"{self.path} keeps {key} in another file, which is not opened.",
                    expected="a file that holds all of its data",
                    found="an external link",
                    advice="Write it again as one file: in Python, anndata.read_h5ad(file).write_h5ad(other).",
                )
            element = element[key]
        return element

    def claim(self, element: Any, where: str, *, beside: float = 0.0) -> None:
        """Check links, filters, declared sizes and memory of all that lies below an element; nothing of it is read.

        ``beside`` are bytes that are needed for each number of it besides the number itself.

        Raises
        ------
        InputError
            Part of it lies in another file, is packed by a filter that is not known, or declares more than is there.
        MissingPackageError
            It is packed by a filter that an optional package brings.
        InsufficientMemoryError
            All that was claimed until now does not fit.
        """
        if is_group(element):
            for key in names(element):
                self.claim(self.find(key, start=element), f"{where}/{key}", beside=beside)
            return
        what = self.called(where)
        size = math.prod(element.shape or (0,))
        held = element.dtype.itemsize if element.dtype.kind in "biufcSVm" else _TEXT
        self.reserve(max(size, math.prod(element.chunks or (0,)) if size else 0) * (held + beside), where)
        doubt = check_storage(element, what) if hasattr(element, "id") else check_codecs(element, what)
        if doubt:
            self.doubts.append(doubt)

    def reserve(self, needed: float, where: str) -> None:
        """Add bytes to what is claimed.

        Raises
        ------
        InsufficientMemoryError
            All that was claimed until now does not fit.
        """
        self._claimed += needed
        self.expect(0.0, where)

    def expect(self, needed: float, where: str) -> None:
        """Refuse what will not fit beside what is claimed; raises what :meth:`reserve` does."""
        require_memory(self._claimed + needed, self.called(where), self.max_memory, free=self._free)

    def optional(self, where: str, read: Callable[..., T], *arguments: Any) -> T | None:
        """What can be done without: None where it cannot be read, and ``left_out`` says why."""
        try:
            return read(*arguments)
        except Exception as error:  # whatever a damaged file makes of the libraries below
            self.left_out[printable(where)] = reason(error)
            return None

    def array(self, element: Any, where: str, *, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any]:
        """A dense array of numbers.

        Raises
        ------
        InputError
            It is none, or has another shape than it must have.
        """
        if is_group(element) or element.dtype.kind not in "biuf":
            raise InputError(
                f"{self.called(where)} holds no numbers.",
                expected="a matrix",
                found=encoding(element) or ("a group" if is_group(element) else str(element.dtype)),
            )
        self._check_shape(tuple(element.shape), shape, where)
        self.claim(element, where, beside=4.0)
        return np.asarray(element[()])

    def sparse(
        self, element: Any, where: str, *, shape: tuple[int, int] | None = None
    ) -> sp.csr_matrix | sp.csc_matrix:
        """A sparse matrix as AnnData stores it, checked.

        Raises
        ------
        InputError
            Its parts contradict each other, or it has another shape than it must have.
        """
        form, declared = encoding(element), element.attrs.get("shape", element.attrs.get("h5sparse_shape"))
        size = np.asarray(declared)
        if declared is None or size.shape != (2,) or size.dtype.kind not in "iu":
            raise InputError(f"{self.called(where)} is a sparse matrix without a shape.", found=repr(declared)[:_SHOWN])
        self._check_shape((int(size[0]), int(size[1])), shape, where)
        return self.compressed(element, where, (int(size[0]), int(size[1])), "rows" if "csr" in form else "columns")

    def compressed(
        self, group: Any, where: str, shape: tuple[int, int], by: Axis, *, dtype: npt.DTypeLike | None = None
    ) -> sp.csr_matrix | sp.csc_matrix:
        """The sparse matrix of a group's ``data``, ``indices`` and ``indptr``, checked; its values as ``dtype``.

        Raises
        ------
        InputError
            One is missing, or they contradict each other.
        """
        parts = [self.find(name, start=group) for name in ("data", "indices", "indptr")]
        if any(part is None or is_group(part) for part in parts):
            raise InputError(
                f"{self.called(where)} is a sparse matrix that lacks a part.",
                expected="data, indices and indptr",
                found=", ".join(map(printable, names(group))) or "nothing",
                advice="Export or download the file again.",
            )
        data, indices, indptr = parts
        check_lengths(data, indices, indptr, shape, by=by, what=self.called(where))
        for part, name in zip(parts, ("data", "indices", "indptr"), strict=True):
            self.claim(part, f"{where}/{name}", beside=4.0)
        values = np.asarray(data[:])
        if dtype is not None:
            values = values.astype(dtype, copy=False)  # before more is read: the stored form is freed by it
        what = self.called(where)
        made = compressed(values, np.asarray(indices[:]), np.asarray(indptr[:]), shape, by=by, what=what)
        if any(not hasattr(part, "id") and part.nchunks_initialized < part.nchunks for part in (indices, indptr)):
            once = made.copy()  # a part of zeros need not be there, but no entry stands twice where it was one
            once.sum_duplicates()
            for part, name in ((indices, "indices"), (indptr, "indptr")) if once.nnz < made.nnz else ():
                check_no_gap(part, self.called(f"{where}/{name}"))
        return made

    def matrix(self, element: Any, where: str, *, shape: tuple[int, int] | None = None) -> Any:
        """A matrix of numbers, dense or sparse, as it is stored; raises what these do."""
        return (
            self.sparse(element, where, shape=shape) if is_sparse(element) else self.array(element, where, shape=shape)
        )

    def texts(self, element: Any, where: str, length: int) -> list[str]:
        """A list of texts.

        Raises
        ------
        InputError
            There is none, it holds something else, or it is not as long as it must be.
        """
        if element is None or is_group(element) or element.dtype.kind not in "SO":
            raise InputError(f"{self.called(where)} is no list of names.", found="nothing" if element is None else "")
        self._check_shape(tuple(element.shape), (length,), where)
        self.claim(element, where)
        return decoded(element[:].tolist())

    def leaf(self, element: Any, where: str) -> Any:
        """Anything that is neither a table nor a matrix nor a group of these, as anndata reads it.

        Raises
        ------
        Exception
            Of any kind that anndata and the libraries below it raise: meant for :meth:`optional`.
        """
        from anndata.io import read_elem

        self.claim(element, where)
        return as_objects(read_elem(element))

    def phrases(self) -> list[str]:
        """What could not be read, and why."""
        return [f"{where} ({why})" for where, why in sorted(self.left_out.items())]

    def _check_shape(self, found: tuple[int, ...], expected: tuple[int, ...] | None, where: str) -> None:
        if expected is not None and found != expected:
            raise InputError(
                f"{self.called(where)} does not fit the names beside it.",
                expected=" x ".join(map(str, expected)),
                found=" x ".join(map(str, found)) or "a single value",
                advice="The file is damaged, or what wrote it has an error: export it again.",
            )


@contextmanager
def opened(path: Path, max_memory: float = 0.0) -> Iterator[Store]:
    """Open an HDF5 file, a zarr folder or a zip of one; whatever goes wrong inside becomes an error of this package.

    Raises
    ------
    InputError
        It cannot be read.
    """
    import h5py

    with readable(path), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old formats, of names that repeat, and of what is not consolidated
        if not path.is_dir() and h5py.is_hdf5(path):
            check_walk(path)
            with h5py.File(path, "r") as file:
                yield Store(path, file, max_memory)
        else:
            with open_zarr(path) as group:
                yield Store(path, group, max_memory)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Make an error of this package of whatever a damaged file makes the libraries below raise."""
    try:
        yield
    except ScgnnError:
        raise
    except MemoryError as error:
        raise InputError(
            f"{path} cannot be read: it declares more than fits into memory.",
            expected="a file that fits, and is not damaged",
            found=reason(error),
            advice="Where the file is whole, use a larger machine.",
        ) from error
    except Exception as error:  # of any kind: h5py's RuntimeError and KeyError, anndata's IORegistryError, …
        raise cannot_read(path, error) from error


def decoded(values: list[Any]) -> list[str]:
    """Texts of bytes; all at once where none of them holds the mark between them, which is ten times as fast."""
    if {*map(type, values)} == {bytes}:
        at_once = b"\n".join(values).decode("utf-8").split("\n")
        if len(at_once) == len(values):
            return at_once
    return [value.decode("utf-8") if isinstance(value, bytes) else str(value) for value in values]


def said_of(store: Store) -> tuple[str, ...]:
    """Sentences on what was left out of a file, because it cannot be read, and on what is doubtful."""
    lost = store.phrases()
    said = (f"Left out of {store.path}, because it cannot be read: {'; '.join(lost)}.",) if lost else ()
    return (*store.doubts, *said)


def is_group(element: Any) -> bool:
    """Whether an element holds others by name."""
    return hasattr(element, "keys")


def names(group: Any) -> list[str]:
    """The names of what is in a group, without looking where links lead."""
    return [str(key) for key in (group if hasattr(group, "id") else group.keys())]


def encoding(element: Any) -> str:
    """What AnnData calls the kind of an element; empty where it says nothing."""
    value = element.attrs.get("encoding-type", element.attrs.get("h5sparse_format", ""))
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def is_sparse(element: Any) -> bool:
    """Whether an element is a sparse matrix."""
    return is_group(element) and encoding(element) in ("csr_matrix", "csc_matrix", "csr", "csc")


def as_objects(values: Any) -> Any:
    """Texts as plain objects, missing ones as NaN, whatever form pandas or zarr keeps them in; all else as it is."""
    kind = getattr(values, "dtype", None)
    if str(kind) not in ("string", "str") and getattr(kind, "kind", "") != "T":
        return values
    text_or_nan = np.frompyfunc(lambda value: value if isinstance(value, str) else np.nan, 1, 1)
    return text_or_nan(np.asarray(values, dtype=object))


def reason(error: BaseException) -> str:
    """Why something cannot be read, in a few words."""
    if isinstance(error, ScgnnError):
        return f"{error.problem.removesuffix('.')}" + (f", found: {error.found}" if error.found else "")
    words = " ".join(str(error).split())
    return printable(f"{type(error).__name__}: {words}"[:_SHOWN].strip())


def printable(text: str) -> str:
    """Text that every terminal and file takes: what a damaged name makes of it is written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
