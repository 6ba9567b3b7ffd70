"""Errors of an imputation at masked, untouched and zero entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.data.matrices import stored
from scgnn2_engine.data.prepared import Prepared

Kind = Literal["masked", "held_out", "untouched", "zero"]
NAN = float("nan")
SCORES = ("l1_median", "l1_mean", "rmse", "cosine", "pearson", "pearson_gene", "pearson_cell", "zeros_kept")
_FEWEST = 3  # entries of a cell or gene for which a correlation is computed


@dataclass(frozen=True)
class Entries:
    """Some entries of the matrix with what is known of them.

    Attributes
    ----------
    rows, cols
        (n,) positions of cell and gene.
    values
        (n,) float32, ln(1 + expression) with the cells' own library sizes; 0 at observed zeros.
    """

    rows: Ints
    cols: Ints
    values: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, imputed: Floats) -> Floats:
        """(n,) what an imputation has there."""
        return imputed[self.rows, self.cols]


@dataclass(frozen=True)
class Zeros:
    """The observed zeros, which may be most of the matrix: a mask takes a sixteenth of their positions.

    Attributes
    ----------
    mask
        (n_obs, n_vars) bool.
    """

    mask: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return int(np.count_nonzero(self.mask))

    def of(self, imputed: Floats) -> Floats:
        """(n,) what an imputation has there."""
        return imputed[self.mask]


def scored_entries(prepared: Prepared) -> dict[Kind, Entries | Zeros]:
    """The entries of a run that are scored, by kind.

    Parameters
    ----------
    prepared
        What a run trained on.

    Returns
    -------
    ``masked``: what the benchmark hid, or, without a benchmark, ``held_out``: the run's held-out share; left out
    where there is neither. ``untouched``: what was expressed and seen in training. ``zero``: what was observed as
    zero. All on the ln(1 + expression) scale of the output.
    """
    found: dict[Kind, Entries | Zeros] = {}
    x, factors = np.asarray(prepared.x), prepared.size_factors
    taken = np.zeros(x.shape, dtype=bool)
    for hidden in (prepared.hidden, prepared.validation):
        if hidden is not None:
            taken[hidden.rows, hidden.cols] = True
    if prepared.hidden is not None and len(prepared.hidden):
        at = prepared.hidden
        found["masked"] = Entries(at.rows, at.cols, at.values)
    elif prepared.validation is not None and len(prepared.validation):
        at = prepared.validation
        values = np.log1p(np.expm1(at.values) * factors[at.rows])
        found["held_out"] = Entries(at.rows, at.cols, values.astype(np.float32))
    rows, cols = np.nonzero(x)
    found["untouched"] = Entries(rows, cols, np.log1p(np.expm1(x[rows, cols]) * factors[rows]).astype(np.float32))
    found["zero"] = Zeros((x == 0) & ~taken)
    return found


def entry_errors(
    imputed: Floats, entries: Entries | Zeros, *, smallest: float = 0.0, l1_meaningful: bool = True
) -> dict[str, float]:
    """Score an imputation at some entries.

    Parameters
    ----------
    imputed
        (n_obs, n_vars) on the scale of ``entries.values``.
    entries
        Where, and what is known there.
    smallest
        At zero entries, what is at most this counts as a zero that was kept (see :func:`largest_zero`).
    l1_meaningful
        Without it the absolute errors are NaN, see :func:`l1_verdict`.

    Returns
    -------
    ``l1_median``, ``l1_mean``, ``rmse``
        Median and mean absolute error, root of the mean squared error; at zero entries ``l1_mean`` is the mean imputed
        value.
    ``cosine``, ``pearson``
        Of the two vectors of all entries.
    ``pearson_gene``, ``pearson_cell``
        Median over the genes (cells) with three or more entries of the correlation within the gene (cell).
    ``zeros_kept``
        At zero entries, the share that stayed zero.

    NaN where a score is not defined, so everywhere without entries.

    Examples
    --------
    >>> entries = Entries(np.array([0, 0, 0]), np.array([0, 1, 2]), np.array([1.0, 2.0, 3.0], dtype=np.float32))
    >>> scores = entry_errors(np.array([[1.5, 2.5, 3.5]]), entries)
    >>> scores["l1_median"], scores["pearson_cell"]
    (0.5, 1.0)
    """
    scores = dict.fromkeys(SCORES, NAN)
    if not len(entries):
        return scores
    if isinstance(entries, Zeros):
        return scores | _zero_scores(np.abs(entries.of(imputed)), smallest)
    found = entries.of(imputed).astype(np.float64)
    wanted = entries.values.astype(np.float64)
    absolute = np.abs(found - wanted)
    if l1_meaningful:
        scores |= {"l1_median": float(np.median(absolute)), "l1_mean": float(absolute.mean())}
    scores["rmse"] = float(np.sqrt(np.square(absolute).mean()))
    lengths = np.linalg.norm(found) * np.linalg.norm(wanted)
    scores["cosine"] = float(found @ wanted / lengths) if lengths > 0 else NAN
    everything = np.zeros(len(found), dtype=np.int64)
    for name, group in (("pearson", everything), ("pearson_gene", entries.cols), ("pearson_cell", entries.rows)):
        correlations = grouped_pearson(found, wanted, group)
        defined = correlations[np.isfinite(correlations)]
        scores[name] = float(np.median(defined)) if len(defined) else NAN
    return scores


def _zero_scores(values: Floats, smallest: float) -> dict[str, float]:
    return {
        "l1_median": float(np.median(values)),
        "l1_mean": float(values.mean(dtype=np.float64)),
        "rmse": float(np.sqrt(np.square(values).mean(dtype=np.float64))),
        "zeros_kept": float(np.mean(values <= smallest)),
    }


def grouped_pearson(
    first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], group: npt.NDArray[Any]
) -> npt.NDArray[np.float64]:
    """(n_groups,) Pearson correlation within every group; NaN for fewer than three entries and for constant ones.

    Examples
    --------
    >>> one = np.array([1.0, 2.0, 3.0, 4.0])
    >>> grouped_pearson(one, -one, np.array([0, 0, 0, 1])).tolist()
    [-1.0, nan]
    """
    count = np.bincount(group)
    centred = []
    for values in (first, second):
        means = np.bincount(group, values) / np.maximum(count, 1)
        centred.append(values - means[group])
    squares = [np.bincount(group, np.square(values)) for values in centred]
    together = np.bincount(group, centred[0] * centred[1])
    lengths = np.sqrt(squares[0] * squares[1])
    # Below this, what is left of a constant group is rounding.
    floor = 1e-12 * np.maximum(np.bincount(group, np.abs(first)) * np.bincount(group, np.abs(second)), 1e-300)
    defined = (count >= _FEWEST) & (lengths > floor)
    return np.where(defined, together / np.where(defined, lengths, 1), NAN)


def largest_zero(prepared: Prepared) -> float:
    """The largest imputed value, ln(1 + x), that counts as a zero: half of the smallest expression that was observed.

    For counts that is what rounds to no molecule, ln(1.5).
    """
    values = stored(prepared.expression)
    positive = values[values > 0]
    if not len(positive):
        return 0.0
    smallest = float(positive.min())
    return float(np.log1p((np.expm1(smallest) if prepared.scale == "logged" else smallest) / 2))


def score_rows(
    imputed: Floats, entries: Mapping[Kind, Entries | Zeros], *, smallest: float, l1_meaningful: bool
) -> list[dict[str, Any]]:
    """One row for each kind of entries: ``entries``, ``n``, and the scores of :func:`entry_errors`."""
    return [
        {
            "entries": kind,
            "n": len(at),
            **entry_errors(
                imputed,
                at,
                smallest=smallest,
                l1_meaningful=l1_meaningful or kind in ("untouched", "zero"),
            ),
        }
        for kind, at in entries.items()
    ]
