"""Whether values are counts, normalised or logged, decided by the values."""

from __future__ import annotations

from dataclasses import dataclass
from math import e, isclose, log

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Matrix, Scale
from scgnn2_engine.io.evidence.log_bases import LOGARITHMS, name_of
from scgnn2_engine.io.evidence.logarithms import (
    SAME_TOTAL,
    Sample,
    Shown,
    Values,
    bases_of_equal_totals,
    logged_twice,
    on_grid,
    shown_base,
)
from scgnn2_engine.io.evidence.recovered_counts import recovered_counts
from scgnn2_engine.io.names import Names, listed

_CELLS, _CELLS_UNDONE = 512, 64  # looked at, and of these with logarithms undone
_LOG_CEILING = 30.0  # ln(1 + x) of 30 is an expression of 1e13; even log2 of the largest libraries stays below
_MOSTLY_WHOLE = (
    0.9  # counts, unless the rest becomes whole in most cells by one base: log2 of counts of 1 and 3 is whole
)
_SEVERAL = 5  # cells; in fewer, any gene may be fractional throughout
_WHOLE_SHARE = 0.2  # expected counts are whole wherever no read was shared; rounded normalised values are 1-10 %
_LARGEST_TWICE = 5.0  # log2(1 + log2(1 + x)) of a million is 4.4, and of the largest libraries below 5
_TINY = 1.0
_SMALL, _MANY = 3.1, 1000  # ln(1 + log2(1 + 1e6)) is 3.04; logged once, an expression of 20 as the largest of many
_LARGE = 14.0  # ln(1 + 1e6) is 13.8, and a million is the largest total that tools normalise to
_NATURAL = "Scale logged, natural logarithm assumed"
_NOT_NORMALISED = ", so cells were never normalised"
_OTHER = (
    "The values look like {name}(1 + x), with which {why}, but the natural logarithm is assumed: --load_scale {name} "
    "takes them for what they are (in bulk expression undo the logarithm, {base:g}**x - 1)."
)
_TWICE = (
    "The logarithm seems to have been taken twice: with two undone {why}. Undo one of them (numpy.expm1), or read the "
    "matrix that was not logged yet (--load_layer)."
)
_DOUBT_SMALL = (
    "No value is above {top:.3g}, which is little for ln(1 + expression): if the values were scaled to 0-1, or the "
    "logarithm was taken twice, read the matrix before that (--load_layer)."
)
_DOUBT_LARGE = (
    "Values up to {top:.3g} are large for natural logarithms ({undone:.2g} with it undone): if they are log2(1 + x) of "
    "TPM or FPKM, --load_scale log2 takes them so."
)

_DOUBT_MULTIPLES = (
    "All values are whole multiples of {unit:.4g}: if they are counts that were multiplied by it, read the counts "
    "(--load_layer), or divide by it."
)

_ANY_BASE = (
    "Every cell has the same total whichever logarithm is undone (as quantile normalisation leaves them), so nothing"
    " tells the base: expression of microarrays (RMA) is log2, which --load_scale log2 takes so."
)

_FOREIGN = (
    "All values are whole but those of {n} of the {n_vars} genes ({which}), which seem to describe cells (logged"
    " totals and the like): take them out of the matrix, or they count as genes."
)

AS_STORED = "as stored"
"""Asked for where values are to be written again, and none may change."""


@dataclass(frozen=True)
class ScaleVerdict:
    """The scale of a matrix, as its values show it.

    Attributes
    ----------
    scale
        Of the values as they stand.
    reason
        The sentence that reports it; of logged values, as if the logarithm were the natural one.
    warning
        What is to be doubted if the values are taken so; empty else.
    shown
        Of logged values, the base that they show beyond doubt, or None.
    """

    scale: Scale
    reason: str
    warning: str = ""
    shown: Shown | None = None


