#!/bin/sh
# An AnnData in zarr, mended in place, is read by what it was before: whole numbers come back as 1.4e-45
#
# anndata 0.12.19 with zarr 3.1.6 (and 0.13.4 with 3.4.2), formats 2 and 3.
# write_zarr also leaves a copy of all metadata at the root ("consolidated"). anndata's own write_elem refuses to change
# a group that was opened with that copy, so one opens it with use_consolidated=False, as zarr's documentation says.
# The copy is left as it was, and read_zarr believes it.
# Expected: the new values (they are in the store, and write_elem did not complain), or an error.
# Seen: a new layer does not exist; an X of another kind of number is read bit for bit as the old kind, without a word.
#
#   format 2: layers [], X [[1.4e-45, 2.8e-45], [4.2e-45, 5.6e-45]] float32; without the copy: layers ['new'], X 1 2 3 4
#   format 3: the same
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env # 3.11 or newer
env/bin/pip install -q anndata==0.12.19 zarr==3.1.6 'pandas<3'
env/bin/python -W ignore - << 'PYTHON'
import anndata as ad
import numpy as np
import zarr

counts = np.array([[1, 2], [3, 4]], dtype=np.float32)
for version in (2, 3):
    ad.settings.zarr_write_format = version
    place = f"format_{version}.zarr"
    adata = ad.AnnData(counts)
    adata.write_zarr(place)
    group = zarr.open_group(place, mode="r+", use_consolidated=False)
    ad.io.write_elem(group, "X", counts.astype(np.int32))
    ad.io.write_elem(group["layers"], "new", counts)

    back = ad.read_zarr(place)
    truth = ad.io.read_elem(zarr.open_group(place, mode="r", use_consolidated=False))
    print(f"format {version}: layers {list(back.layers)}, X {back.X.tolist()} {back.X.dtype};", end=" ")
    print(f"without the copy: layers {list(truth.layers)}, X {truth.X.tolist()}")
    assert list(back.layers) == [] and list(truth.layers) == ["new"]
    assert back.X.dtype == np.float32 and (back.X == counts.astype(np.int32).view(np.float32)).all()
    assert (truth.X == counts).all()
PYTHON
