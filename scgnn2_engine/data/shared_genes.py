"""What was measured in the kept cells at genes that the filter may have dropped."""

from __future__ import annotations

import numpy as np

from scgnn2_engine.data.dataset import Dataset, Ints, Matrix
from scgnn2_engine.data.matrices import part, unlogged, with_zeros_at
from scgnn2_engine.data.prepared import Prepared


def measured_at(dataset: Dataset, prepared: Prepared, genes: Ints) -> Matrix:
    """Expression of the kept cells at some genes of the data set, not logged, with what is hidden or held out as 0.

    Parameters
    ----------
    dataset
        The data set as read.
    prepared
        What was kept of it, and which entries were hidden (the benchmark's and the held-out ones).
    genes
        (g,) positions among the data set's genes, ascending.

    Returns
    -------
    (n_obs, g)
        Dense, or CSR where the data set is; logged data is brought back by exp(x) - 1.

    Examples
    --------
    >>> from scgnn2_engine.params import RunParams
    >>> from scgnn2_engine.data.preparation import prepare
    >>> data = Dataset(np.array([[1.0, 0, 3], [2, 5, 0]]), np.array(["c", "d"]), np.array(["A", "B", "C"]), "counts")
    >>> kept = prepare(data, RunParams(preprocess_gene_cutoff=1, preprocess_cell_cutoff=1, preset="paper"))
    >>> measured_at(data, kept, np.array([0, 2])).tolist()
    [[1.0, 3.0], [2.0, 0.0]]
    """
    measured = part(dataset.expression, prepared.cells, genes)
    place = np.full(dataset.n_vars, -1, dtype=np.int64)
    place[genes] = np.arange(len(genes))
    for entries in (prepared.hidden, prepared.validation):
        if entries is not None:
            columns = place[prepared.genes[entries.cols]]
            measured = with_zeros_at(measured, entries.rows[columns >= 0], columns[columns >= 0])
    return unlogged(measured, dataset.scale)
