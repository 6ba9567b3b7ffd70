"""Genes that a run was not trained on, told by what it learned of the cells: one small regression for each gene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch

from scgnn2_engine.data.blocks import AnyMatrix
from scgnn2_engine.data.dataset import Floats, Ints, Matrix
from scgnn2_engine.errors import ParameterError
from scgnn2_engine.graph.components import principal_components

N_COMPONENTS = 20
PENALTY = 3.0
"""Of Σ b², in counts: a gene seen in a few cells stays near its mean."""

FITTED_CELLS = 20_000
"""Most cells that a gene is fitted on, evenly spaced; it is then told of all."""

GENES_AT_ONCE = 64
STEPS, SETTLED, LARGEST_STEP = 25, 1e-4, 2.0
LARGEST_EXPONENT = 20.0
"""Beyond it a rate stays what it is, lest it overflow."""


@dataclass(frozen=True)
class GeneRegression:
    """Regressions of genes on what a run learned of the cells.

    Attributes
    ----------
    features
        (n_obs, 1 + d) float64: ones, and the leading principal components of what the run expects of its own genes,
        over the deviation of the first.
    coefficients
        (1 + d, n_genes) float64.
    offsets
        (n_obs,) logarithm of the size factors; None where values are fitted and not counts.
    """

    features: Floats
    coefficients: Floats
    offsets: Floats | None

    def blocks(self, cells: Ints | slice = slice(None)) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """Genes by blocks, each with (n_cells, n) float32 ln(1 + expected expression) of the cells."""
        features = self.features[cells]
        for start in range(0, self.coefficients.shape[1], GENES_AT_ONCE):
            genes = slice(start, start + GENES_AT_ONCE)
            told = features @ self.coefficients[:, genes]
            if self.offsets is None:
                yield genes, np.maximum(told, 0).astype(np.float32)
            else:
                told += self.offsets[cells][:, None]
                yield genes, np.log1p(np.exp(np.minimum(told, LARGEST_EXPONENT))).astype(np.float32)

    def __call__(self, cells: Ints | slice = slice(None)) -> npt.NDArray[np.float32]:
        """(n_cells, n_genes) float32 ln(1 + expected expression), with the cells' own library sizes."""
        found = [block for _, block in self.blocks(cells)]
        return np.concatenate(found, axis=1) if found else np.empty((len(self.features[cells]), 0), np.float32)


def fit_genes(
    learned: AnyMatrix, expression: Matrix, size_factors: Floats | None, *, penalty: float = PENALTY, seed: int = 0
) -> GeneRegression:
    """Fit genes to what a run learned of the cells.

    Parameters
    ----------
    learned
        (n_obs, n_vars) what the run expects of the genes it was trained on, ln(1 + x) at one library size.
    expression
        (n_obs, n_genes) observed: counts where there are size factors, else ln(1 + x); dense or sparse.
    size_factors
        (n_obs,) of the run, or None for values.
    penalty
        λ.
    seed
        Of the components.

    Returns
    -------
    GeneRegression

    Notes
    -----
    With z the components of a cell and s its size factor, counts are Poisson of mean s · exp(b₀ + b·z), and the fit
    maximises Σ [c ln μ − μ] − λ/2 · |b|² by Newton steps, b₀ unpenalised; values are fitted by least squares with the
    same penalty. Of more than 20,000 cells that many, evenly spaced, are fitted.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> level = rng.normal(size=(200, 1))
    >>> counts = rng.poisson(np.exp(1 + level))
    >>> told = fit_genes(np.hstack([level, -level]), counts, np.ones(200))()
    >>> bool(np.corrcoef(told[:, 0], level[:, 0])[0, 1] > 0.9)
    True
    """
    return fit_scores(principal_components(learned, N_COMPONENTS, seed=seed), expression, size_factors, penalty=penalty)


