"""The colours of all figures, on white and on a dark page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np

from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import MissingPackageError

COLOUR_BLIND_SAFE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#7f6000", "#332288")
"""Okabe & Ito 2008 without black and yellow (too pale on white), and two dark colours told apart from them."""

LEAST_CONTRAST = 3.0
"""Of a line or a dot with what it is drawn on (WCAG 2, 1.4.11)."""

EDGE, EMPTY = "#a3a9b5", "#d3d6da"


def check_packages() -> None:
    """See that what figures need is there.

    Raises
    ------
    MissingPackageError
        It is not installed; the message names the extra that brings it.
    """
    try:
        import bokeh  # noqa: F401
        import colorcet  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "Figures need the packages bokeh, colorcet and matplotlib.",
            found=f"{error.name or 'a package'} is not installed",
            advice='Install it with: pip install "scgnn2[app]", or run with output_figures off.',
        ) from error


_LEAST_SEEN = 24
"""Of the 256 colours of a ramp from white, the first that is seen as a point on white."""


@cache
def ramp(name: str) -> tuple[str, ...]:
    """Colours of numbers, light to dark with even steps of lightness: darker is larger, also in print.

    ``magma`` is for tables and trials; ``cells`` is for cells on a map: Kovesi's linear L17 (2015) from straw, on
    white paper, through orange and purple to blue, so that cells without a gene step back behind those that have it.

    Examples
    --------
    >>> ramp("magma")[0], ramp("cells")[0], ramp("cells")[-1]
    ('#FBFCBF', '#f2ecbc', '#002aa7')
    """
    import colorcet
    from bokeh import palettes

    if name == "cells":
        return tuple(colorcet.CET_L17[_LEAST_SEEN:])
    return tuple(reversed(palettes.Magma256 if name == "magma" else palettes.Viridis256))


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
    colours = _distinct_colours()
    return tuple(colours[index % len(colours)] for index in range(n_colours))


@cache
def _distinct_colours() -> tuple[str, ...]:
    import colorcet

    chosen = list(COLOUR_BLIND_SAFE)
    channels = np.array([_channels(colour) for colour in chosen], dtype=float)
    for candidate in colorcet.b_glasbey_bw_minc_20_maxl_70:
        new = np.array([_channels(candidate)], dtype=float)
        if (_differences(new, channels) > 40).all():
            chosen.append(candidate)
            channels = np.concatenate([channels, new])
    return tuple(chosen)


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


def inks(dark: bool) -> dict[str, str]:
    """The colours of what is no data, by name: ink, muted ink, grid and paper."""
    if dark:
        return {"ink": "#e8e8e8", "muted": "#b0b0b0", "grid": "#3c3c3c", "paper": "#1e1e1e"}
    return {"ink": "#222222", "muted": "#595959", "grid": "#e3e3e3", "paper": "#ffffff"}


def cluster_colour(cluster: int, dark: bool = False) -> str:
    """The colour of a cluster's number, as it is :func:`seen` on the page."""
    return seen(palette(256)[cluster % 256], dark)


@cache
def seen(colour: str, dark: bool) -> str:
    """A colour on the page, or one of :func:`inks` by its name.

    On the dark page what would vanish has so much white mixed in that it is seen. White keeps the hue; brighter
    shades of the same strength would be like other colours of the palette.

    Examples
    --------
    >>> seen("#332288", dark=False), seen("#332288", dark=True), seen("#e69f00", dark=True), seen("ink", dark=False)
    ('#332288', '#6a5ea8', '#e69f00', '#222222')
    """
    if not colour.startswith("#"):
        return inks(dark)[colour]
    paper = luminance(inks(dark)["paper"])
    if not dark or contrast(luminance(colour), paper) >= LEAST_CONTRAST:
        return colour
    shares = _channels(colour)
    mixed = ("#" + "".join(f"{round(share + (255 - share) * white / 100):02x}" for share in shares)
             for white in range(101))  # fmt: skip
    return next(shade for shade in mixed if contrast(luminance(shade), paper) >= LEAST_CONTRAST)


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, 0 to 1 (WCAG 2)."""
    linear = [
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in _channels(colour))
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    """Contrast of two luminances, 1 to 21."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def _channels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _differences(first: Floats, second: Floats) -> Floats:
    """Weighted distances in RGB ("redmean"), a cheap stand-in for the difference people see; 0 to about 765."""
    red = (first[:, 0] + second[:, 0]) / 2
    weights = np.stack([2 + red / 256, np.full_like(red, 4), 2 + (255 - red) / 256], axis=1)
    return np.asarray(np.sqrt((weights * (first - second) ** 2).sum(axis=1)))
