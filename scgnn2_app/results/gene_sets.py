"""A list of genes: which of them a run has, their means in groups of cells, and the score of the set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import InputError
from scgnn2_engine.plots.style import natural_order

if TYPE_CHECKING:
    from scgnn2_app.results.run_data import RunData

MOST_GENES = 100
MOST_CORRECTED = 5
"""Unknown genes whose nearest names are looked for: it takes a tenth of a second each."""

SCORE = (
    "Score: mean over the genes of the set of ln(1 + x), each gene standardised over all cells to mean 0 and standard "
    "deviation 1."
)


def matched(text: str, genes: Mapping[str, int]) -> tuple[list[str], str]:
    """Genes of a list that a run has, and a sentence on the others.

    Parameters
    ----------
    text
        Names between spaces, commas, semicolons or lines; a line that begins with # is a remark. Upper and lower case
        are alike where a name is not there as it is written.
    genes
        The names that there are.

    Raises
    ------
    InputError
        None of them is there, or there are more than :data:`MOST_GENES`.

    Examples
    --------
    >>> matched("CD3D, cd19; FOXP4", {"CD3D": 0, "CD19": 1, "FOXP3": 2})
    (['CD3D', 'CD19'], 'Not among the genes: FOXP4 (nearest: FOXP3).')
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    asked = list(dict.fromkeys(name.strip("\"'") for name in re.split(r"[\s,;]+", "\n".join(lines)) if name))
    of_upper = {name.upper(): name for name in genes}
    found = {name: name if name in genes else of_upper.get(name.upper(), "") for name in asked}
    there = list(dict.fromkeys(name for name in found.values() if name))
    unknown = [name for name, match in found.items() if not match]
    parts = []
    for name in unknown[:MOST_CORRECTED]:
        near = [of_upper[one] for one in get_close_matches(name.upper(), of_upper, n=3, cutoff=0.6)]
        parts.append(f"{name[:40]} (nearest: {', '.join(near)})" if near else name[:40])
    more = f" and {len(unknown) - MOST_CORRECTED:,} more" if len(unknown) > MOST_CORRECTED else ""
    said = f"Not among the genes: {', '.join(parts)}{more}." if unknown else ""
    if not there:
        raise InputError(said or "There is no gene in the list.", expected="names of genes, such as CD3D, CD19")
    if len(there) > MOST_GENES:
        raise InputError(f"The set has {len(there):,} genes.", expected=f"at most {MOST_GENES}")
    return there, said


@dataclass(frozen=True)
class SetInGroups:
    """A set of genes in groups of cells.

    Attributes
    ----------
    genes, groups
        Names; of very many groups the largest.
    scores
        ``"observed"`` and ``"imputed"`` to (n_obs,) score of each cell; only observed where no gene was imputed.
    levels
        The same to (n_genes, n_groups) means, as shares of the highest of both; NaN for genes that were not imputed.
    shares
        (n_genes, n_groups) shares of the cells in which the gene was observed.
    """

    genes: list[str]
    groups: list[str]
    scores: Mapping[str, Floats]
    levels: Mapping[str, Floats]
    shares: Floats


MOST_GROUPS = 40


def in_groups(run: RunData, genes: list[str], of_cells: npt.NDArray[np.str_]) -> SetInGroups:
    """Describe a set of genes of a run, a gene at a time."""
    every, codes, sizes = np.unique(of_cells, return_inverse=True, return_counts=True)
    groups = natural_order(every[np.argsort(-sizes, kind="stable")[:MOST_GROUPS]].tolist())
    columns = np.searchsorted(every, groups)

    def mean(values: Floats) -> Floats:
        return np.asarray((np.bincount(codes, weights=values, minlength=len(every)) / sizes)[columns])

    kinds = ("observed", "imputed")
    scores: dict[str, Floats] = {kind: np.zeros(run.n_obs) for kind in kinds}
    levels: dict[str, Floats] = {kind: np.full((len(genes), len(groups)), np.nan) for kind in kinds}
    shares = np.zeros((len(genes), len(groups)))
    for place, gene in enumerate(genes):
        for kind in kinds if gene in run.genes else kinds[:1]:
            values = run.gene(gene, imputed=kind == "imputed").astype(np.float64)
            levels[kind][place] = mean(values)
            spread = float(values.std())
            scores[kind] += (values - values.mean()) / spread if spread > 0 else 0.0
            if kind == "observed":
                shares[place] = mean((values > 0).astype(np.float64))
    highest = np.nanmax(np.concatenate([*levels.values()], axis=1), axis=1, keepdims=True)
    relative = {kind: np.clip(values / np.where(highest > 0, highest, 1.0), 0, 1) for kind, values in levels.items()}
    imputed = sum(gene in run.genes for gene in genes)
    means: dict[str, Floats] = {"observed": scores["observed"] / len(genes)}
    if imputed:
        means["imputed"] = scores["imputed"] / imputed
    return SetInGroups(genes, groups, means, relative, shares)
