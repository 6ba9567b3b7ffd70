"""Which genes several samples have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.gene_names import ENSEMBL_GENE, plain_name
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import Names, listed

LEAST_SHARED = 0.2
"""Samples that share a smaller part of the genes of the smallest of them are of two species, or named in two ways."""

_NEARLY_ALL = 0.9  # identifiers that were withdrawn are fewer than that


def shared_genes(samples: Mapping[str, Dataset]) -> tuple[list[npt.NDArray[np.int64]], str, Names]:
    """Find the genes that all samples have.

    By identifiers where all have them and share about as many: a symbol may pass from one gene to another between
    two annotations, an identifier never does.

    Returns
    -------
    positions, by, names
        For each sample the positions of the shared genes, in the order of the first; ``"identifiers"`` or
        ``"names"``; what the genes are called.

    Raises
    ------
    InputError
        They share less than :data:`LEAST_SHARED` of the genes of the smallest.
    """
    names = {sample: [str(name) for name in data.var_names] for sample, data in samples.items()}
    known = {sample: identifiers(data) for sample, data in samples.items()}
    keys, by, called = names, "names", next(iter(samples))
    common = _common(names.values())
    if all(known.values()):
        shared = _common(known.values())
        if len(shared) >= max(1, _NEARLY_ALL * len(common)):
            keys, by, common = known, "identifiers", shared
            # of the first sample that has symbols beside its identifiers, if any has
            with_symbols = (name for name in names if list(map(plain_name, names[name])) != known[name])
            called = next(with_symbols, called)
    if len(common) < LEAST_SHARED * min(map(len, names.values())):
        raise _too_few(names, len(common))
    places = [{gene: place for place, gene in enumerate(genes)} for genes in keys.values()]
    positions = [np.asarray([place[gene] for gene in common], dtype=np.int64) for place in places]
    return positions, by, samples[called].var_names[positions[list(samples).index(called)]]


def identifiers(data: Dataset) -> list[str]:
    """Identifiers of the genes, versions aside; none where there are none, or two genes have one.

    Examples
    --------
    >>> genes = np.asarray(["ENSG00000141510.16", "ENSG00000000003.4"])
    >>> identifiers(Dataset(np.ones((1, 2)), np.asarray(["cell"]), genes, "counts"))
    ['ENSG00000141510', 'ENSG00000000003']
    """
    given: Iterable[object] = data.var_names
    if data.var is not None and "gene_ids" in data.var:
        columns = zip(data.var["gene_ids"], data.var_names, strict=True)
        given = [name if pd.isna(identifier) or identifier == "" else identifier for identifier, name in columns]
    plain = [plain_name(one) for one in given]
    only_names = plain == list(map(plain_name, data.var_names))
    if only_names and 2 * sum(bool(ENSEMBL_GENE.fullmatch(one)) for one in plain) < len(plain):
        return []  # symbols once more
    return plain if len(set(plain)) == len(plain) else []


def _common(genes: Iterable[list[str]]) -> list[str]:
    first, *others = genes
    everywhere = set(first).intersection(*others)
    return [gene for gene in first if gene in everywhere]


def _too_few(names: Mapping[str, list[str]], n_shared: int) -> InputError:
    smallest = min(map(len, names.values()))
    alike = len(_common([[*dict.fromkeys(map(plain_name, genes))] for genes in names.values()]))
    advice = "Give samples of one species whose genes are named in one way, by symbols or by identifiers."
    if alike >= LEAST_SHARED * smallest:
        advice = (
            f"{alike} names would match but for capital letters, as those of human and mouse do: two species are not "
            "joined. If they are of one, write its genes in one way."
        )
    return InputError(
        "The samples share too few genes to be joined.",
        expected=f"at least {LEAST_SHARED:.0%} of the {smallest} genes of the smallest",
        found=f"{n_shared} shared; " + "; ".join(f"{sample}: {listed(genes, 3)}" for sample, genes in names.items()),
        advice=advice,
    )
