"""What is right to read from what the scripts of R here write: ``python describe_r.py``, with numpy."""

from __future__ import annotations

from small import BARCODES, IDENTIFIERS, SYMBOLS, counts, say

TOOL = "R 4.2.2"
values = counts(2)
values[0, 0] = 100000
normalised = [[float(f"{x:.15g}") for x in row] for row in values / values.sum(1, keepdims=True) * 1e4]  # R's digits
names = {"obs_names": BARCODES, "var_names": SYMBOLS}
whole = {**names, "X": values.tolist()}
files = ("write_table.txt", "write_table.txt.gz", "write_table_tabs.txt", "write_table_corner.tsv", "write_csv.csv")
found = dict.fromkeys([*files, "write_csv_cells_in_rows.csv", "fwrite.csv"], whole)
found["write_csv_make_names.csv"] = {**whole, "obs_names": [name.replace("-", ".") for name in BARCODES]}
fractions = {**names, "X": normalised}
found |= {"write_csv2.csv": fractions, "write_csv_normalised.csv": fractions}
found["write_csv_na.csv"] = {"refused": "NA in row LYZ, column AGACCTGAGCATCAG-1"}
say("r", TOOL, found)
TOOL = "R 4.2.2, Matrix 1.5-3"
found = {"write_mm.mtx": whole, "write_mm_triplets.mtx": whole}
found["write_mm_normalised.mtx"] = fractions
found["write_mm_pattern.mtx"] = {"refused_or_said": "only where something is, not how much"}
say("r", TOOL, found)

TOOL = "R 4.2.2, DropletUtils 1.18.1"
tenx = {"obs_names": BARCODES, "var_names": SYMBOLS, "gene_ids": IDENTIFIERS, "X": counts(2).tolist()}
found = {"version_2": tenx, "version_3": tenx, "version_2.h5": tenx}
genes = {"var_names": SYMBOLS[:9], "gene_ids": IDENTIFIERS[:9], "X": counts(2)[:, :9].tolist(), "left_out": SYMBOLS[9:]}
found["citeseq.h5"] = {**tenx, **genes}
found["antibodies.h5"] = {"refused": "antibodies only"}
say("dropletutils", TOOL, found)
