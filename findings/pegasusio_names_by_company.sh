#!/bin/sh
# pegasusio gives one cell three names, by the format and by the company it keeps; and shows antibodies as the data
#
# pegasusio 0.11.0 (the reader of Pegasus and Cumulus).
# Expected: a cell is called as its file calls it, or the same by one rule; of RNA and antibodies, RNA is shown first.
# Seen: from a 10x folder ACGT-1 is ACGT where all cells end in -1, 1-ACGT where another ends in -2, and ACGT-1 from csv:
# labels and looms made from one do not fit the other. From a 10x .h5, features of kind Antibody Capture become a data
# set of their own, and that is the one bound as X; from a folder the same features are genes among the genes.
#
#   folder, one well:  ['ACGT', 'GGGG']     folder, two wells: ['1-ACGT', '2-GGGG']     csv: ['ACGT-1', 'GGGG-1']
#   folder: 1 set, X has 3 features; .h5: 2 sets, X is ['CD3']
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env # 3.11 or newer
env/bin/pip install -q pegasusio==0.11.0 anndata==0.12.19 'pandas<3' numpy==2.4.6 scipy==1.17.1 h5py==3.16.0
env/bin/python -W ignore - << 'PYTHON' 2> /dev/null
import gzip
import os

import h5py
import numpy as np
import pegasusio
import scipy.io
import scipy.sparse as sp

counts = sp.csc_matrix(np.array([[1, 2], [3, 4], [5, 6]]))  # features x cells
genes, kinds = ["ACTB", "LYZ", "CD3"], ["Gene Expression", "Gene Expression", "Antibody Capture"]


def tenx(folder: str, barcodes: list[str]):
    os.mkdir(folder)
    with gzip.open(f"{folder}/matrix.mtx.gz", "wb") as file:
        scipy.io.mmwrite(file, counts)
    with gzip.open(f"{folder}/barcodes.tsv.gz", "wt") as file:
        file.write("".join(f"{barcode}\n" for barcode in barcodes))
    with gzip.open(f"{folder}/features.tsv.gz", "wt") as file:
        file.write("".join(f"E{gene}\t{gene}\t{kind}\n" for gene, kind in zip(genes, kinds)))
    return pegasusio.read_input(folder)


one, two = tenx("one", ["ACGT-1", "GGGG-1"]), tenx("two", ["ACGT-1", "GGGG-2"])
with open("counts.csv", "w") as file:
    file.write("gene,ACGT-1,GGGG-1\nACTB,1,2\nLYZ,3,4\nCD3,5,6\n")
table = pegasusio.read_input("counts.csv", genome="x")
with h5py.File("counts.h5", "w") as file:  # as Cell Ranger has it: antibodies belong to no genome
    group = file.create_group("matrix")
    for name, values in (("data", counts.data), ("indices", counts.indices), ("indptr", counts.indptr), ("shape", counts.shape)):
        group[name] = np.asarray(values)
    group["barcodes"] = np.array(["ACGT-1", "GGGG-1"], dtype="S")
    columns = {"id": [f"E{gene}" for gene in genes], "name": genes, "feature_type": kinds, "genome": ["GRCh38", "GRCh38", ""]}
    for name, values in columns.items():
        group[f"features/{name}"] = np.array(values, dtype="S")
    group["features/_all_tag_keys"] = np.array(["genome"], dtype="S")
hdf5 = pegasusio.read_input("counts.h5")
for name, data in (("one", one), ("two", two), ("csv", table), ("h5", hdf5)):
    print(name, list(data.obs_names), list(data.var_names), list(data.list_data()))
assert list(one.obs_names) == ["ACGT", "GGGG"] and list(two.obs_names) == ["1-ACGT", "2-GGGG"]
assert list(table.obs_names) == ["ACGT-1", "GGGG-1"]
assert one.shape == (2, 3) and len(one.list_data()) == 1
assert hdf5.shape == (2, 1) and list(hdf5.var_names) == ["CD3"] and len(hdf5.list_data()) == 2
PYTHON
