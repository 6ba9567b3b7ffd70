"""One gene of a matrix of all genes that is on disk, and the gene that tells clusters apart."""

from __future__ import annotations

from collections.abc import Mapping

import h5py
import numpy as np
import numpy.typing as npt

VALUES_AT_ONCE = 4_000_000
"""Values of a sparse matrix that are looked at together: 32 MB."""


def names_of(var: h5py.Group) -> npt.NDArray[np.str_]:
    """(n_vars,) the names that an annotation of genes has on disk."""
    return np.asarray(var[var.attrs.get("_index", "_index")].asstr()[:], dtype=np.str_)


def column_on_disk(matrix: h5py.Group | h5py.Dataset, gene: int) -> npt.NDArray[np.float32]:
    """One column of a dense, CSR or CSC matrix of an h5ad, which is not read whole.

    Parameters
    ----------
    matrix
        (n_obs, n_vars) as anndata writes it.
    gene
        Position of the column.

    Returns
    -------
    numpy.ndarray
        (n_obs,) float32.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from anndata.io import write_elem
    >>> file = h5py.File("x.h5", "w", driver="core", backing_store=False)
    >>> write_elem(file, "x", sp.csr_matrix([[0.0, 2.0], [0.0, 0.0], [1.0, 3.0]]))
    >>> column_on_disk(file["x"], 1).tolist()
    [2.0, 0.0, 3.0]
    """
    if isinstance(matrix, h5py.Dataset):
        return np.asarray(matrix[:, gene], dtype=np.float32)
    bounds = matrix["indptr"][:]
    values = np.zeros(matrix.attrs["shape"][0], dtype=np.float32)
    if matrix.attrs["encoding-type"] == "csc_matrix":
        part = slice(int(bounds[gene]), int(bounds[gene + 1]))
        values[matrix["indices"][part]] = matrix["data"][part]
        return values
    for start in range(0, int(bounds[-1]), VALUES_AT_ONCE):
        part = slice(start, start + VALUES_AT_ONCE)
        found = np.flatnonzero(matrix["indices"][part] == gene)
        if len(found):
            values[np.searchsorted(bounds, found + start, side="right") - 1] = matrix["data"][part][found]
    return values


def telling_gene(values: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> int:
    """The gene whose means in the groups lie furthest apart: the one with the largest variance between groups.

    Parameters
    ----------
    values
        (n_obs, n_vars) ln(1 + expression).
    labels
        (n_obs,) a group for every cell.

    Examples
    --------
    >>> telling_gene(np.array([[3.0, 0.0], [3.0, 1.0], [3.0, 0.0], [3.0, 3.0]], np.float32), np.array([0, 0, 1, 1]))
    1
    """
    groups, sizes = np.unique(labels, return_counts=True)
    means = np.stack([values[labels == group].mean(axis=0) for group in groups])
    return int(np.average((means - values.mean(axis=0)) ** 2, axis=0, weights=sizes).argmax())


def nearest_names(name: str, genes: Mapping[str, int]) -> list[str]:
    """Up to five genes that begin as a name does."""
    return [gene for gene in genes if gene.lower().startswith(name.lower()[:3])][:5] if name else []