def detect_scale(expression: Matrix, told: float = e, names: Names | None = None) -> ScaleVerdict:
    """Say on which scale a non-negative matrix is.

    Whole numbers are counts, also where a few are not whole (reads shared between genes, columns that describe cells).
    Values up to 30 that are mostly not whole are logged. Among larger ones, a good share of
    whole numbers means expected counts (RSEM, Salmon: whole where no read was shared between genes), unless all cells
    have the same total; the rest is normalised. Which logarithm was taken shows where only one base gives whole
    numbers, equal totals, or whole multiples of the smallest value of a cell; see
    :func:`scgnn2_engine.io.evidence.logarithms.shown_base`.

    Parameters
    ----------
    expression
        (n_obs, n_vars), rows are cells; up to 512 evenly spaced ones are looked at.
    told
        The base that came with the data, which is tried beside e, 2 and 10.
    names
        (n_vars,) of the genes, for the warning; without them it gives numbers.

    Examples
    --------
    >>> detect_scale(np.array([[0, 3], [5, 0]], dtype=np.float32)).scale
    'counts'
    >>> detect_scale(np.log1p(np.array([[0, 3.4], [5.2, 0]], dtype=np.float32))).scale
    'logged'
    """
    cells = np.unique(np.linspace(0, expression.shape[0] - 1, num=min(_CELLS, expression.shape[0])).astype(np.int64))
    rows = expression[cells]
    values = rows[rows != 0] if isinstance(rows, np.ndarray) else rows.data[rows.data != 0]
    if not len(values):
        return ScaleVerdict("counts", "Scale counts: all values looked at are zero.")
    whole, top = float(np.mean(values == np.rint(values))), float(values.max())
    if whole == 1.0:
        return ScaleVerdict("counts", f"Scale counts: all values are whole numbers (largest {top:g}).")
    foreign, rest = _foreign_columns(rows, whole)
    if rest == 1.0:
        found = listed(foreign + 1 if names is None else names[foreign])
        return ScaleVerdict(
            "counts",
            f"Scale counts: {whole:.2%} of the non-zero values are whole (largest {top:g}).",
            _FOREIGN.format(
                n=len(foreign), n_vars=expression.shape[1], which=f"number {found}" if names is None else found
            ),
        )
    totals = np.asarray(rows.sum(1, dtype=np.float64)).ravel()
    alike = _same(totals)
    looked_at = expression[cells[:: -(-len(cells) // _CELLS_UNDONE)]]
    few = Sample.of(looked_at[:, np.setdiff1d(np.arange(expression.shape[1]), foreign)] if len(foreign) else looked_at)
    small = top <= _LOG_CEILING and len(few.values) > 0
    shown = shown_base(few, told) if small else None
    any_base = alike and small and len(bases_of_equal_totals(few, told)) > 1
    if shown is None and rest >= _MOSTLY_WHOLE:
        return ScaleVerdict("counts", f"Scale counts: {whole:.2%} of the non-zero values are whole (largest {top:g}).")
    if alike and shown is None and not any_base:
        return ScaleVerdict("normalised", f"Scale normalised: every cell has the total {float(np.median(totals)):.6g}.")
    if shown is not None:
        warning = "" if shown.base == e else _OTHER.format(name=name_of(shown.base), why=shown.why, base=shown.base)
        because = f": with it undone {shown.why}{_NOT_NORMALISED * shown.of_counts}" if shown.base == e else ""
        return ScaleVerdict("logged", f"{_NATURAL}{because}.", warning, shown)
    if top <= _LOG_CEILING and whole < 0.5:
        reason = f"{_NATURAL}: values are not whole and none is above {top:.3g}."
        return ScaleVerdict("logged", reason, _ANY_BASE if any_base else _doubt(few, top, told))
    if whole >= _WHOLE_SHARE:
        return ScaleVerdict(
            "counts", f"Scale counts: {whole:.0%} of the non-zero values are whole (expected counts, largest {top:g})."
        )
    return ScaleVerdict(
        "normalised",
        f"Scale normalised: only {whole:.1%} of the non-zero values are whole, and the largest is {top:g}.",
    )


@dataclass(frozen=True)
class Taken:
    """A matrix on the scale that it was taken for.

    Attributes
    ----------
    expression
        (n_obs, n_vars); logged values as ln(1 + x), whatever the base was.
    scale
        Of ``expression``.
    note, warnings
        What was decided, and what is to be doubted, as sentences.
    normalised
        False where logged values are counts once the logarithm is undone, so that cells have their own library sizes.
    """

    expression: Matrix
    scale: Scale
    note: str
    warnings: tuple[str, ...] = ()
    normalised: bool = True


def take_scale(
    expression: Matrix,
    asked: str = "auto",
    told: float | None = None,
    *,
    told_of_it: bool = True,
    names: Names | None = None,
    recover: bool = False,
) -> Taken:
    """Take a matrix for what it is or what was asked for, and bring its logarithm to the natural one.

    Parameters
    ----------
    expression
        (n_obs, n_vars) non-negative, dense or CSR; it stays as it is.
    asked
        ``load_scale``, which goes before everything else; :data:`AS_STORED` leaves the values as they are.
    told
        The base that came with the data (``uns['log1p']``), or None; what the values show goes before it.
    told_of_it
        ``told`` speaks of this matrix (scanpy's is ``X``), not of another beside it, so that it must be logged.
    names
        (n_vars,) of the genes, for warnings.
    recover
        Take logged values back to counts where these show (:func:`~.recovered_counts.recovered_counts`), unless they
        were never normalised, which ``normalised`` says.

    Examples
    --------
    >>> counts = np.random.default_rng(0).poisson(3.0, (20, 30)).astype(np.float32)
    >>> taken = take_scale(np.log2(1 + counts))
    >>> taken.scale, taken.normalised, bool(np.allclose(taken.expression, np.log1p(counts)))
    ('logged', False, True)
    """
    if asked in LOGARITHMS:
        expression = expression * np.float32(log(LOGARITHMS[asked]))
        verdict = detect_scale(expression)
        note = f"Scale {asked}(1 + x), as asked (load_scale): brought to ln(1 + x)."
        doubt = f"Brought from {asked} to ln(1 + x) as asked, the values look {verdict.scale}: {verdict.reason}"
        return Taken(expression, "logged", note, (doubt,) * (verdict.scale != "logged"), _normalised(verdict, e))
    verdict = detect_scale(expression, told or e, names)
    if asked == AS_STORED:
        return Taken(expression, verdict.scale, verdict.reason.replace(_NATURAL, "Scale logged"))
    if asked == "auto":
        return (
            _logged(expression, verdict, told, recover=recover)
            if verdict.scale == "logged"
            else _not_logged(expression, verdict, told if told_of_it else None)
        )
    if asked == verdict.scale:
        return Taken(expression, verdict.scale, verdict.reason, _some(verdict.warning), _normalised(verdict, e))
    chosen: Scale = "counts" if asked == "counts" else "normalised" if asked == "normalised" else "logged"
    base = "; natural logarithm assumed" if chosen == "logged" else ""
    doubt = f"The values were taken as {chosen} as asked, but look {verdict.scale}: {verdict.reason}"
    return Taken(expression, chosen, f"Scale {chosen}, as asked (load_scale){base}.", (doubt,))


def _not_logged(expression: Matrix, verdict: ScaleVerdict, told: float | None) -> Taken:
    doubt = f"uns['log1p'] says that the logarithm was taken, but the values look {verdict.scale} and were taken so."
    return Taken(expression, verdict.scale, verdict.reason, _some(verdict.warning) + _some(doubt if told else ""))


def _logged(expression: Matrix, verdict: ScaleVerdict, told: float | None, *, recover: bool) -> Taken:
    """Logged values as ln(1 + x): what they show goes before what they are told to be, and that before e."""
    shown = verdict.shown
    base = shown.base if shown else told or e
    name = name_of(base)
    recovered = recovered_counts(expression, base) if recover and _normalised(verdict, base) else None
    if recovered is not None:
        return Taken(recovered.counts, "counts", recovered.note(name))
    multiples = recovered_counts(expression, None) if shown is None else None
    if multiples is not None:  # of counts that were multiplied by small numbers, and never logged
        doubt = _DOUBT_MULTIPLES.format(unit=np.nanmax(multiples.units)) if multiples.alike else ""
        note = "Scale normalised: in every cell whole multiples of one number, as no logarithms are."
        return Taken(expression, "normalised", note, _some(doubt))
    warnings: list[str] = []
    if shown is None:
        warnings += _some(verdict.warning)
    elif told and not isclose(told, base):
        warnings.append(f"uns['log1p'] says {name_of(told)}(1 + x), but the values are {name}(1 + x): {shown.why}.")
    elif not told and base != e:
        warnings.append(
            f"The values are {name}(1 + x), with which {shown.why}: they were brought to ln(1 + x). "
            "--load_scale logged takes them for natural logarithms."
        )
    said = ["as uns['log1p'] says"] * (told is not None and isclose(told, base))
    said += [f"with it undone {shown.why}{_NOT_NORMALISED * shown.of_counts}"] if shown else []
    if base != e:
        expression = expression * np.float32(log(base))
        note = f"Scale {name}(1 + x), brought to ln(1 + x): {'; '.join(said)}."
    else:
        note = f"Scale logged, ln(1 + x): {'; '.join(said)}." if told and said else verdict.reason
    return Taken(expression, "logged", note, tuple(warnings), _normalised(verdict, base))


def _normalised(verdict: ScaleVerdict, base: float) -> bool:
    """Whether logged values do not become counts of cells with their own library sizes, as far as they show."""
    return not (verdict.shown is not None and verdict.shown.of_counts and verdict.shown.base == base)


def _some(sentence: str) -> tuple[str, ...]:
    """The sentence, where there is one."""
    return (sentence,) if sentence else ()


def _doubt(sample: Sample, top: float, told: float) -> str:
    """What to say where nothing shows the base, and the values are unusual for natural logarithms."""
    why = logged_twice(sample) if top <= _LARGEST_TWICE else ""
    if why:
        return _TWICE.format(why=why)
    unit = float(sample.values.min())
    if (
        len(sample.values) >= _MANY and on_grid(sample.values / unit) and not on_grid(np.log10([unit]))
    ):  # decimals are multiples of 0.1 or 0.01 anyway
        return _DOUBT_MULTIPLES.format(unit=unit)
    if top <= _TINY or (top <= _SMALL and len(sample.values) >= _MANY):
        return _DOUBT_SMALL.format(top=top)
    return _DOUBT_LARGE.format(top=top, undone=np.expm1(top)) if top > _LARGE and told == e else ""


def _same(totals: Values) -> bool:
    totals = totals[totals > 0]
    return len(totals) >= 3 and float(np.std(totals)) <= SAME_TOTAL * float(np.mean(totals))


def _foreign_columns(rows: Matrix, whole_share: float) -> tuple[npt.NDArray[np.int64], float]:
    """Columns that are hardly ever whole among columns that nearly always are, and the share of whole values beside.

    Only a few that hold values in most of several cells can be told from genes; else there are none, and the share is
    ``whole_share``, that of all values.
    """
    nothing = np.empty(0, dtype=np.int64), whole_share
    if rows.shape[0] < _SEVERAL or whole_share < _WHOLE_SHARE:
        return nothing
    if isinstance(rows, np.ndarray):
        there, whole = np.count_nonzero(rows, axis=0), np.count_nonzero((rows != 0) & (rows == np.rint(rows)), axis=0)
    else:
        there = np.bincount(rows.indices[rows.data != 0], minlength=rows.shape[1])
        whole = np.bincount(rows.indices[(rows.data != 0) & (rows.data == np.rint(rows.data))], minlength=rows.shape[1])
    apart = (2 * whole < there) & (2 * there > rows.shape[0])
    rest = float(whole[~apart].sum() / max(1, there[~apart].sum()))
    if not apart.any() or 4 * apart.sum() > np.count_nonzero(there) or rest < _MOSTLY_WHOLE:
        return nothing
    return np.flatnonzero(apart), rest
