"""Small pictures of the cell graph after each iteration, drawn straight into pixels."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scgnn2_app.results.quick_map import positions
from scgnn2_app.runs.snapshots import Snapshot, load_iteration
from scgnn2_engine.plots.style import cluster_colour

SIDE = 132  # pixels
MOST_EDGES, STEPS = 4000, 64


def picture(snapshot: Snapshot, side: int = SIDE, dark: bool = False) -> npt.NDArray[np.uint8]:
    """(side, side, 4) RGBA: edges grey, cells in the colour of their cluster, transparent elsewhere."""
    margin = 4
    pixels = np.rint(positions(snapshot.graph_embedding) * (side - 1 - 2 * margin)).astype(int) + margin
    image = np.zeros((side, side, 4), dtype=np.uint8)
    every = max(1, snapshot.edges.shape[1] // MOST_EDGES)
    start, end = pixels[snapshot.edges[0, ::every]], pixels[snapshot.edges[1, ::every]]
    if len(start):
        share = np.linspace(0, 1, STEPS)[:, None, None]
        along = np.rint(start + (end - start) * share).astype(int).reshape(-1, 2)
        passed = np.bincount(along[:, 1] * side + along[:, 0], minlength=side * side).reshape(side, side)
        shown = passed > 0
        image[shown, :3] = 140
        image[shown, 3] = np.minimum(150, 25 + 30 * np.log1p(passed[shown])).astype(np.uint8)
    colours = np.array([_rgb(cluster_colour(int(cluster), dark)) for cluster in snapshot.labels], dtype=np.uint8)
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = np.minimum(pixels[:, 0] + dx, side - 1), np.minimum(pixels[:, 1] + dy, side - 1)
            image[y, x, :3] = colours
            image[y, x, 3] = 255
    return image[::-1]


@lru_cache(maxsize=256)
def as_data_uri(folder: Path, iteration: int, dark: bool = False) -> tuple[str, int]:
    """The picture of an iteration for a light or dark page as a ``data:`` address, and its number of clusters.

    Raises
    ------
    InputError
        The iteration has no snapshot.
    """
    from PIL import Image

    snapshot = load_iteration(folder, iteration)
    file = io.BytesIO()
    Image.fromarray(picture(snapshot, dark=dark), "RGBA").save(file, format="PNG", optimize=True)
    text = base64.b64encode(file.getvalue()).decode("ascii")
    return f"data:image/png;base64,{text}", len(np.unique(snapshot.labels))


@lru_cache(maxsize=512)
def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
