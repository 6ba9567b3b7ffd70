"""Several samples as one data set: the genes that all have, the cells of each, and which sample a cell is of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.gene_names import plain_name
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.memory import require_memory, stored_entries
from scgnn2_engine.io.names import SAMPLE, Names, listed, name_in_sample, unique_names
from scgnn2_engine.io.raw_table import SPARSE_FROM, Table
from scgnn2_engine.io.samples.gene_matching import identifiers, shared_genes

_MANY_LEFT_OUT = 0.1  # of a sample's genes: from there on the user should know before a run
_SAME_TOTAL = 1.1  # medians of samples that were normalised alike
_NUMBERED = re.compile(r"(cell|sample|well|barcode|c)?[_.\- ]?\d+|[A-P]\d{1,2}", re.IGNORECASE)
"""Names that cells of any sample may have: numbers, and wells of a plate."""


def joined(samples: Mapping[str, Dataset], max_memory: float = 0.0) -> Dataset:
    """Join samples by gene.

    Only genes that every sample has are kept: of a gene that a file does not list nobody knows that it was zero. They
    are matched by identifiers (``gene_ids``, versions aside) where all samples have them and share as many, else by
    names. The cells' names end in the name of their sample, which also stands in ``obs['sample']``.

    Parameters
    ----------
    samples
        At least two, by name.
    max_memory
        GiB that the samples and what they become may take; 0 takes what is free.

    Returns
    -------
    Dataset
        (sum of n_obs, shared genes). Columns of ``obs`` are all kept, those of ``var`` where the samples agree;
        ``obsm``, ``obsp``, ``varm`` and ``uns`` are left out, and said.

    Raises
    ------
    InputError
        The samples are on different scales, or share too few genes.
    InsufficientMemoryError
        They are expected not to fit.

    Examples
    --------
    >>> genes = np.asarray(["Actb", "Gapdh"])
    >>> one = Dataset(np.asarray([[1.0, 2.0]]), np.asarray(["AAAC-1"]), genes, "counts")
    >>> other = Dataset(np.asarray([[3.0, 4.0]]), np.asarray(["AAAC-1"]), genes[::-1], "counts")
    >>> both = joined({"ctrl": one, "stim": other})
    >>> both.expression.tolist(), both.obs_names.tolist()
    ([[1.0, 2.0], [4.0, 3.0]], ['AAAC-1-ctrl', 'AAAC-1-stim'])
    """
    _require_one_scale(samples)
    positions, by, var_names = shared_genes(samples)
    _require_room(samples, max_memory)
    blocks = [
        data.expression if np.array_equal(genes, np.arange(data.n_vars)) else data.expression[:, genes]
        for data, genes in zip(samples.values(), positions, strict=True)
    ]
    obs_names, renamed = unique_names(
        (name_in_sample(cell, name) for name, data in samples.items() for cell in data.obs_names), "cell"
    )
    expression = Table(blocks, obs_names, var_names).assemble(transpose=False)
    obs, obs_notes = _joined_obs(samples, obs_names)
    var, var_notes = _joined_var(samples, positions, var_names)
    left_out, doubts = _left_out(samples, positions)
    said, warned = ([*_of_all(samples, kind)] for kind in ("notes", "warnings"))
    cells = ", ".join(f"{name} {data.n_obs}" for name, data in samples.items())
    summary = (
        f"{len(samples)} samples joined by the {by} of their genes: {len(obs_names)} cells ({cells}) x "
        f"{len(var_names)} genes; obs['{SAMPLE}'] names the sample, and so does the end of each cell's name."
    )
    first = next(iter(samples.values()))
    agreed = {
        key: value for key, value in first.facts.items() if all(one.facts.get(key) == value for one in samples.values())
    }
    return Dataset(
        expression=expression,
        obs_names=obs_names,
        var_names=var_names,
        scale=first.scale,
        obs=obs,
        var=var,
        notes=(summary, *said, *renamed, *left_out, *obs_notes, *var_notes, *_not_joined(samples)),
        warnings=(*warned, *doubts, *_other_totals(samples), *_same_cells(samples)),
        facts={
            "orientation": "",
            "matrix": "",
            "format": ", ".join(dict.fromkeys(str(data.facts.get("format", "AnnData")) for data in samples.values())),
            **agreed,
            "source": ", ".join(dict.fromkeys(str(data.facts.get("source", name)) for name, data in samples.items())),
            "samples": list(samples),
        },
    )


def _require_one_scale(samples: Mapping[str, Dataset]) -> None:
    scales = {
        name: data.scale if data.facts.get("normalised", True) else "logged, not normalised"
        for name, data in samples.items()
    }
    if len(set(scales.values())) > 1:
        raise InputError(
            "The samples are on different scales, and so cannot be joined.",
            expected="one scale",
            found=", ".join(f"{name}: {scale}" for name, scale in scales.items()),
            advice="Give the counts of all of them (--load_layer names the matrix of an h5ad), or say what they are "
            "with --load_scale if one was misjudged.",
        )


def _other_totals(samples: Mapping[str, Dataset]) -> list[str]:
    """A doubt where samples were normalised, each to a total of its own."""
    if any(data.scale == "counts" or not data.facts.get("normalised", True) for data in samples.values()):
        return []
    totals = {name: _usual_total(data) for name, data in samples.items()}
    if max(totals.values()) <= _SAME_TOTAL * min(totals.values()):
        return []
    return [
        "The samples were normalised to different totals of a cell, so that all genes differ between them: "
        f"{', '.join(f'{name} {total:.4g}' for name, total in totals.items())}. Give the counts of all of them."
    ]


def _usual_total(data: Dataset) -> float:
    """The median total of a cell, of at most 512 cells, with the logarithm undone."""
    some: Any = data.expression[:: max(1, data.n_obs // 512)]
    if data.scale == "logged":
        some = np.expm1(some) if isinstance(some, np.ndarray) else some.expm1()
    return float(np.median(np.asarray(some.sum(axis=1)).ravel()))


def _require_room(samples: Mapping[str, Dataset], max_memory: float) -> None:
    """For the joined matrix, and the samples' own with their genes in its order."""
    matrices = [data.expression for data in samples.values()]
    cells = sum(int(x.shape[0]) * int(x.shape[1]) for x in matrices)
    entries = sum(map(stored_entries, matrices))
    joint = 4.0 * cells if entries > (1 - SPARSE_FROM) * cells else 12.0 * entries
    held = sum(map(_bytes, matrices))
    require_memory(joint + (held if max_memory <= 0 else 2 * held), f"Joining {len(samples)} samples", max_memory)


