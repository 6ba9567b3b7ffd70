"""What a picture shows before it is on any canvas: marks in the units of the data, and the frame around them.

The functions of this folder make charts of arrays; :mod:`~scgnn2_engine.plots.on_matplotlib` (PNG, SVG) and
:mod:`~scgnn2_engine.plots.on_bokeh` (HTML, the page) draw them. Colours are ``#rrggbb`` or one of the names of
:func:`~scgnn2_engine.plots.style.inks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy.typing as npt

Column = Sequence[Any] | npt.NDArray[Any]
Limits = tuple[float, float]
Dash = Literal["solid", "dashed", "dotted"]


@dataclass(frozen=True)
class Scale:
    """Colours of numbers from ``low`` to ``high``; with a title a bar of them stands beside the chart."""

    low: float
    high: float
    colours: tuple[str, ...]
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What all marks have.

    Attributes
    ----------
    name
        By it a canvas knows the mark again when the chart changes; unique within a chart.
    label
        In the legend, together with other marks of that label.
    tips
        What the pointer is told: a title to a value for each part of the mark, or to the name of a column of the
        mark or of another tip. A title that begins with "_" is not shown. Of few kinds of words, which are many, a
        :class:`pandas.Categorical` is quickest.
    right
        Whether it is measured by the axis on the right.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = ("x", "y")

    name: str = ""
    label: str = ""
    tips: Mapping[str, str | Column] = field(default_factory=dict)
    right: bool = False


@dataclass(frozen=True, kw_only=True)
class Line(Mark):
    """A line through points; NaN breaks it, ``step`` keeps each height up to the next point."""

    x: Column
    y: Column
    colour: str = "ink"
    width: float = 1.5
    dash: Dash = "solid"
    step: bool = False


@dataclass(frozen=True, kw_only=True)
class Points(Mark):
    """Dots of ``size`` pixels, of one colour, a colour each, or coloured by ``values`` on the scale of the chart."""

    COLUMNS = ("x", "y", "values")

    x: Column
    y: Column
    colour: str | Sequence[str] = "ink"
    values: Column | None = None
    size: float = 6.0
    alpha: float = 1.0
    outlined: bool = False


@dataclass(frozen=True, kw_only=True)
class Shapes(Mark):
    """Filled outlines, each its x and y; ``pick`` lets a click choose one."""

    x: Sequence[Column]
    y: Sequence[Column]
    colour: Sequence[str]
    alpha: float | Sequence[float] = 1.0
    outline: str | None = None
    pick: bool = False


@dataclass(frozen=True, kw_only=True)
class Segments(Mark):
    """Straight lines from (x0, y0) to (x1, y1), each of its width in pixels."""

    COLUMNS = ("x0", "y0", "x1", "y1")

    x0: Column
    y0: Column
    x1: Column
    y1: Column
    colour: str = "ink"
    width: Column | float = 1.0
    alpha: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Lines(Mark):
    """Many lines coloured by a value each."""

    COLUMNS = ("x", "y", "values")

    x: Sequence[Column]
    y: Sequence[Column]
    values: Column


@dataclass(frozen=True, kw_only=True)
class Texts(Mark):
    """Words at places; ``boxed`` on the colour of the paper, ``align`` is the side of the place they stand on."""

    COLUMNS = ("x", "y", "text", "align")

    x: Column
    y: Column
    text: Sequence[str]
    align: Sequence[str]
    size: float = 9.0
    bold: bool = False
    boxed: bool = False


@dataclass(frozen=True, kw_only=True)
class Image(Mark):
    """A table of values between two places on each axis, its first row on top; NaN is grey.

    With ``colours`` the values are bytes, places in them, and the first row is the lowest. Otherwise ``rows`` are the
    names of the rows, for the pointer, and ``nothing`` what it is told of a NaN.
    """

    COLUMNS = ()

    values: npt.NDArray[Any]
    x: Limits
    y: Limits
    rows: Sequence[str] = ()
    nothing: str = "no value"
    colours: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Rule(Mark):
    """A dashed line across the whole chart: upright at x, or level at y."""

    x: float | None = None
    y: float | None = None


def _as_png(figure: Any) -> bytes:
    """What a notebook shows of a chart."""
    from scgnn2_engine.plots.saving import drawn

    return drawn(figure, "png")


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Marks from the lowest to the uppermost, and the axes around them.

    Attributes
    ----------
    x_limits, y_limits, right_limits
        What the axes span; None: what the marks need.
    x_ticks, y_ticks
        Places to what stands there; None: as the canvas thinks best.
    x_whole, y_whole, x_log, y_log
        Whether an axis is of whole numbers, and whether it is logarithmic.
    scale
        Of the marks that have values.
    legend
        Where the labels of the marks stand.
    size
        Width and height in pixels (of 1/96 inch), where the page does not say otherwise.
    axes
        Off: the marks alone.
    names_level
        Whether what stands at the x axis is level however little room there is.
    """

    marks: Sequence[Mark] = ()
    title: str = ""
    x_label: str = ""
    y_label: str = ""
    right_label: str = ""
    x_limits: Limits | None = None
    y_limits: Limits | None = None
    right_limits: Limits | None = None
    x_ticks: Mapping[float, str] | None = None
    y_ticks: Mapping[float, str] | None = None
    x_whole: bool = False
    y_whole: bool = False
    x_log: bool = False
    y_log: bool = False
    scale: Scale | None = None
    legend: Literal["above", "right"] = "above"
    size: tuple[int, int] = (430, 340)
    axes: bool = True
    names_level: bool = False

    _repr_png_ = _as_png

    def mark(self, name: str) -> Any:
        """The mark of a name."""
        return next(mark for mark in self.marks if mark.name == name)


@dataclass(frozen=True)
class Figure:
    """Charts in rows of so many."""

    charts: Sequence[Chart]
    columns: int = 3

    _repr_png_ = _as_png


def legend_columns(labels: Sequence[str], n_letters: int) -> int:
    """The most columns of a legend, of at most eight, in which its labels have room.

    Examples
    --------
    >>> legend_columns(["0", "1", "2"], 60), legend_columns(["hidden entries, median", "held-out entries, mean"], 30)
    (3, 1)
    """
    for n_columns in range(min(8, len(labels)), 1, -1):
        if sum(max(map(len, labels[place::n_columns])) + 5 for place in range(n_columns)) <= n_letters:
            return n_columns
    return 1
