"""What the graph autoencoder takes in and what it learns: features and adjacency, as arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.data.cell_graph import CellGraph
from scgnn2_engine.data.dataset import Floats
from scgnn2_engine.errors import InputError
from scgnn2_engine.graph.rescale import rescale_into
from scgnn2_engine.params import GraphAEParams


def graph_features(embedding: Floats, params: GraphAEParams, previous: Floats | None = None) -> npt.NDArray[np.float32]:
    """What the encoder takes in.

    Parameters
    ----------
    embedding
        (n_obs, d) feature embedding Z.
    params
        ``normalize_embed``: ``"none"``; ``"sum1"`` divides each row by max(1, its sum); ``"binary"`` is 1 where Z is
        above its column's mean, else 0.
    previous
        (n_obs, e) graph embedding to put beside it, rescaled into its 10–90 % quantile range, or None.

    Returns
    -------
    (n_obs, d) or (n_obs, d + e) float32.

    Raises
    ------
    InputError
        Values are not finite, or the two embeddings are not of the same cells.

    Examples
    --------
    >>> graph_features(np.array([[1.0, 3.0], [0.2, 0.3]]), GraphAEParams(normalize_embed="sum1")).tolist()
    [[0.25, 0.75], [0.20000000298023224, 0.30000001192092896]]
    """
    for name, values in (("feature embedding", embedding), ("previous graph embedding", previous)):
        if values is not None and not np.isfinite(values).all():
            raise InputError(f"The {name} cannot be trained on.", expected="finite values", found="NaN or infinity")
    z = np.asarray(embedding, dtype=np.float64)
    if params.normalize_embed == "sum1":
        z = z / np.maximum(z.sum(axis=1, keepdims=True), 1.0)
    elif params.normalize_embed == "binary":
        z = (z > z.mean(axis=0)).astype(np.float64)
    features = z.astype(np.float32)
    if previous is None:
        return features
    if len(previous) != len(features):
        raise InputError(
            "The previous graph embedding does not belong to the feature embedding.",
            expected=f"{len(features)} cells",
            found=f"{len(previous)} cells",
        )
    return np.hstack([features, rescale_into(previous, features)])


def learned_adjacency(graph: CellGraph, params: GraphAEParams) -> sp.csr_matrix:
    """The symmetric adjacency A that the autoencoder learns, entries in [0, 1].

    Parameters
    ----------
    graph
        The cell graph.
    params
        ``retain_weights`` takes the weights instead of 0/1. Those of v2 are unbounded (1e16 for duplicates), and the
        cross-entropy with a target above 1 has no minimum; they become w/(w + median w), which keeps their order and
        gives 1 to duplicates, 1/2 to a typical edge.

    Returns
    -------
    (n_obs, n_obs) CSR without self-loops.
    """
    adjacency = graph.adjacency(weighted=params.retain_weights)
    if params.retain_weights and params.graph_construction == "v2" and adjacency.nnz:
        adjacency.data = adjacency.data / (adjacency.data + np.median(adjacency.data))
    return adjacency