def _bytes(x: Any) -> float:
    return float(x.nbytes if isinstance(x, np.ndarray) else x.data.nbytes + x.indices.nbytes + x.indptr.nbytes)


def _left_out(samples: Mapping[str, Dataset], positions: list[npt.NDArray[np.int64]]) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    warnings: list[str] = []
    for (sample, data), genes in zip(samples.items(), positions, strict=True):
        missing = np.delete(data.var_names, genes)
        if len(missing):
            sentence = (
                f"{len(missing)} of the {data.n_vars} genes of {sample} are not in every sample and were left out: "
                f"{listed(missing)}."
            )
            (warnings if len(missing) > _MANY_LEFT_OUT * data.n_vars else notes).append(sentence)
    return notes, warnings


def _joined_obs(samples: Mapping[str, Dataset], obs_names: Names) -> tuple[pd.DataFrame, list[str]]:
    """All columns of all samples, and ``sample``; a column of that name is kept as ``sample_before``."""
    ends = np.cumsum([data.n_obs for data in samples.values()])
    notes: list[str] = []
    frames: dict[str, pd.DataFrame] = {}
    for (sample, data), end in zip(samples.items(), ends, strict=True):
        index = pd.Index(obs_names[end - data.n_obs : end].astype(object))
        frame = pd.DataFrame(index=index) if data.obs is None else data.obs.set_axis(index, axis=0)
        if SAMPLE in frame:
            notes.append(f"obs['{SAMPLE}'] of {sample} is kept as obs['{SAMPLE}_before'].")
        frames[sample] = frame.rename(columns={SAMPLE: f"{SAMPLE}_before"})
    index = pd.Index(obs_names.astype(object))
    sizes = [data.n_obs for data in samples.values()]
    obs = pd.DataFrame({SAMPLE: pd.Categorical(np.repeat(list(samples), sizes), categories=list(samples))}, index=index)
    for column in dict.fromkeys(name for frame in frames.values() for name in frame.columns):
        holding = {sample: frame[column] for sample, frame in frames.items() if column in frame}
        obs[column] = _stacked(list(holding.values())).reindex(index)
        if lacking := [sample for sample in samples if sample not in holding]:
            notes.append(f"obs[{column!r}] is not known of {listed(lacking)}: missing there.")
    return obs, notes