def fit_scores(
    scores: Floats, expression: Matrix, size_factors: Floats | None, *, penalty: float = PENALTY
) -> GeneRegression:
    """The same where the components are known: (n_obs, d), such as ``clustering_embedding`` of a run."""
    scores = np.asarray(scores, np.float64)
    scores = scores / max(float(scores[:, 0].std()), np.finfo(float).tiny)
    features = np.concatenate([np.ones((len(scores), 1)), scores], axis=1)
    n_obs = len(features)
    some = slice(None) if n_obs <= FITTED_CELLS else np.linspace(0, n_obs - 1, FITTED_CELLS).astype(np.int64)
    offsets = None if size_factors is None else np.log(np.asarray(size_factors, np.float64))
    columns = sp.csc_matrix(expression[some])
    penalties = np.full(features.shape[1], penalty)
    penalties[0] = 0
    found = []
    for start in range(0, columns.shape[1], GENES_AT_ONCE):
        seen = np.asarray(columns[:, start : start + GENES_AT_ONCE].toarray(), np.float64)
        if offsets is None:
            gram = features[some].T @ features[some] + np.diag(penalties)
            found.append(np.linalg.solve(gram, features[some].T @ seen))
        else:
            found.append(_poisson(features[some], seen, offsets[some], penalties))
    empty = np.empty((features.shape[1], 0))
    return GeneRegression(features, np.concatenate(found, axis=1) if found else empty, offsets)


def _poisson(features: Floats, counts: Floats, offsets: Floats, penalties: Floats) -> Floats:
    """(1 + d, n) coefficients by Newton's method, each step at most 2 long in any coefficient."""
    given = (features, counts, offsets, penalties)
    x, y, offset, penalty = (torch.from_numpy(np.ascontiguousarray(part)) for part in given)
    b = torch.zeros((x.shape[1], y.shape[1]), dtype=torch.float64)
    b[0] = torch.log((y.sum(dim=0) + 0.5) / offset.exp().sum())  # half a count: what is nowhere seen has a rate too
    # Σ rate · x xᵀ of all genes is one product; Newton's steps bear its rounding to float32.
    upper = torch.triu_indices(x.shape[1], x.shape[1])
    products = (x[:, upper[0]] * x[:, upper[1]]).float()
    ridge = torch.diag(penalty + 1e-6)
    waiting = torch.nonzero(y.sum(dim=0))[:, 0]
    for _ in range(STEPS if len(waiting) else 0):
        rate = torch.exp((x @ b[:, waiting] + offset[:, None]).clamp_(max=LARGEST_EXPONENT))
        slope = x.T @ (y[:, waiting] - rate) - penalty[:, None] * b[:, waiting]
        triangle = (rate.float().T @ products).double()
        curvature = torch.empty((len(waiting), *ridge.shape), dtype=torch.float64)
        curvature[:, upper[0], upper[1]] = curvature[:, upper[1], upper[0]] = triangle
        curvature += ridge
        step = torch.linalg.solve(curvature, slope.T[:, :, None])[:, :, 0].T
        longest = step.abs().max(dim=0).values
        b[:, waiting] += step * (LARGEST_STEP / longest.clamp(min=LARGEST_STEP))
        waiting = waiting[longest > SETTLED]
        if not len(waiting):
            break
    return np.asarray(b.numpy())


def gene_positions(genes: Sequence[str], var_names: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """Positions of genes by name.

    Raises
    ------
    ParameterError
        Some are not there; the nearest names are said.
    """
    place = {str(name): position for position, name in enumerate(var_names)}
    unknown = [gene for gene in genes if gene not in place]
    if unknown:
        near = get_close_matches(unknown[0], list(place), 3)
        raise ParameterError(
            f"The input has no gene {unknown[0]}.",
            expected=f"names of its {len(place)} genes",
            found=f"{len(unknown)} that it does not have: {', '.join(unknown[:5])}",
            advice=f"Near: {', '.join(near)}." if near else "",
        )
    return np.array([place[gene] for gene in genes], np.int64)
