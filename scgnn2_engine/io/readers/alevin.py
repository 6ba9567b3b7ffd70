"""What alevin and alevin-fry write: USA mode, names of genes, and the binary form that is not read.

USA mode counts every gene thrice, spliced, unspliced and ambiguous, in three blocks of columns (He et al., Alevin-fry,
Nature Methods 2022).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.readers.matrix_market import VELOCYTO
from scgnn2_engine.io.readers.tenx_features import Features

_BINARY = ("quants_mat.gz", "alevin/quants_mat.gz")


def is_binary(folder: Path) -> bool:
    """Whether a folder is what alevin writes in its own binary form."""
    return any((folder / name).is_file() for name in _BINARY)


def refuse_binary(folder: Path) -> InputError:
    """The error for alevin's binary form."""
    return InputError(
        f"{folder} is what salmon alevin writes, in its binary form (quants_mat.gz).",
        expected="quants_mat.mtx.gz beside quants_mat_rows.txt and quants_mat_cols.txt",
        found="quants_mat.gz",
        advice="Run salmon alevin with --dumpMtx and read that folder; or read it in R (tximport), saved as .rds.",
    )


def is_usa(folder: Path, identifiers: list[str], n_features: int) -> bool:
    """Whether every gene has three columns: by quant.json, or by the names.

    Examples
    --------
    >>> is_usa(Path("nowhere"), ["A", "B", "A-U", "B-U", "A-A", "B-A"], 6)
    True
    """
    if n_features == 0 or n_features % 3:
        return False
    third = n_features // 3
    for place in (folder.parent / "quant.json", folder / "quant.json"):
        try:
            said = json.loads(place.read_text())
        except (OSError, ValueError):  # not there, or not to be read: the names tell, too
            continue
        if isinstance(said, dict) and said.get("usa_mode") is True:
            return True
    names = identifiers[:third], identifiers[third : 2 * third], identifiers[2 * third :]
    return len(identifiers) == n_features and all(
        (u, a) == (f"{s}-U", f"{s}-A") for s, u, a in zip(*names, strict=True)
    )


def layer_of_usa(expression: sp.csr_matrix, features: Features, asked: str) -> tuple[sp.csr_matrix, Features, str]:
    """Spliced and ambiguous counts added up, or the layer that is asked for; with one column for each gene.

    Raises
    ------
    InputError
        ``asked`` is none of spliced, unspliced and ambiguous.
    """
    if asked and asked not in VELOCYTO:
        raise InputError(
            f"load_layer {asked} names nothing that alevin-fry counts.",
            expected=" or ".join(VELOCYTO),
            advice="Leave load_layer out: spliced and ambiguous are added up.",
        )
    n_genes = expression.shape[1] // 3
    parts = {name: expression[:, i * n_genes : (i + 1) * n_genes] for i, name in enumerate(VELOCYTO)}
    genes = replace(
        features,
        ids=features.ids[:n_genes],
        symbols=features.symbols[:n_genes],
        kinds=features.kinds[:n_genes],
        columns={name: values[:n_genes] for name, values in features.columns.items()},
    )
    if asked:
        return parts[asked], genes, f"alevin-fry counted in USA mode: {asked} was read, as asked (load_layer)."
    note = (
        "alevin-fry counted in USA mode: spliced and ambiguous were added up, unspliced left out (--load_layer takes "
        "one of the three)."
    )
    return parts["spliced"] + parts["ambiguous"], genes, note


def with_symbols(folder: Path, features: Features) -> tuple[Features, list[str]]:
    """Symbols from ``gene_id_to_name.tsv``, which simpleaf writes beside what it counts."""
    place = next((path for path in (folder, *folder.parents[:2]) if (path / "gene_id_to_name.tsv").is_file()), None)
    if place is None:
        return features, []
    lines = (place / "gene_id_to_name.tsv").read_text(encoding="utf-8", errors="replace").splitlines()
    symbols = {fields[0]: fields[1] for line in lines if len(fields := line.split("\t")) > 1}
    named = replace(
        features, symbols=[symbols.get(one, symbol) for one, symbol in zip(features.ids, features.symbols, strict=True)]
    )
    return named, ["Symbols from gene_id_to_name.tsv, which simpleaf wrote."]
