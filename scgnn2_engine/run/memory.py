"""What a run will need in memory, said before it starts."""

from __future__ import annotations

import numpy as np
import psutil

from scgnn2_engine.bulk.steps import BULK_METHODS
from scgnn2_engine.data.dataset import Dataset, Matrix
from scgnn2_engine.data.matrices import is_sparse, stored
from scgnn2_engine.data.normalise import DENSE_UP_TO
from scgnn2_engine.errors import InsufficientMemoryError, ParameterError
from scgnn2_engine.evaluate.evaluation import EVALUATION_MATRICES, SCORED_CELLS
from scgnn2_engine.io.memory import GIB, available_memory
from scgnn2_engine.methods import method_of
from scgnn2_engine.params import RunParams

LIBRARIES = 500 * 2**20  # Python with torch, pandas and scikit-learn loaded
WORK_BUFFERS = 250 * 2**20  # blocks of row-wise passes, LTMG batches, tiles of the graph's loss, the allocator's slack
FLOAT = 4
HIDDEN_UNITS, EMBEDDING = 512, 128  # of the feature autoencoder
CLUSTERS = 31  # trained side by side at most, each with a network of its own: more are seldom found
BYTES_PER_EDGE = 1250  # measured at 7,000 and 100,000 cells: both attention layers of the whole graph, forth and back
BYTES_PER_KEPT_VALUE = 44  # LTMG: value and cell twice while they are joined, the matrix by rows and by columns


def memory_parts(
    n_obs: int, n_vars: int, params: RunParams, *, input_bytes: int = 0, n_nonzero: int | None = None
) -> dict[str, int]:
    """Bytes by what they are for; those of LTMG and of training are not in use at the same time.

    Parameters
    ----------
    n_obs, n_vars
        Kept cells and genes.
    params
        All parameters of the run.
    input_bytes
        Size of the matrix as read.
    n_nonzero
        Its non-zero values among the kept genes; None takes them all for non-zero.
    """
    matrix = n_obs * n_vars * FLOAT
    nonzeros = n_obs * n_vars if n_nonzero is None else min(n_nonzero, n_obs * n_vars)
    network = FLOAT * 2 * (n_vars * HIDDEN_UNITS + HIDDEN_UNITS * EMBEDDING)
    from scgnn2_engine.resources import usable_processors

    workers = min(params.threads or usable_processors(), CLUSTERS)
    batch = min(n_obs, max(params.feature_AE.batch_size, params.cluster_AE.batch_size))
    parts = {
        "libraries and work buffers": LIBRARIES + WORK_BUFFERS,
        "the input matrix and its kept part": 2 * input_bytes,
        "the matrix of the networks": FLOAT * nonzeros if n_obs * n_vars > DENSE_UP_TO else matrix,
        **method_of(params).memory(n_obs, n_vars, nonzeros, params),
        "one step's activations": batch * FLOAT * (6 * n_vars + 8 * HIDDEN_UNITS),
        "networks with Adam": 5 * network * (1 + workers),
        "the cell graph": n_obs * _neighbours(n_obs, params) * BYTES_PER_EDGE,
    }
    if params.evaluate.baselines or params.evaluate.diagnostics:
        parts["scores"] = EVALUATION_MATRICES * FLOAT * min(n_obs, SCORED_CELLS) * n_vars
    if params.run_LTMG or params.load.LTMG or params.load.use_benchmark:
        parts["LTMG states"] = n_obs * n_vars
    if params.run_LTMG:
        parts["LTMG's fits"] = BYTES_PER_KEPT_VALUE * nonzeros
    if params.clustering.method == "AffinityPropagation":
        parts["affinity propagation's four n x n matrices"] = 4 * 8 * n_obs * n_obs
    if params.use_bulk:
        bulk = BULK_METHODS[params.deconv.method]
        parts["deconvolution"] = bulk.matrices * matrix + input_bytes * bulk.by_held_out
    return parts


def expected_memory(
    n_obs: int, n_vars: int, params: RunParams, *, input_bytes: int = 0, n_nonzero: int | None = None
) -> int:
    """Bytes of resident memory at the run's peak; parameters as for :func:`memory_parts`.

    Examples
    --------
    >>> small, large = (expected_memory(n, 2000, RunParams()) for n in (7_000, 70_000))
    >>> round(small / 2**30, 1) < 4 < round(large / 2**30, 1)
    True
    """
    parts = memory_parts(n_obs, n_vars, params, input_bytes=input_bytes, n_nonzero=n_nonzero)
    fits = parts.pop("LTMG's fits", 0)
    before_loop = (
        "libraries and work buffers",
        "the input matrix and its kept part",
        "the matrix of the networks",
        "LTMG states",
    )
    return max(sum(parts.values()), fits + sum(parts.get(name, 0) for name in before_loop))


def check_memory(data: Dataset, params: RunParams) -> int:
    """Refuse a run that will not fit, before anything is trained.

    Parameters
    ----------
    data
        The matrix as read, in memory already.
    params
        All parameters; ``max_memory`` (GiB) is the limit for the whole process, 0 takes what is free on the machine.

    Returns
    -------
    int
        The bytes expected at the peak.

    Raises
    ------
    InsufficientMemoryError
        The message holds the expected and the available size, and what needs most of it.
    """
    wanted = params.preprocess.top_gene_select
    n_vars = data.n_vars if wanted < 0 else min(data.n_vars, wanted)
    size = {"input_bytes": _bytes(data.expression), "n_nonzero": int(np.count_nonzero(stored(data.expression)))}
    expected = expected_memory(data.n_obs, n_vars, params, **size)
    if params.max_memory > 0:
        limit, source = params.max_memory * GIB, "max_memory"
    else:
        limit, source = float(available_memory() + psutil.Process().memory_info().rss), "free now"
    if expected > limit:
        parts = memory_parts(data.n_obs, n_vars, params, **size)
        largest = max(parts, key=lambda name: parts[name])
        raise InsufficientMemoryError(
            f"A run on {data.n_obs} cells and {n_vars} genes would need about {expected / GIB:.3g} GiB of memory, "
            f"{parts[largest] / GIB:.3g} GiB of it for {largest}.",
            expected=f"at most {limit / GIB:.3g} GiB ({source})",
            found=f"{expected / GIB:.3g} GiB",
            advice=_advice(largest),
        )
    return expected


def _neighbours(n_obs: int, params: RunParams) -> int:
    """Neighbours of a cell in the graph; all others where there are too few, which the graph itself will refuse."""
    from scgnn2_engine.graph.neighbours import neighbour_count

    graph = params.graph_AE
    try:
        return neighbour_count(n_obs, graph.neighborhood_factor, graph.neighborhood_max, graph.graph_construction)
    except ParameterError:
        return n_obs - 1


def _bytes(expression: Matrix) -> int:
    if not is_sparse(expression):
        return int(expression.nbytes)
    return int(expression.data.nbytes + expression.indices.nbytes + expression.indptr.nbytes)


def _advice(largest: str) -> str:
    if largest.startswith("affinity"):
        return "Choose clustering_method = KMeans or Leiden: affinity propagation compares all pairs of cells."
    if largest == "the cell graph":
        return "Set graph_AE_neighborhood_max (30, say): without it the neighbours grow with the number of cells."
    if largest == "one step's activations":
        return "Set smaller feature_AE_batch_size and cluster_AE_batch_size (512, say)."
    return "Keep fewer genes (preprocess_top_gene_select), take fewer cells, or use a machine with more memory."
