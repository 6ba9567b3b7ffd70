"""The made-up data that every tool is given, and how what a tool wrote is put beside its files.

Run by the other scripts of this folder, each inside the environment of its tool: needs numpy and pandas only.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SYMBOLS = ["ACTB", "GAPDH", "CD3D", "CD3E", "MS4A1", "CD79A", "NKG7", "GNLY", "LYZ", "S100A9", "PPBP", "MT-CO1"]
IDENTIFIERS = [f"ENSG{100 + 7 * i:011d}" for i in range(len(SYMBOLS))]
BARCODES = [f"{a}{b}ACCTGAGCATCA{c}-1" for a, b, c in zip("AAACCCGGGT", "ACGTACGTAC", "CAGTCCATGA", strict=True)]
CELL_TYPES = ["T cell", "T cell", "B cell", "B cell", "NK", "NK", "Monocyte", "Monocyte", "T cell", "B cell"]


def counts(seed: int = 0) -> np.ndarray:
    """(10 cells, 12 genes) whole numbers, more than half of them 0, none of the rows or columns empty."""
    generator = np.random.default_rng(seed)
    values = generator.poisson(3.0, (len(BARCODES), len(SYMBOLS))) * (generator.random((10, 12)) < 0.4)
    values[np.arange(10), np.arange(10)] += 1
    values[:2, 10:] += np.eye(2, dtype=int)
    return values.astype(np.int64)


def versions(*packages: str) -> str:
    """'anndata 0.13.4, zarr 3.4.2' of what is installed here."""
    return ", ".join(f"{name} {version(name)}" for name in packages)


def plain(values: Any) -> Any:
    """Lists and numbers of JSON: 2.0 and 2 are the same there, and every float64 comes back as it was."""
    dense = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    return dense.tolist()


def say(folder: str, made_by: str, files: dict[str, dict[str, Any]]) -> None:
    """Add to ``folder/expected.json`` what is in its files: rows are cells, whatever way round the file is.

    ``obs_names``, ``var_names`` and ``X`` are what is to be read where nothing is asked for; ``layers`` what can be
    asked for; ``left_out`` rows or columns of the file that are no genes or no cells.
    """
    place = HERE / folder / "expected.json"
    known = json.loads(place.read_text("utf-8")) if place.exists() else {}
    for name, facts in files.items():
        known[name] = {"made_by": made_by, **facts}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(known[name], ensure_ascii=False)}" for name in sorted(known))
    place.write_text("{\n" + lines + "\n}\n", "utf-8")
