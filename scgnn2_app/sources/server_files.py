"""The files of the server that a page may show and a run may read: those under the allowed folders, links resolved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scgnn2_app.sources.source import require_inside
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.formats import suffixes

READABLE = suffixes()
"""How names of files end that a run can read, in lower case."""

_IN_FOLDERS = (
    *(f".mtx{packed}" for packed in ("", ".gz", ".bz2", ".xz", ".zst")),
    *(".zgroup", "zarr.json", "quants_mat.gz"),
)
"""How names of files end by which a folder is told to be data: a count matrix, an AnnData as zarr, alevin's."""


@dataclass(frozen=True)
class Entry:
    """A file or folder to choose from.

    Attributes
    ----------
    name
        Its name in the folder.
    path
        Absolute, links resolved.
    is_folder
        It can be opened.
    size
        Bytes; 0 for folders.
    """

    name: str
    path: Path
    is_folder: bool
    size: int


def browse(folder: str | Path, roots: Sequence[Path], *, most: int = 2000) -> list[Entry]:
    """What is in a folder of the server: folders first, then the files that a run can read, by name.

    Hidden files are left out, and so are links that lead out of the allowed folders.

    Parameters
    ----------
    folder
        Absolute, or relative to the first of ``roots``.
    roots
        The allowed folders.
    most
        Largest number of entries.

    Raises
    ------
    InputError
        The folder lies outside the allowed ones, is none, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> root = Path(tempfile.mkdtemp())
    >>> (root / "counts.csv").write_text("gene,cell") and (root / "secret.key").write_text("x")
    1
    >>> [entry.name for entry in browse(root, [root])]
    ['counts.csv']
    """
    path = Path(folder)
    if not path.is_absolute() and roots:
        path = roots[0] / path
    path = require_inside(path, roots)
    try:
        entries = [_entry(child, roots) for child in sorted(path.iterdir(), key=lambda child: child.name.lower())]
    except OSError as error:
        raise InputError(
            f"{path} cannot be opened: {error.strerror or error}.",
            expected="a folder",
            advice="Check the path, or choose from the list of a folder above it.",
        ) from error
    shown = [entry for entry in entries if entry is not None]
    return sorted(shown, key=lambda entry: not entry.is_folder)[:most]


def _entry(path: Path, roots: Sequence[Path]) -> Entry | None:
    if path.name.startswith("."):
        return None
    try:
        resolved = require_inside(path, roots)
        if resolved.is_dir():
            return Entry(path.name, resolved, True, 0)
        if resolved.is_file() and path.name.lower().endswith(READABLE):
            return Entry(path.name, resolved, False, resolved.stat().st_size)
    except (InputError, OSError, RuntimeError):  # leads out, may not be read, or is a circle of links
        return None
    return None


def holds_data(folder: Path) -> bool:
    """Whether a matrix lies in the folder itself; what lies deeper is found when it is chosen."""
    try:
        return any(child.name.lower().endswith(_IN_FOLDERS) for child in folder.iterdir())
    except OSError:  # no right to look into it: that is said when it is opened
        return False
