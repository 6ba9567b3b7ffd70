"""Genes that differ between two groups of cells: how much against how surely (volcano), or how much expressed (MA)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scgnn2_engine.data.dataset import Floats, Ints
from scgnn2_engine.plots.chart import Chart, Mark, Points, Rule, Texts

SURE, TWOFOLD = 0.05, 1.0
"""Genes are coloured where the adjusted p is at most this, and the log2 fold change at least this."""

NAMED = 15
LEAST_P = 1e-300
HIGHER, LOWER = "#d55e00", "#0072b2"
FOLD = "log2 fold change"


def volcano(table: pd.DataFrame, *, title: str, named: int = NAMED, most: int | None = None) -> Chart:
    """Draw the fold change of every gene against its adjusted p.

    Parameters
    ----------
    table
        One group of what :func:`scgnn2_engine.markers.rank_genes` returns; genes without a p are left out.
    title
        What stands above.
    named
        Most genes with their names: the surest with a twofold change, where there is room.
    most
        Most dots of a colour, for the page: the surest; the label says how many there are. None: all.

    Examples
    --------
    >>> table = pd.DataFrame({"gene": ["A", "B"], "log2_fold_change": [3.0, 0.1], "p_adjusted": [1e-9, 0.5],
    ...                       "score": [6.0, 0.5]})
    >>> volcano(table, title="cluster 0").mark("names").text
    ['A']
    """
    there = table[table["p_adjusted"].notna()]
    sureness = -np.log10(np.maximum(there["p_adjusted"].to_numpy(float), LEAST_P))
    folds, edge = _within(there["log2_fold_change"].to_numpy(float), sureness)
    top = 1.12 * max(float(np.max(sureness, initial=0.0)), -np.log10(SURE))
    rules: list[Mark] = [
        Rule(name="sure", y=-np.log10(SURE)),
        *(Rule(name=f"fold {x:g}", x=x) for x in (-TWOFOLD, TWOFOLD)),
    ]
    marks = _marks(there, folds, sureness, named, most, (2.8 * edge, top))
    return Chart(
        marks=[*rules, *marks], title=title, x_label=FOLD, y_label="-log10 adjusted p", size=(560, 420),
        x_limits=(-1.4 * edge, 1.4 * edge), y_limits=(-0.02 * top, top),
    )  # fmt: skip


def ma(table: pd.DataFrame, *, title: str, named: int = NAMED, most: int | None = None) -> Chart:
    """Draw the fold change of every gene against its mean expression in both groups.

    Parameters
    ----------
    table, title, named, most
        As for :func:`volcano`.

    Examples
    --------
    >>> table = pd.DataFrame({"gene": ["A"], "log2_fold_change": [3.0], "p_adjusted": [1e-9], "score": [6.0],
    ...                       "mean_in_group": [2.0], "mean_elsewhere": [1.0]})
    >>> ma(table, title="cluster 0").mark("higher").x.tolist()
    [1.5]
    """
    there = table[table["p_adjusted"].notna()]
    means = (there["mean_in_group"] + there["mean_elsewhere"]).to_numpy(float) / 2
    sureness = -np.log10(np.maximum(there["p_adjusted"].to_numpy(float), LEAST_P))
    folds, edge = _within(there["log2_fold_change"].to_numpy(float), sureness)
    right = 1.12 * float(np.max(means, initial=0.1))
    marks = _marks(there, means, folds, named, most, (right, 2.2 * edge), folds=folds)
    return Chart(
        marks=[Rule(name="alike", y=0.0), *marks], title=title, x_label="mean of both, ln(1 + expression)",
        y_label=FOLD, size=(560, 420), x_limits=(-0.02 * right, right), y_limits=(-1.1 * edge, 1.1 * edge),
    )  # fmt: skip


def _within(folds: Floats, sureness: Floats) -> tuple[Floats, float]:
    """Fold changes that fit on an axis, and its end: a gene that one side lacks would be at -30 or 30."""
    finite = np.abs(folds[np.isfinite(folds) & (np.abs(folds) < 15)])
    edge = max(1.5 * TWOFOLD, float(np.max(finite, initial=0.0)))
    return np.clip(np.nan_to_num(folds, nan=0.0), -edge, edge), edge


def _marks(
    table: pd.DataFrame,
    x: Floats,
    y: Floats,
    named: int,
    most: int | None,
    spans: tuple[float, float],
    *,
    folds: Floats | None = None,
) -> list[Mark]:
    change = x if folds is None else folds
    sure = table["p_adjusted"].to_numpy(float) <= SURE
    kinds = {
        "others": ("muted", ~(sure & (np.abs(change) >= TWOFOLD))),
        "higher": (HIGHER, sure & (change >= TWOFOLD)),
        "lower": (LOWER, sure & (change <= -TWOFOLD)),
    }
    marks: list[Mark] = []
    surest = np.argsort(-np.abs(table["score"].to_numpy(float)), kind="stable")
    for name, (colour, of_kind) in kinds.items():
        drawn = surest[of_kind[surest]][:most]
        part = table.iloc[drawn]
        tips = {"gene": part["gene"].tolist(), FOLD: part["log2_fold_change"].round(3).tolist(),
                "adjusted p": [f"{p:.2g}" for p in part["p_adjusted"]]}  # fmt: skip
        faint = name == "others"
        n_genes = int(of_kind.sum())
        label = f"{name} ({n_genes:,})" if len(drawn) == n_genes else f"{name} ({len(drawn):,} of {n_genes:,})"
        marks.append(Points(name=name, label=label, x=x[drawn], y=y[drawn], colour=colour, tips=tips,
                            size=4.0 if faint else 5.0, alpha=0.4 if faint else 0.85))  # fmt: skip
    chosen = surest[~kinds["others"][1][surest]]
    placed = _with_room(chosen, x / spans[0], y / spans[1], named)
    names = [str(table["gene"].iloc[gene]) for gene in placed]
    sides = ["left" if change[gene] < 0 and folds is None else "right" for gene in placed]
    away = [0.012 * spans[0] * (-1 if side == "left" else 1) for side in sides]
    aligned = ["right" if side == "left" else "left" for side in sides]
    marks.append(Texts(name="names", x=[x[gene] + d for gene, d in zip(placed, away, strict=True)],
                       y=[y[gene] for gene in placed], text=names, align=aligned))  # fmt: skip
    return marks


def _with_room(genes: Ints, x: Floats, y: Floats, most: int) -> list[int]:
    """The first genes whose names do not lie on each other; places are shares of the chart."""
    placed: list[int] = []
    for gene in genes.tolist():
        if len(placed) == most:
            break
        if all(abs(x[gene] - x[other]) > 0.18 or abs(y[gene] - y[other]) > 0.045 for other in placed):
            placed.append(gene)
    return placed
