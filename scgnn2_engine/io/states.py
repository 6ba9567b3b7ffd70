"""LTMG states as files: tab-separated, genes x cells, the first column called ``ID``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.io.names import Names, listed, unique_names
from scgnn2_engine.io.readers.text import read_table

_LARGEST = 255


def read_states(
    path: Path, obs_names: Names, var_names: Names, *, max_memory: float = 0.0
) -> tuple[npt.NDArray[np.uint8], list[str], list[str]]:
    """Read LTMG states and put them in the order of the data, by name.

    Parameters
    ----------
    path
        States as genes x cells (or cells x genes: the names decide), separated by tabs or commas.
    obs_names, var_names
        (n_obs,), (n_vars,) cells and genes of the data.

    Returns
    -------
    states, notes, warnings
        (n_obs, n_vars) states, 0 for cells and genes that the file lacks, which the warnings name.

    Raises
    ------
    InputError
        No cell or no gene of the data is in the file, or an entry is not a whole number from 0 to 255.
    """
    table = read_table(path, max_memory)
    # duplicates get the same suffixes here as they got in the data
    rows, columns = unique_names(table.row_names, "gene")[0], unique_names(table.column_names, "cell")[0]
    upright = len(np.intersect1d(rows, var_names)), len(np.intersect1d(columns, obs_names))
    turned = len(np.intersect1d(rows, obs_names)), len(np.intersect1d(columns, var_names))
    genes_in_rows = min(upright) >= min(turned)
    genes, cells = upright if genes_in_rows else turned[::-1]
    if not genes or not cells:
        raise InputError(
            f"The LTMG states in {path} do not belong to this data: {genes} genes and {cells} cells are shared.",
            expected=f"genes such as {listed(var_names, 2)}, cells such as {listed(obs_names, 2)}",
            found=f"rows such as {listed(rows, 2)}, columns such as {listed(columns, 2)}",
        )
    file_cells, file_genes = (columns, rows) if genes_in_rows else (rows, columns)
    values = table.assemble(transpose=genes_in_rows)
    stored = values if isinstance(values, np.ndarray) else values.data
    if stored.size and (float(stored.max()) > _LARGEST or not np.array_equal(stored, np.rint(stored))):
        raise InputError(
            f"{path} does not hold LTMG states.",
            expected=f"whole numbers from 0 to {_LARGEST}",
            found=f"values such as {float(stored.max()):g}",
        )
    cell_at, cell_there = _positions(obs_names, file_cells)
    gene_at, gene_there = _positions(var_names, file_genes)
    states = np.zeros((len(obs_names), len(var_names)), dtype=np.uint8)
    small = values.astype(np.uint8)
    dense = small if isinstance(small, np.ndarray) else small.toarray()
    states[np.ix_(cell_there, gene_there)] = dense[np.ix_(cell_at[cell_there], gene_at[gene_there])]
    notes = [f"LTMG states loaded from {path} (largest {int(states.max())})."]
    warnings = [
        f"{int((~there).sum())} {kind} are not in {path}; their LTMG state is 0: {listed(names[~there])}."
        for kind, names, there in (("cells", obs_names, cell_there), ("genes", var_names, gene_there))
        if not there.all()
    ]
    return states, notes, warnings


def write_states(path: Path, states: npt.NDArray[np.uint8], obs_names: Names, var_names: Names) -> None:
    """Write states as genes x cells, tab-separated, first column ``ID``: the form of scGNN 2.0's own files.

    Parameters
    ----------
    path
        File to write, whole or not at all.
    states
        (n_obs, n_vars), rows are cells.
    obs_names, var_names
        Names of its rows and columns.

    Raises
    ------
    OutputError
        The file cannot be written, or the disk is full.
    ValueError
        ``states`` and the names do not fit.
    """
    if states.shape != (len(obs_names), len(var_names)):
        raise ValueError(f"expected states of shape {(len(obs_names), len(var_names))}, found {states.shape}")
    words = np.arange(_LARGEST + 1).astype(np.str_).astype(object)
    with whole_file(path) as partial, partial.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write("\t".join(["ID", *(str(name) for name in obs_names)]) + "\n")
        for gene, column in zip(var_names, states.T, strict=True):
            handle.write("\t".join([str(gene), *words[column]]) + "\n")


def _positions(wanted: Names, given: Names) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Where each wanted name stands in ``given`` (its first appearance), and whether it is there at all."""
    place = {str(name): position for position, name in reversed(list(enumerate(given)))}
    at = np.asarray([place.get(str(name), -1) for name in wanted], dtype=np.int64)
    return at, at >= 0
