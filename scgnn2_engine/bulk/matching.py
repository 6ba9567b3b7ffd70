"""Matching a bulk data set to the single cells: which genes they share, and the bulk profile over those."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.data.dataset import Bulk
from scgnn2_engine.data.gene_names import ENSEMBL_GENE, plain_name
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import Noted, Notice

SMALLEST_SHARE = 0.1
"""Share of the single-cell genes that the bulk data must hold: with fewer, the names are of different kinds."""


@dataclass(frozen=True)
class MatchedBulk(Noted):
    """A bulk profile on the genes it shares with the single cells.

    Attributes
    ----------
    profile
        (g,) mean of ln(1 + bulk) over the samples.
    genes
        (g,) positions of those genes among the single-cell genes, ascending.
    samples
        (n_samples, g) the bulk samples themselves, not logged.
    weights
        (n_samples,) how much each counts, adding up to 1.
    names
        (n_samples,) what they are called.
    notices
        What was matched and decided, and what the user should look at.
    """

    profile: npt.NDArray[np.float64]
    genes: npt.NDArray[np.int64]
    samples: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    names: npt.NDArray[np.str_]
    notices: tuple[Notice, ...]


def match_bulk(bulk: Bulk, var_names: npt.NDArray[np.str_], *, library: float | None = None) -> MatchedBulk:
    """Match bulk genes to single-cell genes by name, and average the samples.

    A gene is matched by its name as it stands; failing that without regard to case and, for Ensembl identifiers, to
    the version behind the dot. Where several bulk genes match, their values are averaged.

    Parameters
    ----------
    bulk
        (n_samples, n_genes) non-negative, not logged.
    var_names
        (n_vars,) names of the single-cell genes.
    library
        What every sample shall add up to over the shared genes, so that bulk and single cells have one scale; None
        leaves it as it is (the published form).

    Returns
    -------
    MatchedBulk

    Raises
    ------
    InputError
        The bulk data is empty, or holds negative values, NaN or infinity; none or under 10 % of the single-cell genes
        are in it; or it is constant over the shared genes, so that it says nothing.

    Examples
    --------
    >>> import numpy as np
    >>> from scgnn2_engine.data.dataset import Bulk
    >>> samples = Bulk(np.array([[0.0, 2.0, 7.0]]), np.array(["s"]), np.array(["tp53", "ENSG00000141510.18", "MYC"]))
    >>> found = match_bulk(samples, np.array(["MYC", "ACTB", "ENSG00000141510"]))
    >>> found.genes.tolist(), np.round(np.expm1(found.profile), 6).tolist()
    ([0, 2], [7.0, 2.0])
    """
    _check_values(bulk)
    exact = _positions(bulk.gene_names)
    folded = _positions(plain_name(name) for name in bulk.gene_names)
    matches = [exact.get(str(name)) or folded.get(plain_name(name), []) for name in var_names]
    genes = np.array([position for position, found in enumerate(matches) if found], dtype=np.int64)
    _check_shared(len(genes), bulk, var_names)
    _check_samples(bulk, np.unique(np.concatenate([matches[gene] for gene in genes])))

    every = bulk.expression.astype(np.float64, copy=False)
    samples = np.stack([every[:, matches[gene]].mean(axis=1) for gene in genes], axis=1)
    if library is not None:
        samples = samples * (library / np.maximum(samples.sum(axis=1, keepdims=True), np.finfo(float).tiny))
    weights = bulk.sample_weights
    profile = weights @ np.log1p(samples)
    if len(profile) > 1 and np.ptp(profile) == 0:
        raise InputError(
            f"The bulk data is constant over the {len(genes)} genes it shares with the single cells.",
            expected="expression that differs between genes",
            found=f"{np.expm1(profile[0]):g} everywhere",
            advice="Give the expression values of the bulk samples, genes x samples or samples x genes.",
        )
    size = {"genes": len(genes), "of": len(var_names), "samples": len(bulk.sample_names)}
    notices = [Notice.of("bulk_matched", **size, library=library)]
    several = [gene for gene in genes if len(matches[gene]) > 1]
    if several:
        notices.append(Notice.of("bulk_repeats", n=len(several), first=str(var_names[several[0]])))
    notices += _doubts(var_names[genes], exact)
    return MatchedBulk(profile, genes, samples, weights, bulk.sample_names, tuple(notices))


def _positions(names: Iterable[str]) -> dict[str, list[int]]:
    positions: dict[str, list[int]] = {}
    for position, name in enumerate(names):
        positions.setdefault(str(name), []).append(position)
    return positions


def _check_values(bulk: Bulk) -> None:
    expression = bulk.expression
    expected = (len(bulk.sample_names), len(bulk.gene_names))
    if expression.shape != expected:
        raise InputError(
            "The bulk data does not fit its names.",
            expected=f"shape {expected} (samples, genes)",
            found=f"shape {expression.shape}",
        )
    if expression.size == 0:
        raise InputError(
            "The bulk data is empty.",
            expected="at least one sample and one gene",
            found=f"{expected[0]} samples, {expected[1]} genes",
        )
    bad = ~(np.isfinite(expression) & (expression >= 0))
    if bad.any():
        sample, gene = np.argwhere(bad)[0]
        raise InputError(
            f"The bulk data holds {np.count_nonzero(bad)} values that are no expression.",
            expected="finite values >= 0, not logged and not scaled",
            found=f"{expression[sample, gene]:g} in sample {bulk.sample_names[sample]}, gene {bulk.gene_names[gene]}",
            advice="Give counts, TPM or FPKM as they are.",
        )


def _doubts(shared: npt.NDArray[np.str_], exact: Mapping[str, list[int]]) -> list[Notice]:
    """Symbols that agree but for their case are often orthologues: human ACTB, mouse Actb."""
    by_case = sum(str(name) not in exact and not ENSEMBL_GENE.fullmatch(str(name).upper()) for name in shared)
    if by_case * 2 <= len(shared):
        return []
    return [Notice.of("bulk_case", n=by_case, of=len(shared), first=str(shared[0]))]


def _check_samples(bulk: Bulk, shared: npt.NDArray[np.int64]) -> None:
    empty = bulk.sample_names[~(bulk.expression[:, shared] > 0).any(axis=1)]
    if len(empty):
        raise InputError(
            f"The bulk sample {empty[0]} is 0 at every gene that it shares with the single cells.",
            expected="samples with expression",
            found=f"{len(empty)} of {len(bulk.sample_names)} samples without",
            advice="Leave them out: load_bulk_samples names the samples to use.",
        )


def _check_shared(n_shared: int, bulk: Bulk, var_names: npt.NDArray[np.str_]) -> None:
    if n_shared > 0 and n_shared >= SMALLEST_SHARE * len(var_names):
        return
    cells, samples = (", ".join(str(name) for name in names[:3]) for names in (var_names, bulk.gene_names))
    raise InputError(
        "The bulk data and the single cells hold hardly any gene in common."
        if n_shared
        else "The bulk data and the single cells hold no gene in common.",
        expected=f"at least {SMALLEST_SHARE:.0%} of the {len(var_names)} single-cell genes in the bulk data",
        found=f"{n_shared}; single-cell names such as {cells}; bulk names such as {samples}",
        advice=_advice(var_names, bulk.gene_names),
    )


def _advice(var_names: npt.NDArray[np.str_], gene_names: npt.NDArray[np.str_]) -> str:
    kinds = [_kind(names) for names in (var_names, gene_names)]
    if kinds[0] != kinds[1]:
        return f"The single cells carry {kinds[0]}, the bulk data {kinds[1]}: convert one of them."
    return "Give both the same kind of gene name, and data of the same species."


def _kind(names: npt.NDArray[np.str_]) -> str:
    """Ensembl identifiers with the species' prefix, or symbols: what most of the names are."""
    plain = (ENSEMBL_GENE.fullmatch(str(name).upper()) for name in names)
    prefixes = [found[1].rstrip("0123456789") for found in plain if found]
    if len(prefixes) * 2 < len(names) or not prefixes:
        return "gene symbols"
    return f"Ensembl identifiers ({max(set(prefixes), key=lambda prefix: (prefixes.count(prefix), prefix))}…)"
