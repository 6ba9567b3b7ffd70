"""Tables and matrices as pandas, pyarrow and scipy write them: ``python with_pandas.py``."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp
from small import BARCODES, HERE, IDENTIFIERS, SYMBOLS, counts, say, versions

values = counts(2)
table = pd.DataFrame(values.T, index=pd.Index(SYMBOLS, name="gene"), columns=BARCODES)
facts = {"obs_names": BARCODES, "var_names": SYMBOLS, "X": values.tolist()}
found: dict[str, dict[str, object]] = {}

place = HERE / "pandas"
shutil.rmtree(place, ignore_errors=True)
place.mkdir()
for ending in ("csv", "csv.gz", "csv.bz2", "csv.xz", "csv.zst", "csv.zip"):
    table.to_csv(place / f"counts.{ending}")
    found[f"counts.{ending}"] = facts
table.T.rename_axis(None).to_csv(place / "cells_in_rows.tsv.xz", sep="\t")
found["cells_in_rows.tsv.xz"] = facts
table.to_csv(place / "semicolons_bom.csv", sep=";", encoding="utf-8-sig")
found["semicolons_bom.csv"] = facts

normalised = values / values.sum(1, keepdims=True) * 1e4
table_of_floats = pd.DataFrame(normalised.T, index=table.index, columns=BARCODES)
table_of_floats.to_csv(place / "decimal_comma.csv", sep=";", decimal=",")
found["decimal_comma.csv"] = {**facts, "X": normalised.tolist()}
table.to_parquet(place / "genes_in_rows.parquet")
table.T.to_parquet(place / "cells_in_rows.parquet")
table.reset_index().to_parquet(place / "no_index.parquet", index=False)
found |= dict.fromkeys(("genes_in_rows.parquet", "cells_in_rows.parquet", "no_index.parquet"), facts)
table_of_floats.astype("float32").reset_index().to_feather(place / "counts.feather")
found["counts.feather"] = {**facts, "X": normalised.astype("float32").tolist()}
say("pandas", versions("pandas", "pyarrow", "zstandard"), found)

# Genes in rows, as 10x has it; the names of all of them stand beside them once.
place = HERE / "scipy"
shutil.rmtree(place, ignore_errors=True)
place.mkdir()
(place / "barcodes.tsv").write_text("\n".join(BARCODES) + "\n")
names = (f"{identifier}\t{symbol}\n" for identifier, symbol in zip(IDENTIFIERS, SYMBOLS, strict=True))
(place / "genes.tsv").write_text("".join(names))
big = values.T.astype(float) * 50000.5
written = {
    "coordinate_integer": sp.coo_matrix(values.T),
    "coordinate_real": sp.coo_matrix(big),
    "coordinate_whole_reals": sp.csc_matrix(values.T.astype(np.float32)),
    "array_integer": values.T,
    "array_real": big,
}
found = {}
for name, matrix in written.items():
    scipy.io.mmwrite(place / f"{name}.mtx", matrix)
    dense = matrix.toarray() if sp.issparse(matrix) else matrix
    found[f"{name}.mtx"] = {**facts, "gene_ids": IDENTIFIERS, "X": dense.T.tolist()}
scipy.io.mmwrite(place / "pattern.mtx", sp.coo_matrix(values.T), field="pattern")
found["pattern.mtx"] = {"refused_or_said": "only where something is, not how much"}
sp.save_npz(place / "counts.npz", sp.csc_matrix(values.T))
found["counts.npz"] = {**facts, "gene_ids": IDENTIFIERS}
say("scipy", versions("scipy", "numpy"), found)
