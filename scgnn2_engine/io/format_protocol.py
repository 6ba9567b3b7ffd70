"""What a format is to the rest of the program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scgnn2_engine.io.assemble import Found, from_table
from scgnn2_engine.io.format_detection import Start
from scgnn2_engine.io.raw_table import Table
from scgnn2_engine.params import LoadParams

if TYPE_CHECKING:
    from anndata import AnnData


class Whole(NamedTuple):
    """All of a file: what is in it, sentences on how it was understood, and phrases for what was not carried over."""

    adata: AnnData
    notes: tuple[str, ...]
    lost: list[str]


class About(NamedTuple):
    """What the page of formats (``docs/formats.md``) says of one.

    Attributes
    ----------
    tools
        The programs that write it, with the versions whose files were tried: ``"Cell Ranger 2.1, 3.0"``.
    names
        What becomes names of cells and genes.
    matrices
        Which matrix is read where there are several, and the flags that pick another one.
    samples
        What becomes samples, where there are several.
    refused
        What is refused, and how to mend it.
    """

    tools: tuple[str, ...]
    names: str
    matrices: str = "one"
    samples: str = "one"
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Format:
    """One format that is read.

    Attributes
    ----------
    name
        What messages and ``facts`` call it: ``"h5ad"``.
    title
        How a list of formats names it, with the tools that write it: ``"h5ad"``, ``"10x folder"``.
    suffixes
        How names of such files end, in lower case; empty for folders.
    recognises
        Whether a file or folder is of this format.
    reader
        (path, how to read it, largest memory in GiB or 0) to one matrix with rows that are cells.
    chooses
        The ``load_*`` parameters, without ``load_``, that name one of several matrices of it: ``"layer"``.
    table
        For formats that do not say which axis holds the cells, instead of ``reader``: (path, largest memory, whether
        negative values are read) to the table. :meth:`read` then decides it by names and values, bulk expression by the
        genes it shares with the cells.
    whole
        For formats that hold more than a matrix: all of it, for a conversion.
    samples
        For formats that hold several samples: their names, by which ``load_sample`` picks one. Without a choice
        :mod:`scgnn2_engine.io.samples.given` joins them all.
    about
        What the page of formats says of it.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    recognises: Callable[[Start], bool]
    reader: Callable[[Path, LoadParams, float], Found] | None = None
    chooses: frozenset[str] = frozenset()
    table: Callable[[Path, float, bool], Table] | None = None
    whole: Callable[[Path, LoadParams], Whole] | None = None
    samples: Callable[[Path], tuple[str, ...]] | None = None
    about: About | None = None

    def read(self, path: Path, load: LoadParams, max_memory: float, *, negatives: bool = False) -> Found:
        """One matrix with rows that are cells; of tables also with negative values, where these are wanted."""
        if self.table is not None:
            return from_table(self.table(path, max_memory, negatives), str(path), load)
        assert self.reader is not None
        return self.reader(path, load, max_memory)
