"""What all figures share: the palette, the lazy import of HoloViews, sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from scgnn2_engine.errors import MissingPackageError

COLOUR_BLIND_SAFE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#7f6000", "#332288")
"""Okabe & Ito 2008 without black and yellow (too pale on white), and two dark colours told apart from them."""

INK, MUTED, EDGE = "#222222", "#666666", "#a3a9b5"
SEQUENTIAL = "magma_r"  # light to dark with even steps of lightness: darker is larger, also in print


def holoviews(backends: Iterable[str] = ("bokeh", "matplotlib")) -> Any:
    """The module holoviews with its backends loaded.

    Raises
    ------
    MissingPackageError
        It is not installed; the message names the extra that brings it.
    """
    try:
        import holoviews as hv

        for backend in backends:
            if backend not in hv.Store.renderers:
                hv.renderer(backend)
    except ImportError as error:
        raise MissingPackageError(
            "Figures need the package holoviews.",
            found=f"{error.name or 'a package'} is not installed",
            advice='Install it with: pip install "scgnn2[app]", or run with output_figures off.',
        ) from error
    return hv


@cache
def palette(n_colours: int) -> tuple[str, ...]:
    """Distinct colours; the first ones stay the same however many are asked for.

    The first eight are safe for the common forms of colour blindness; the others are colorcet's Glasbey colours
    (Kovesi 2015), those too like an earlier one or too pale on white left out. Beyond them colours repeat.

    Examples
    --------
    >>> palette(2), palette(300)[:2] == palette(2), len(set(palette(60)))
    (('#0072b2', '#e69f00'), True, 60)
    """
    import colorcet

    chosen = list(COLOUR_BLIND_SAFE)
    for candidate in colorcet.b_glasbey_bw_minc_20_maxl_70:
        if all(_difference(candidate, colour) > 40 for colour in chosen):
            chosen.append(candidate)
    return tuple(chosen[index % len(chosen)] for index in range(n_colours))


def cluster_colours(labels: Iterable[Any]) -> dict[str, str]:
    """A colour for every label, by its place in natural order; cluster 3 has the same colour in every figure.

    Whole numbers take the colour of their number, so a cluster that is empty in one iteration shifts no colour.
    """
    names = natural_order(str(label) for label in labels)
    if all(name.isdigit() for name in names):
        return {name: palette(256)[int(name) % 256] for name in names}
    return dict(zip(names, palette(len(names)), strict=True))


def natural_order(names: Iterable[str]) -> list[str]:
    """Distinct names sorted as people do.

    Examples
    --------
    >>> natural_order(["c10", "c9", "c9"])
    ['c9', 'c10']
    """
    return sorted(
        set(names),
        key=lambda name: [
            (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part
        ],
    )


def _difference(first: str, second: str) -> float:
    """Weighted distance in RGB ("redmean"), a cheap stand-in for the difference people see; 0 to about 765."""
    a, b = (np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], dtype=float) for colour in (first, second))
    red = (a[0] + b[0]) / 2
    return float(np.sqrt(np.array([2 + red / 256, 4, 2 + (255 - red) / 256]) @ (a - b) ** 2))
