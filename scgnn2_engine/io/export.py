"""Write a data set in another format."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import scipy.sparse as sp

from scgnn2_engine.errors import ParameterError
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.io.h5ad import to_anndata
from scgnn2_engine.io.tables import write_matrix
from scgnn2_engine.types import Dataset

TEXT = (".csv", ".tsv", ".csv.gz", ".tsv.gz")


def export(data: Dataset, path: str | Path) -> list[str]:
    """Write a data set; the suffix chooses the format.

    Parameters
    ----------
    data
        What to write.
    path
        ``.h5ad``, or ``.csv``, ``.tsv`` (also ``.gz``) with one gene per row and one cell per column.

    Returns
    -------
    list of str
        What the format could not carry, as phrases.

    Raises
    ------
    ParameterError
        The suffix names no format that can be written.
    OutputError
        The file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from scgnn2_engine.simulation import simulate
    >>> folder = Path(tempfile.mkdtemp())
    >>> export(simulate(n_obs=20, n_vars=10, n_types=2, seed=0), folder / "small.csv.gz")
    ['the labels of the cells', 'the cell annotation (cell_type)']
    """
    path = Path(path)
    name = path.name.lower()
    if name.endswith(".h5ad"):
        adata = to_anndata(data)
        with whole_file(path) as temporary:
            adata.write_h5ad(temporary, compression="gzip")
        return []
    if not name.endswith(TEXT):
        raise ParameterError(
            f"{path} has no suffix that says how to write it.",
            expected=", ".join((".h5ad", *TEXT)),
            found=path.suffix or "no suffix",
        )
    _write_text(data, path)
    lost = ["the labels of the cells"] if data.truth is not None else []
    if data.obs is not None and len(data.obs.columns):
        lost.append("the cell annotation (" + ", ".join(map(str, data.obs.columns[:5])) + ")")
    return lost


def _write_text(data: Dataset, path: Path) -> None:
    genes_by_cells = sp.csr_matrix(data.expression.T) if sp.issparse(data.expression) else data.expression.T
    separator = "\t" if ".tsv" in path.name.lower() else ","
    with whole_file(path) as temporary:
        plain = temporary.with_name(temporary.name + ".plain") if path.suffix == ".gz" else temporary
        try:
            write_matrix(plain, genes_by_cells, data.var_names, data.obs_names, corner="gene", separator=separator)
            if plain is not temporary:
                with open(plain, "rb") as source, gzip.open(temporary, "wb", compresslevel=6) as target:
                    shutil.copyfileobj(source, target)
        finally:
            if plain is not temporary:
                plain.unlink(missing_ok=True)
