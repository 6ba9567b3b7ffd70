"""A link is a view: what one user looks at, as the query of an address, and back."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import whole_file

FIELDS = ("run", "tab", "gene", "colour", "clusters", "zoom", "cells")
"""The names in the address."""

LONGEST = 1000
"""Characters of a selection in the address, which every browser and mail program takes; a longer one is kept beside
the run, and the address names it."""

KEPT = "selections"
"""The folder beside the run."""

_STORED = re.compile(r"~[0-9a-f]{32}")


@dataclass(frozen=True)
class MapView:
    """How the map of the cells is looked at.

    Attributes
    ----------
    colour
        What the cells are coloured by, ``""`` where nobody chose.
    clusters
        Number of clusters that the tree is cut into; 0: those of the run.
    zoom
        Ends of what is seen, ``(x0, x1, y0, y1)``; empty: the whole map.
    """

    colour: str = ""
    clusters: int = 0
    zoom: tuple[float, ...] = ()


def map_view_of(query: Mapping[str, str]) -> MapView:
    """The view of the map that an address names.

    Parameters
    ----------
    query
        The fields of the address.

    Raises
    ------
    InputError
        A field cannot be read; it is named.

    Examples
    --------
    >>> map_view_of({"colour": "label", "clusters": "4", "zoom": "0,1.5,-2,2"})
    MapView(colour='label', clusters=4, zoom=(0.0, 1.5, -2.0, 2.0))
    """
    clusters, ends = query.get("clusters", "0"), query.get("zoom", "")
    if not (clusters.isascii() and clusters.isdigit() and len(clusters) < 8):
        raise _unread("clusters", "a whole number", clusters)
    try:
        zoom = tuple(float(end) for end in ends.split(",")) if ends else ()
    except ValueError as error:
        raise _unread("zoom", "four numbers", ends) from error
    if zoom and not (
        len(zoom) == 4 and all(math.isfinite(end) for end in zoom) and zoom[0] < zoom[1] and zoom[2] < zoom[3]
    ):
        raise _unread("zoom", "four numbers x0,x1,y0,y1 with x0 < x1 and y0 < y1", ends)
    return MapView(query.get("colour", ""), int(clusters), zoom)


def query_of(view: MapView) -> dict[str, str]:
    """The fields of a view of the map in an address; :func:`map_view_of` reads them.

    Examples
    --------
    >>> query_of(MapView("label", 4, (0.0, 1.5, -2.0, 2.0)))
    {'colour': 'label', 'clusters': '4', 'zoom': '0.0,1.5,-2.0,2.0'}
    """
    zoom = ",".join(repr(float(end)) for end in view.zoom)
    fields = {"colour": view.colour, "clusters": str(view.clusters or ""), "zoom": zoom}
    return {name: text for name, text in fields.items() if text}


def written(cells: npt.NDArray[np.int64], n_obs: int, folder: Path) -> str:
    """A selection as text for an address: a bit for each cell, packed; a long one is kept in the folder of its run.

    Parameters
    ----------
    cells
        (n,) positions of the selected cells, ascending.
    n_obs
        Cells of the run.
    folder
        The run's.

    Raises
    ------
    OSError, OutputError
        A long selection cannot be kept.

    Examples
    --------
    >>> read(written(np.array([1, 5]), 60, Path()), 60, Path()).tolist()
    [1, 5]
    """
    bits = np.zeros(n_obs, dtype=bool)
    bits[cells] = True
    text = base64.urlsafe_b64encode(zlib.compress(np.packbits(bits).tobytes(), 9)).decode().rstrip("=")
    if len(text) <= LONGEST:
        return text
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    path = folder / KEPT / f"{name}.txt"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(text)
    return f"~{name}"


def read(text: str, n_obs: int, folder: Path) -> npt.NDArray[np.int64]:
    """(n,) ascending positions of the cells that :func:`written` wrote down.

    Parameters
    ----------
    text
        From the address.
    n_obs, folder
        Cells of the run, and where it lies.

    Raises
    ------
    InputError
        It is no selection, one of other cells, or one that is no longer kept.
    """
    if _STORED.fullmatch(text):
        try:
            text = (folder / KEPT / f"{text[1:]}.txt").read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                "The selection of this link is no longer kept beside the run.", advice="Ask for a new link."
            ) from error
    n_bytes, unpacker = (n_obs + 7) // 8, zlib.decompressobj()
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        raw = unpacker.decompress(packed, n_bytes + 1)
    except (ValueError, zlib.error) as error:
        raise _unread("cells", "a selection as Copy link writes it", text) from error
    bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8))
    if not unpacker.eof or len(raw) != n_bytes or bits[n_obs:].any():
        raise InputError(
            "The selection of this link is one of another number of cells.",
            expected=f"a selection among {n_obs:,} cells",
            advice="The link was changed, or its run was run again; nothing is selected.",
        )
    return np.flatnonzero(bits).astype(np.int64)


def _unread(name: str, expected: str, found: str) -> InputError:
    return InputError(
        f"The link says {name}={found[:60]}, which cannot be read.",
        expected=expected,
        advice="The rest of it is shown.",
    )