def _stacked(columns: list[pd.Series[Any]]) -> pd.Series[Any]:
    if all(isinstance(column.dtype, pd.CategoricalDtype) for column in columns):
        from pandas.api.types import union_categoricals

        values = union_categoricals([column.astype(object).astype("category") for column in columns])
        return pd.Series(values, index=np.concatenate([column.index for column in columns]))
    return pd.concat(columns)


def _joined_var(
    samples: Mapping[str, Dataset], positions: list[npt.NDArray[np.int64]], var_names: Names
) -> tuple[pd.DataFrame, list[str]]:
    """The columns in which all samples agree, and the identifiers of the first that has them."""
    index = pd.Index(var_names.astype(object))
    frames = {
        sample: pd.DataFrame(index=index) if data.var is None else data.var.iloc[genes].set_axis(index, axis=0)
        for (sample, data), genes in zip(samples.items(), positions, strict=True)
    }
    for sample, data in samples.items():
        if "gene_ids" in frames[sample] and not identifiers(data):
            frames[sample] = frames[sample].drop(columns="gene_ids")  # names once more
    var, notes, others = pd.DataFrame(index=index), [], []
    for column in dict.fromkeys(name for frame in frames.values() for name in frame.columns):
        (first, kept), *rest = [(sample, frame[column]) for sample, frame in frames.items() if column in frame]
        same = plain_name if column == "gene_ids" else str
        differing = {sample: _differing(kept, values, same) for sample, values in rest}
        if column == "gene_ids" or not any(differing.values()):
            var[column] = kept
            notes += [
                f"{len(genes)} genes have another identifier in {sample} than in {first}, whose are kept: "
                f"{listed(genes)}."
                for sample, genes in differing.items()
                if genes
            ]
        else:
            others.append(str(column))
    return var, [
        *notes,
        *([f"The samples differ in var columns, which were left out: {listed(others)}."] * bool(others)),
    ]


def _differing(one: pd.Series[Any], other: pd.Series[Any], same: Callable[[Any], str]) -> list[str]:
    """The genes of which two columns say different things."""
    return [str(gene) for gene, a, b in zip(one.index, one, other, strict=True) if same(a) != same(b)]


def _not_joined(samples: Mapping[str, Dataset]) -> list[str]:
    lost = [
        f"{where}[{key!r}]"
        for data in samples.values()
        for where, parts in (("obsm", data.obsm), ("obsp", data.obsp), ("varm", data.varm), ("uns", data.uns))
        for key in parts
    ]
    for data in samples.values():
        beside = {"labels": data.truth, "LTMG states": data.states, "bulk expression": data.bulk}
        lost += [what for what, value in beside.items() if value is not None]
    return [f"Not joined, as each sample has its own: {listed(dict.fromkeys(lost), 20)}."] if lost else []


def _of_all(samples: Mapping[str, Dataset], kind: str) -> list[str]:
    """What was said of the samples: once what was said of all, the rest after the sample's name."""
    sentences = {name: getattr(data, kind) for name, data in samples.items()}
    of_every = [one for one in next(iter(sentences.values())) if all(one in said for said in sentences.values())]
    return [
        *of_every,
        *(f"{name}: {one}" for name, said in sentences.items() for one in said if one not in of_every),
    ]


def _same_cells(samples: Mapping[str, Dataset]) -> list[str]:
    """Doubts where one sample's cells are called as another's: filtered and raw, or one run read twice."""
    holders: dict[str, list[str]] = {}
    sizes: Counter[str] = Counter()
    for sample, data in samples.items():
        for cell in {str(name) for name in data.obs_names}:
            if not _NUMBERED.fullmatch(cell):
                holders.setdefault(cell, []).append(sample)
                sizes[sample] += 1
    shared = Counter(pair for several in holders.values() for pair in combinations(several, 2))
    return [
        f"{n_shared} cells of {one} and {other} are called the same, more than chance gives: are these the same cells "
        "twice (filtered and raw, or one run in two versions)? Give one of them."
        for (one, other), n_shared in shared.items()
        if n_shared > max(2, 0.5 * min(sizes[one], sizes[other]))
    ]
