"""What trained networks say of cells that they have not seen; nothing is trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
import torch
from torch import Tensor
from torch.nn import functional

from scgnn2_engine.data.blocks import row_blocks
from scgnn2_engine.data.dataset import Ints
from scgnn2_engine.data.matrices import most_frequent
from scgnn2_engine.errors import InputError
from scgnn2_engine.methods.autoencoder import N_EMBEDDING, Weights
from scgnn2_engine.methods.denoising.clusters import RefinedFit
from scgnn2_engine.methods.denoising.network import ACTIVATIONS
from scgnn2_engine.methods.denoising.training import DenoisingFit


def encoded(
    weights: Weights, x: sp.csr_matrix, activation: str, *, share_known: float = 1.0
) -> npt.NDArray[np.float32]:
    """(n, 128) float32 embedding of cells by a network with the given weights.

    Parameters
    ----------
    weights
        Of a :class:`~scgnn2_engine.methods.denoising.network.DenoisingAutoencoder`.
    x
        (n, n_vars) ln(1 + expression / size factor), 0 for genes that were not measured.
    activation
        The network's.
    share_known
        Share of the seen entries that lie in measured genes. The others are hidden from the network as training hides
        entries, which grows what is left by 1 / share.
    """
    if "encoder.0.weight" not in weights:
        raise InputError(
            "The model was saved by an earlier version, which kept no encoder of the clusters: it maps no new cells.",
            expected="a model of this version",
            found="decoders alone",
            advice="Repeat the run.",
        )
    names = [(f"encoder.{number}.weight", f"encoder.{number}.bias") for number in (0, 1)]
    layers = [(torch.from_numpy(weights[weight]), torch.from_numpy(weights[bias])) for weight, bias in names]
    means, activate = weights["means"], ACTIVATIONS[activation]
    embedding = np.empty((x.shape[0], N_EMBEDDING), np.float32)
    for rows in row_blocks(x.shape[0]):
        block = x[rows].toarray()
        z: Tensor = torch.from_numpy(np.where(block > 0, block - means, 0).astype(np.float32) / np.float32(share_known))
        with torch.no_grad():
            for weight, bias in layers:
                z = activate(functional.linear(z, weight, bias))
        embedding[rows] = z.numpy()
    return embedding


def project_fit(fit: DenoisingFit, x: sp.csr_matrix, *, share_known: float = 1.0) -> DenoisingFit:
    """A trained network for other cells; parameters as for :func:`encoded`."""
    # Of whichever batch they are, they are decoded as of the mean batch.
    return replace(fit, embedding=encoded(fit.weights, x, fit.activation, share_known=share_known), batches=None)


def project_refined(
    member: RefinedFit, x: sp.csr_matrix, neighbours: Ints | None, *, share_known: float = 1.0
) -> RefinedFit:
    """A network and its cluster autoencoders for other cells.

    Parameters
    ----------
    member
        What was trained.
    x, share_known
        As for :func:`encoded`.
    neighbours
        (n, k) positions of cells that the member was trained on. A cell goes to the cluster autoencoder to which most
        of its neighbours belong; None: none is asked.
    """
    start = project_fit(member.start, x, share_known=share_known)
    cluster_of = np.full(len(member.start.embedding), -1)
    for cluster, (cells, _) in member.refined.items():
        cluster_of[cells] = cluster
    refined = {}
    if neighbours is not None:
        chosen = most_frequent(cluster_of[neighbours])
        for cluster, (_, fit) in member.refined.items():
            cells = np.flatnonzero(chosen == cluster)
            refined[cluster] = (cells, project_fit(fit, x[cells], share_known=share_known))
    return RefinedFit(start, refined)
