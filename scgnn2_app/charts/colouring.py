"""What the cells of a map are coloured by: groups or numbers, as indices into one palette of 256 colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from scgnn2_app.results.run_data import RunData
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.plots import cluster_colours
from scgnn2_engine.plots.bokeh_marks import FAINT, LEVELS, quantised
from scgnn2_engine.plots.maps import UNIT, colour_limits
from scgnn2_engine.plots.style import natural_order, ramp, seen

CLUSTER, GENE_IMPUTED, GENE_OBSERVED = "predicted cluster", "gene, imputed", "gene, observed"
HIDDEN_ERROR = "error at hidden entries"
UNKNOWN = "(no label)"
MOST_FADES = 8
"""Shades of opacity of a group; of very many groups fewer, as a palette has 254 colours."""


@dataclass(frozen=True)
class Group:
    """One group of cells: its name, its colour on white, and number of cells."""

    name: str
    colour: str
    n_cells: int


@dataclass(frozen=True)
class Colouring:
    """Colours of cells.

    Attributes
    ----------
    title
        What the colours stand for.
    indices
        (n_obs,) uint8 into a palette: 1 faint, from 2 on colours; the higher are drawn over the others.
    values
        (n_obs,) the numbers, or the positions of each cell's group in ``groups``.
    groups
        The groups, empty for numbers.
    low, high
        Ends of the colours, for numbers.
    unit
        Of the numbers.
    n_fades
        How many shades of opacity each group has; 1: none but full.
    """

    title: str
    indices: npt.NDArray[np.uint8]
    values: npt.NDArray[np.float32]
    groups: tuple[Group, ...] = ()
    low: float = 0.0
    high: float = 1.0
    unit: str = ""
    n_fades: int = 1
    shown: npt.NDArray[np.bool_] | None = field(default=None, repr=False)

    @property
    def is_groups(self) -> bool:
        """Whether it shows groups, not numbers."""
        return bool(self.groups)

    def only(self, cells: npt.NDArray[np.bool_] | None) -> Colouring:
        """The same with all cells but these in the background; None: all are shown."""
        return replace(self, shown=cells)

    def final(self) -> npt.NDArray[np.uint8]:
        """(n_obs,) indices with those cells faint that are in the background."""
        if self.shown is None:
            return self.indices
        return np.where(self.shown, self.indices, np.uint8(FAINT))

    def palette(self, dark: bool) -> list[str]:
        """256 colours: none, faint, then those of the groups or of the numbers."""
        faint = "#8e97a526" if dark else "#6b728022"
        colours = [seen(group.colour, dark) for group in self.groups] or list(_ramp(dark))
        if self.n_fades > 1:
            shades = np.linspace(0x26, 0xFF, self.n_fades).astype(int)
            colours = [f"{colour}{shade:02x}" for shade in shades for colour in colours]
        return ["#00000000", faint, *(colours[index % len(colours)] for index in range(LEVELS))]

    def faded(self, membership: Floats) -> Colouring:
        """The same with each cell the more opaque the more it belongs to its group, (n_obs,) 0 to 1."""
        n_fades = min(MOST_FADES, LEVELS // max(len(self.groups), 1))
        if n_fades < 2:
            return self
        shade = np.rint(np.clip(membership, 0, 1) * (n_fades - 1)).astype(np.int64)
        place = self.indices.astype(np.int64) + shade * len(self.groups)
        return replace(self, indices=np.where(self.indices > FAINT, place, FAINT).astype(np.uint8), n_fades=n_fades)

    def isolated(self, names: Sequence[str]) -> Colouring:
        """The same with only these groups in the foreground; none: all."""
        if not names or not self.groups:
            return self.only(None)
        kept = [place for place, group in enumerate(self.groups) if group.name in set(names)]
        return self.only(np.isin(self.values, kept))


def by_groups(labels: npt.NDArray[Any], title: str, chosen: Mapping[str, str] | None = None) -> Colouring:
    """Colours by group, those that were ``chosen`` for some names; cells without a label (``""``) are faint.

    Examples
    --------
    >>> found = by_groups(np.array([1, 0, 1]), "cluster")
    >>> [group.name for group in found.groups], found.indices.tolist()
    (['0', '1'], [3, 2, 3])
    """
    names = np.asarray(labels).astype(str)
    order = natural_order(name for name in set(names.tolist()) if name)
    colours = cluster_colours(order) | dict(chosen or {})
    sizes = dict(zip(*np.unique(names, return_counts=True), strict=True))
    place = {name: position for position, name in enumerate(order)}
    codes = np.array([place.get(name, -1) for name in names.tolist()], dtype=np.int64)
    indices = np.where(codes < 0, FAINT, 2 + codes % LEVELS).astype(np.uint8)
    groups = tuple(Group(name, colours[name], int(sizes[name])) for name in order)
    return Colouring(title, indices, codes.astype(np.float32), groups)


def by_numbers(values: Floats, title: str, unit: str = "", *, limits: tuple[float, float] | None = None) -> Colouring:
    """Colours by a number, between ``limits`` or else its 1st and 99th percentile; NaN is faint.

    Examples
    --------
    >>> by_numbers(np.array([0.0, 1.0, np.nan]), "score").indices.tolist()
    [2, 255, 1]
    """
    values = np.asarray(values, dtype=np.float32)
    low, high = colour_limits(values) if limits is None else limits
    return Colouring(title, quantised(values, low, high), values, low=float(low), high=float(high), unit=unit)


def choices(run: RunData) -> list[str]:
    """What the cells of a run can be coloured by."""
    found = [CLUSTER]
    found += [f"{'labels' if name == run.truth_name else 'group'}: {name}" for name in run.groups]
    found += [GENE_IMPUTED] if run.finished else []
    found += [GENE_OBSERVED]
    found += [HIDDEN_ERROR] if run.hidden_error is not None else []
    return found + [f"number: {name}" for name in run.numbers]


def colouring(run: RunData, choice: str, *, gene: str = "", labels: npt.NDArray[Any] | None = None) -> Colouring:
    """The colours of one of :func:`choices`.

    Parameters
    ----------
    run
        The run.
    choice
        One of :func:`choices`.
    gene
        The gene, for those that show one; without it the first.
    labels
        (n_obs,) clusters of the shown iteration; by default those of the returned one.

    Raises
    ------
    InputError
        There is no such gene.
    """
    if choice in (GENE_IMPUTED, GENE_OBSERVED):
        name = gene or str(run.var_names[0])
        values = run.gene(name, imputed=choice == GENE_IMPUTED)
        return by_numbers(values, f"{name}, {choice.partition(', ')[2]}", UNIT)
    if choice == HIDDEN_ERROR and run.hidden_error is not None:
        what = "hidden" if run.hidden_is_benchmark else "held-out"
        return by_numbers(run.hidden_error, f"mean error at {what} entries", "|imputed − true|, ln(1 + expression)")
    kind, _, name = choice.partition(": ")
    if kind == "number" and name in run.numbers:
        return by_numbers(run.numbers[name], name)
    if kind in ("labels", "group") and name in run.groups:
        chosen = run.annotations[name].colours if name in run.annotations else None
        return by_groups(run.groups[name], name, chosen)
    return by_groups(run.labels if labels is None else labels, CLUSTER)


def _ramp(dark: bool) -> tuple[str, ...]:
    """254 colours for numbers: from close to the paper to far from it, so that the highest stand out in both modes."""
    colours = ramp("cells")[::-1] if dark else ramp("cells")
    places = np.linspace(0, len(colours) - 1, LEVELS).astype(int)
    return tuple(colours[place] for place in places)
