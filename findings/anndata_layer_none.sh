#!/bin/sh
# In anndata 0.13, X is also a layer, called None: its own loom writer and TileDB-SOMA's ingest fall over it
#
# anndata 0.13.4, loompy 3.0.8, tiledbsoma 2.3.0 (which pip installs together without a complaint). Python 3.12 or newer.
# Expected: layers hold what was put into them: none here, as in 0.12.
# Seen: list(adata.layers) is [None]; len is 1; a loop over the layers, as half of the field's tools have one, meets a name
# that is no text and a second copy of X.
#
#   list(adata.layers) -> [None]
#   adata.write_loom          -> AttributeError: 'NoneType' object has no attribute 'startswith'
#   tiledbsoma from_anndata   -> TypeError: quote_from_bytes() expected bytes
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
"${PYTHON:-python3}" -m venv env # 3.12 or newer
env/bin/pip install -q anndata==0.13.4 loompy==3.0.8 tiledbsoma==2.3.0 scanpy==1.12.4 pandas==2.3.3 numpy==2.5.5 scipy==1.18.1
env/bin/python -W ignore - << 'PYTHON' 2> /dev/null
import anndata as ad
import numpy as np
import tiledbsoma.io

adata = ad.AnnData(np.eye(3, dtype=np.float32))
adata.obs_names, adata.var_names = list("abc"), list("xyz")
print("list(adata.layers) ->", list(adata.layers))
assert list(adata.layers) == [None] and len(adata.layers) == 1

for kind, call in (
    (AttributeError, lambda: adata.write_loom("a.loom")),
    (TypeError, lambda: tiledbsoma.io.from_anndata("experiment", adata, measurement_name="RNA")),
):
    try:
        call()
    except kind as error:
        print(type(error).__name__, error)
    else:
        raise SystemExit("it works now")
PYTHON
