"""How the page looks: one palette for light and dark, the same colours in widgets and figures."""

from __future__ import annotations

from functools import cache
from typing import Any

from scgnn2_engine.plots import palette

PRIMARY, ACCENT = "#005a9c", "#a04000"
"""On white both have a contrast of more than 4.5 : 1 (WCAG AA)."""

THEME: dict[str, Any] = {
    "light": {
        "palette": {
            "primary": {"main": PRIMARY},
            "secondary": {"main": ACCENT},
            "success": {"main": "#1b6e3c"},
            "error": {"main": "#b00020"},
            "warning": {"main": "#8a5000"},
        },
        "typography": {"fontSize": 13},
    },
    "dark": {
        "palette": {
            "primary": {"main": "#7cc0ff"},
            "secondary": {"main": "#ffb37a"},
            "success": {"main": "#6fcf97"},
            "error": {"main": "#ff8a80"},
            "warning": {"main": "#ffc069"},
            # Arrows, plus and minus have the colour "dark", which is as good as that of the page unless it is set.
            "default": {"main": "#9e9e9e", "light": "#424242", "dark": "#c8c8c8", "contrastText": "#ffffff"},
        },
        "typography": {"fontSize": 13},
    },
}
"""Themes of panel-material-ui, by mode."""

CHARTS = {"display": "grid", "grid-template-columns": "repeat(auto-fit, minmax(290px, 1fr))", "gap": "4px"}
"""Style of a column whose charts stand side by side as far as there is room."""

TABLE = ".tabulator, .tabulator .tabulator-col, .tabulator-row .tabulator-cell { font-size: 13px !important; }"
"""Stylesheet of a table."""

LEAST_CONTRAST = 3.0
"""Of a line or a dot with what it is drawn on (WCAG 2, 1.4.11)."""

SMALL = {"font-size": "12px"}
"""Style of a figure: panel-material-ui measures its text by it."""

NO_SCROLL_BUTTON = ".scroll-button { display: none; }"
"""Stylesheet of such a column: Panel's hidden button would take the first place of the grid."""

STATES = {
    "queued": "default",
    "running": "primary",
    "stopping": "warning",
    "stopped": "warning",
    "failed": "error",
    "done": "success",
}
"""Colour of a run's state."""


def colours(dark: bool) -> dict[str, str]:
    """Ink, muted ink, grid and background of a figure."""
    if dark:
        return {"ink": "#e8e8e8", "muted": "#b0b0b0", "grid": "#3c3c3c", "paper": "#1e1e1e"}
    return {"ink": "#222222", "muted": "#595959", "grid": "#e3e3e3", "paper": "#ffffff"}


def paint(plot: Any, dark: bool) -> None:
    """Give a bokeh figure the colours of the page."""
    chosen = colours(dark)
    plot.background_fill_color = plot.border_fill_color = chosen["paper"]
    plot.outline_line_color = chosen["grid"]
    plot.title.text_color = chosen["ink"]
    for axis in plot.axis:
        axis.axis_label_text_color = axis.major_label_text_color = chosen["ink"]
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = chosen["muted"]
    for grid in plot.grid:
        grid.grid_line_color = chosen["grid"]
    for legend in plot.legend:
        legend.label_text_color = chosen["ink"]
        legend.background_fill_color = chosen["paper"]
        legend.background_fill_alpha = 0.7
        legend.border_line_color = None


def cluster_colour(cluster: int, dark: bool = False) -> str:
    """The colour of a cluster's number: on white as in every figure of the engine, on the dark page :func:`seen`."""
    return seen(palette(256)[cluster % 256], dark)


@cache
def seen(colour: str, dark: bool) -> str:
    """A group's colour on the page: on the dark one, what would vanish has so much white mixed in that it is seen.

    White keeps the hue; brighter shades of the same strength would be like other colours of the palette.

    Examples
    --------
    >>> seen("#332288", dark=False), seen("#332288", dark=True), seen("#e69f00", dark=True)
    ('#332288', '#6a5ea8', '#e69f00')
    """
    paper = luminance(colours(dark)["paper"])
    if not dark or contrast(luminance(colour), paper) >= LEAST_CONTRAST:
        return colour
    shares = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    mixed = ("#" + "".join(f"{round(share + (255 - share) * white / 100):02x}" for share in shares)
             for white in range(101))  # fmt: skip
    return next(shade for shade in mixed if contrast(luminance(shade), paper) >= LEAST_CONTRAST)


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, 0 to 1 (WCAG 2)."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    """Contrast of two luminances, 1 to 21."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)
