"""What is right to read from the files of ``count_reads.sh``, put together with pandas, scipy and h5py.

Run in an environment with those and anndata: ``python describe_counts.py``.
"""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import h5py
import pandas as pd
import scipy.io
from small import HERE, plain, say

KB, STAR = "kb-python 0.30.2 (kallisto, bustools)", "STAR 2.7.10b"
SUBREAD, HTSEQ = "featureCounts 2.0.3", "HTSeq 2.1.2"


def lines(path: Path) -> list[str]:
    """Its lines."""
    return path.read_text("utf-8").splitlines()


def mtx(path: Path, *, turned: bool = False) -> list[list[float]]:
    """The values of a Matrix Market file; ``turned`` where genes are the rows."""
    values = scipy.io.mmread(path)
    return plain(values.T if turned else values)


def tables(path: Path, **read: object) -> dict[str, object]:
    """A table with genes in rows: without the rows that count no gene."""
    table = pd.read_csv(path, sep="\t", index_col=0, comment="#", **read)
    dropped = [name for name in table.columns if table[name].dtype.kind not in "if" or name == "Length"]
    counters = [name for name in table.index if name.startswith(("__", "N_"))]
    values = table.drop(columns=dropped, index=counters)
    names = {"obs_names": [str(name) for name in values.columns], "var_names": list(values.index)}
    return {
        **names,
        "X": plain(values.T),
        "left_out": ["" if name.startswith("Unnamed") else name for name in [*dropped, *counters]],
    }


# ------------------------------------------------------------------------------------------------------------ kb-python
found: dict[str, dict[str, object]] = {}
for name in ("standard", "multimapping", "h5ad"):
    folder = HERE / "kb_python" / name / "counts_unfiltered"
    stem = folder / "cells_x_genes"
    barcodes, identifiers = lines(Path(f"{stem}.barcodes.txt")), lines(Path(f"{stem}.genes.txt"))
    names = {"obs_names": barcodes, "var_names": lines(Path(f"{stem}.genes.names.txt")), "gene_ids": identifiers}
    found[f"{name}/counts_unfiltered"] = {**names, "X": mtx(Path(f"{stem}.mtx"))}
    found[f"{name}/counts_unfiltered/cells_x_genes.mtx"] = found[f"{name}/counts_unfiltered"]
for name in ("nac", "nac_sum"):
    stem = HERE / "kb_python" / name / "counts_unfiltered" / "cells_x_genes"
    matrices = {path.name.split(".")[1]: mtx(path) for path in sorted(stem.parent.glob("*.mtx"))}
    found[f"{name}/counts_unfiltered"] = {**names, "matrices": matrices}
    for part, values in matrices.items():
        found[f"{name}/counts_unfiltered/cells_x_genes.{part}.mtx"] = {**names, "X": values}
for part, name in (("spliced", "mature"), ("unspliced", "nascent"), ("cellranger_ambiguous", "ambiguous")):
    suffixed = {**names, "obs_names": [f"{barcode}-1" for barcode in barcodes]}  # only kb's cellranger folders have it
    values = found[f"nac/counts_unfiltered/cells_x_genes.{name}.mtx"]["X"]
    found[f"nac/counts_unfiltered/{part}"] = {**suffixed, "X": values}
found["cellranger/counts_unfiltered/cellranger"] = {**suffixed, "X": found["standard/counts_unfiltered"]["X"]}
found["tcc/counts_unfiltered"] = {"refused": "equivalence classes, no genes"}
for name in ("h5ad", "nac_sum"):
    adata = ad.read_h5ad(HERE / "kb_python" / name / "counts_unfiltered" / "adata.h5ad")
    layers = {layer: plain(adata.layers[layer]) for layer in sorted(adata.layers)}
    facts = {"obs_names": list(adata.obs_names), "var_names": list(adata.var_names), "X": plain(adata.X)}
    found[f"{name}/counts_unfiltered/adata.h5ad"] = {**facts, "layers": layers}
for name, cell, gene in (("loom", "barcode", "target_name"), ("nac_loom", "CellID", "Gene")):
    with h5py.File(HERE / "kb_python" / name / "counts_unfiltered" / "adata.loom") as file:
        facts = {
            "obs_names": [text.decode() for text in file["col_attrs"][cell]],
            "var_names": [text.decode() for text in file["row_attrs"][gene]],
            "X": plain(file["matrix"][()].T),
            "layers": {layer: plain(file["layers"][layer][()].T) for layer in sorted(file["layers"])},
        }
    found[f"{name}/counts_unfiltered/adata.loom"] = facts
say("kb_python", KB, found)

# ------------------------------------------------------------------------------------------------------------- STARsolo
found = {}
for name in ("Gene/raw", "Gene/filtered", "GeneFull/raw", "Velocyto/raw"):
    folder = HERE / "starsolo" / name
    features = [line.split("\t") for line in lines(folder / "features.tsv")]
    names = {"obs_names": lines(folder / "barcodes.tsv"), "var_names": [row[1] for row in features]}
    names["gene_ids"] = [row[0] for row in features]
    matrices = {path.stem: mtx(path, turned=True) for path in sorted(folder.glob("*.mtx"))}
    if "matrix" in matrices:
        found[name] = {**names, "X": matrices["matrix"]}
    if len(matrices) > 1:
        found[name] = {**found.get(name, names), "matrices": matrices}
    for part, values in matrices.items():
        found[f"{name}/{part}.mtx"] = {**names, "X": values}
found["SJ/raw"] = {"refused": "splice junctions, no genes"}
say("starsolo", STAR, found)

# ------------------------------------------------------------------------------------------ tables of genes and samples
kinds = ("counts", "extra_attributes", "fraction")
say("featurecounts", SUBREAD, {f"{name}.txt": tables(HERE / "featurecounts" / f"{name}.txt") for name in kinds})
say("featurecounts", SUBREAD, {"exons.txt": {"refused": "a row for each exon: names of genes repeat"}})

place = HERE / "htseq"
found = {f"{name}.tsv": tables(place / f"{name}.tsv") for name in ("with_header", "with_names", "fraction")}
found["printed.tsv"] = {**tables(place / "printed.tsv", header=None), "obs_names": None}  # it names no sample
for well in ("A1", "A2"):
    found[f"{well}.counts"] = {**tables(place / f"{well}.counts", header=None), "obs_names": [well]}
whole = found["with_header.tsv"]
for name in ("counts.h5ad", "counts.loom", "counts.mtx", "sparse.mtx"):
    found[name] = {**whole, "left_out": [gene for gene in whole["left_out"] if gene.startswith("__")]}
say("htseq", HTSEQ, found)

place = HERE / "reads_per_gene"
wells = {
    path.name.split(".")[0]: pd.read_csv(path, sep="\t", index_col=0, header=None)
    for path in sorted(place.glob("*.tab"))
}
strands = {}
for column, name in enumerate(("unstranded", "forward", "reverse"), start=1):
    joined = pd.DataFrame({well: table[column] for well, table in wells.items()})
    strands[name] = plain(joined[~joined.index.str.startswith("N_")].T)
genes = [name for name in joined.index if not name.startswith("N_")]
facts = {"obs_names": list(wells), "var_names": genes, "X": strands["unstranded"], "matrices": strands}
say("reads_per_gene", STAR, {".": {**facts, "left_out": [name for name in joined.index if name.startswith("N_")]}})
