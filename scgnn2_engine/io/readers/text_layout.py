"""How a table of text is laid out: what its first lines say about comments, separator, header, names and columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.evidence.annotation_axes import annotation_columns, counter_rows
from scgnn2_engine.io.evidence.orientation import is_gene_symbol
from scgnn2_engine.io.names import Names, listed
from scgnn2_engine.io.readers.text_lines import (
    are_numbers,
    behind_last,
    separator_of,
    split_line,
    without_single_quotes,
)
from scgnn2_engine.io.readers.text_marks import NUMBER, marked_numbers

_CORNER = re.compile(
    r".*(gene|symbol|cell|barcode|feature|ensembl|entrez|probe|sample|transcript|index|unnamed|name|locus|ident|spot"
    r"|cluster|donor|patient|observation).*|(.*[_. ])?(ids?|x|row|rows|obs|var|key|well|umi|#|no|nr)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Layout:
    """What is where in a table of text.

    Attributes
    ----------
    separator
        One character; of spaces, several count as one.
    n_fields
        Fields of each row.
    names
        The field with the name of the row.
    values
        (n_columns,) the fields that are numbers, in order.
    columns
        (n_columns,) what the header calls them.
    texts
        The fields that describe the row, by what the header calls them.
    blanks
        Fields that are empty in every row, because rows end with a separator.
    comma
        What a comma within a number is: ``"decimal"``, ``"thousands"``, or ``""`` where there is to be none.
    has_header
        Whether the first line holds names; without it, columns are called by their place.
    single_quotes
        Whether names stand between single quotes, which are no part of them.
    """

    separator: str
    n_fields: int
    names: int
    values: npt.NDArray[np.int64]
    columns: Names
    corner: str
    texts: dict[str, int]
    blanks: tuple[int, ...] = ()
    comma: str = ""
    has_header: bool = True
    single_quotes: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def layout_of(path: Path, header_line: bytes, rows: Sequence[bytes], comma: str = "") -> Layout:
    """Tell the layout of a table by its header and its first rows.

    Parameters
    ----------
    path
        The file, for messages and for the name of a single column that has none.
    header_line
        The first line that is no comment, without its break.
    rows
        The lines after it, some tens of them, at least one.

    Raises
    ------
    InputError
        There is one column, the names are ambiguous, there is no header where one is needed, or it is a list of
        (gene, cell, count) and no matrix.
    """
    separator = separator_of(header_line.removeprefix(b"#"), rows)
    header = split_line(header_line.removeprefix(b"#"), separator)
    fields = [split_line(row, separator) for row in rows]
    quoted = _in_single_quotes(header, fields)
    if quoted:
        header, *fields = ([without_single_quotes(field) for field in row] for row in (header, *fields))
    found = len(fields[0])
    sample = [row for row in fields if len(row) == found]
    behind = behind_last(header, sample)
    said = [f"The rows end with {_separators(behind)}, behind which there is nothing."] if behind else []
    blanks = tuple(range(found - behind, found))
    found -= behind
    corner, columns = _header(path, header, found, bool(blanks), said)
    if not columns:
        raise InputError(
            f"{path} has a single column.",
            expected="names, then one column for each cell or gene",
            found=f"the header {header_line[:60].decode()!r}",
            advice="Separate columns by commas or tabs.",
        )
    layout = Layout(
        separator,
        found + len(blanks),
        0,
        np.arange(1, found),
        np.asarray(columns, dtype=np.str_),
        corner,
        {},
        blanks,
        comma,
        notes=tuple(said),
        single_quotes=quoted,
    )
    if len(columns) != found - 1:  # ragged, which is said with its line
        return replace(layout, n_fields=len(columns) + 1, values=np.arange(1, len(columns) + 1), blanks=())
    sample = [row[:found] for row in sample]
    if _is_row(corner, columns, sample):
        layout = _without_header(path, layout, corner, sample)
    _refuse_list(path, layout, sample)
    return _with_texts(_renamed(layout, sample), sample)


def _in_single_quotes(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    names = [*(name for name in header if name), *(row[0] for row in rows)]
    return bool(names) and all(without_single_quotes(name) != name for name in names)


def _separators(count: int) -> str:
    return "a separator" if count == 1 else f"{count} separators"


def called_by_values(path: Path, corner: str, names: Sequence[str]) -> None:
    """Refuse a table without a column of names, whose first gene would be taken for the names of the cells.

    Numbers may be names, as long as each stands once and the header does not call their column by a gene.
    """
    if not corner or not all(NUMBER.fullmatch(name) for name in names):
        return
    repeated = next((name for name, times in Counter(names).items() if times > 1), None)
    if repeated is None and not is_gene_symbol(corner):
        return
    repeats = f"numbers that repeat (such as {repeated})" if repeated is not None else "numbers alone"
    raise InputError(
        f"{path} has no names in its first column.",
        expected="a first column of names",
        found=f"{repeats} under {corner!r}",
        advice="Write the names into the file (pandas: to_csv with index=True); numbers that are names must each "
        "stand once, under a header that is not a gene.",
    )


def _header(path: Path, header: list[str], found: int, trailing: bool, said: list[str]) -> tuple[str, list[str]]:
    """The corner and the names of the columns, of rows with so many fields."""
    surplus = len(header) - found
    if surplus > 0 and not any(header[found:]):
        which = "header and the rows end" if trailing else "header ends"
        said[:] = [f"The {which} with {_separators(surplus)}, behind which there is nothing."]
        header, surplus = header[:found], 0
    if surplus == -1:  # R's form
        return "", header
    if surplus == 0 and (trailing or not header[-1]) and header[0] and not _CORNER.fullmatch(header[0]):
        raise InputError(
            f"Lines of {path} end with an empty field, and its header may begin with the name of a column or not.",
            expected="as many names in the header as fields in the rows",
            found=f"{len(header)} names that begin with {header[0]!r}, and rows of {found} fields",
            advice="Remove the separator at the end of the lines, or give the column of names a header such as gene.",
        )
    return header[0], header[1:]


def _is_row(corner: str, columns: list[str], sample: list[list[str]]) -> bool:
    """Whether the first line holds values and not names: numbers that cannot be names, behind a name like the others.

    Numbers are names behind a corner that is empty or says what is below it (``gene``), and in R's form.
    """
    numeric = [at for at in range(len(columns)) if all(NUMBER.fullmatch(row[at + 1]) for row in sample)]
    values = [columns[at] for at in numeric]
    if not values or numeric != list(range(numeric[0], len(columns))):
        return False
    if not all(NUMBER.fullmatch(value) for value in values) or not corner:
        return False
    if len(set(values)) < len(values) or any(not value.isdigit() for value in values):
        return True  # no names: they repeat, or are fractions
    alike = {_form(row[0]) for row in sample}
    if is_gene_symbol(corner) or counter_rows([corner]) or (_form(corner) in alike and re.search(r"\d", corner)):
        return True
    return not (_CORNER.fullmatch(corner) or _running(values))


def _form(name: str) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d+", "0", name))


def _running(values: Sequence[str]) -> bool:
    return len(values) > 1 and all(int(b) - int(a) == 1 for a, b in pairwise(values))


def _without_header(path: Path, layout: Layout, corner: str, sample: list[list[str]]) -> Layout:
    names = [corner, *(row[0] for row in sample)]
    if all(NUMBER.fullmatch(name) for name in names):
        found = "numbers in every field of the first lines"
        advice = "Write the names into it (pandas: DataFrame(x, cells, genes).to_csv), or give an h5ad."
        raise InputError(
            f"{path} holds numbers without names.", expected="names in row and column", found=found, advice=advice
        )
    if sum(is_gene_symbol(name) for name in names) * 2 < len(names) and not counter_rows(names):
        raise InputError(
            f"{path} has no header: its first line holds values.",
            expected="names in the first line",
            found=f"{corner!r} and {listed(layout.columns, 3)}",
            advice="Write a first line with the names of the columns (htseq-count: --with-header; pandas: to_csv with "
            "header=True).",
        )
    width = len(layout.columns)
    stem = path.name.split(".")[0]
    columns = [stem] if width == 1 else [f"cell_{place}" for place in range(1, width + 1)]
    called = (
        f"its one column is called {stem}, as the file" if width == 1 else f"cells are called cell_1 to cell_{width}"
    )
    warning = f"{path} has no header, so that {called}, in the order of its columns."
    return replace(
        layout,
        columns=np.asarray(columns, dtype=np.str_),
        corner="",
        has_header=False,
        warnings=(*layout.warnings, warning),
    )


def _refuse_list(path: Path, layout: Layout, sample: list[list[str]]) -> None:
    """Refuse a list of genes, cells and counts, a line for each entry: as a matrix it would have one column."""
    width = len(layout.columns)
    if not 2 <= width <= 3 or len(sample) < 3:
        return
    texts = [at for at in range(width + 1) if not are_numbers([row[at] for row in sample])]
    repeats = [len({row[at] for row in sample}) < len(sample) for at in texts]
    names = [layout.corner, *(str(name) for name in layout.columns)]
    words = [re.findall("gene|feature|cell|barcode", names[at].lower()) for at in texts]
    told = len({word[-1] in ("gene", "feature") for word in words if word}) == 2
    if width + 1 - len(texts) == 1 and len(texts) >= 2 and (told or (all(repeats) and len(texts) == 2)):
        count = next(names[at] for at in range(width + 1) if at not in texts)
        raise InputError(
            f"{path} is a list with a line for each entry, not a matrix.",
            expected="a row for each gene and a column for each cell, or the other way round",
            found=f"the columns {', '.join(names)}",
            advice=f"Turn it into a matrix: pandas.read_csv(FILE, sep={layout.separator!r}).pivot_table(index="
            f"{names[texts[0]]!r}, columns={names[texts[1]]!r}, values={count!r}, aggfunc='sum', fill_value=0)"
            ".to_csv(NEW)",
        )


def _renamed(layout: Layout, sample: list[list[str]]) -> Layout:
    """Take the names from the second column where the first one only numbers the rows and the second one is text."""
    first, second = [row[0] for row in sample], [row[1] for row in sample]
    numbered = len(sample) > 2 and all(name.isdigit() for name in first) and _running(first) and first[0] in ("0", "1")
    if not numbered or len(layout.columns) < 2 or any(NUMBER.fullmatch(name) or not name for name in second):
        return layout
    if len(set(second)) < len(second):
        return layout
    note = f"Rows are called by the column {str(layout.columns[0])!r}; the one before it numbers them."
    return replace(
        layout,
        names=1,
        values=layout.values[1:],
        columns=layout.columns[1:],
        corner=str(layout.columns[0]),
        texts={},
        notes=(*layout.notes, note),
    )


def _with_texts(layout: Layout, sample: list[list[str]]) -> Layout:
    """Set the columns apart that describe the rows."""
    rows = [[row[at] for at in layout.values] for row in sample]
    found = annotation_columns([str(name) for name in layout.columns], rows)
    found = [at for at in found if not marked_numbers([row[at] for row in rows])]  # numbers, to be refused as such
    if not found or len(found) == len(layout.columns):
        return layout
    kept = np.setdiff1d(np.arange(len(layout.columns)), found)
    texts: dict[str, int] = {}
    for at in found:
        name, field = str(layout.columns[at]), int(layout.values[at])
        texts[name if name and name not in texts else f"{name} (field {field + 1})".strip()] = field
    return replace(layout, values=layout.values[kept], columns=layout.columns[kept], texts=texts)
