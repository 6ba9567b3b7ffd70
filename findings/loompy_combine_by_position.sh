#!/bin/sh
# loompy.combine puts samples together by the position of the genes, not by their names, unless a key is given
#
# loompy 3.0.8 (what velocyto's users join their samples with).
# Expected: genes that stand in another order are matched by name, as the file has them, or refused.
# Seen: the second sample's counts go to other genes; the names of the first file stand for both. With key="Gene" they are
# put in order. Nothing is said of either.
#
#   without a key: g1 [1, 20], g2 [2, 10]    with key="Gene": g1 [1, 10], g2 [2, 20]
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env # 3.11 or newer
env/bin/pip install -q loompy==3.0.8 numpy==2.4.6 scipy==1.17.1 h5py==3.16.0
env/bin/python -W ignore - << 'PYTHON' 2> /dev/null
import loompy
import numpy as np


def sample(name: str, genes: list[str], counts: list[int], cell: str) -> None:
    values = np.array(counts).reshape(-1, 1)
    loompy.create(name, values, {"Gene": np.array(genes)}, {"CellID": np.array([cell])})


sample("a.loom", ["g1", "g2"], [1, 2], "a")
sample("b.loom", ["g2", "g1"], [20, 10], "b")  # the same genes, the other way round


def joined(name: str, **key: str) -> dict[str, list[int]]:
    loompy.combine(["a.loom", "b.loom"], name, **key)
    with loompy.connect(name, "r") as ds:
        return {str(gene): [int(x) for x in row] for gene, row in zip(ds.ra.Gene, ds[:, :])}


by_position, by_name = joined("position.loom"), joined("name.loom", key="Gene")
print("without a key:", by_position, '  with key="Gene":', by_name)
assert by_name == {"g1": [1, 10], "g2": [2, 20]}
assert by_position == {"g1": [1, 20], "g2": [2, 10]}
PYTHON
