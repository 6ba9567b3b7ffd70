"""10x .h5 files of Cell Ranger 2 (one group for each genome) and 3 (the group ``matrix``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.assemble import Found
from scgnn2_engine.io.format import Format
from scgnn2_engine.io.memory import require_memory
from scgnn2_engine.io.readers.tenx_features import EXPRESSION, Features, with_features
from scgnn2_engine.io.start import BROKEN, Start, cannot_read
from scgnn2_engine.params import LoadParams


def read_tenx_h5(path: Path, *, max_memory: float = 0.0) -> Found:
    """Read a 10x .h5 file of version 2 (one group for each genome) or 3 (the group ``matrix``).

    Raises
    ------
    InputError
        The file is damaged, or holds several genomes.
    InsufficientMemoryError
        The matrix is expected not to fit.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            groups = ["matrix"] if "matrix" in file else sorted(key for key in file if "barcodes" in file[key])
            if len(groups) != 1:
                raise InputError(
                    f"{path} holds {len(groups)} genomes.",
                    expected="one",
                    found=", ".join(groups),
                    advice="Split it by genome, or read the folder of one of them.",
                )
            group = file[groups[0]]
            n_genes, n_cells = (int(size) for size in group["shape"][:])
            require_memory(24.0 * group["data"].shape[0], str(path), max_memory)
            names = group["features/name"] if "features" in group else group["gene_names"]
            kinds = group["features/feature_type"] if "features" in group else None
            # stored by columns, genes x cells: read by rows it is the CSR form of cells x genes
            expression = sp.csr_matrix(
                (group["data"][:].astype(np.float32), group["indices"][:], group["indptr"][:]), shape=(n_cells, n_genes)
            )
            symbols = [str(name) for name in names.asstr()[:]]
            barcodes = [str(name) for name in group["barcodes"].asstr()[:]]
            types = [str(kind) for kind in kinds.asstr()[:]] if kinds is not None else [EXPRESSION] * n_genes
            ids = group["features/id"] if "features" in group else group["genes"]
            identifiers = [str(name) for name in ids.asstr()[:]]
    except (*BROKEN, KeyError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise cannot_read(path, error) from error
    return with_features(str(path), expression, barcodes, Features(identifiers, symbols, types))


def _read(path: Path, load: LoadParams, max_memory: float) -> Found:
    return read_tenx_h5(path, max_memory=max_memory)


def _recognises(start: Start) -> bool:
    return any({"barcodes", "data", "indices", "indptr"} <= members for members in start.groups.values())


FORMAT = Format("10x h5", "10x .h5", (".h5",), _recognises, _read)
