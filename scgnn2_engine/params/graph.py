"""The cell graph and its autoencoder."""

from __future__ import annotations

import param

from scgnn2_engine.params.fields import ADVANCED, ESSENTIAL, StageParams, choice, count, rate, share, switch


class GraphAEParams(StageParams):
    """The cell graph and the graph autoencoder that embeds it."""

    group, title = "graph_AE", "Graph autoencoder"

    epoch = count(200, "Epochs of every training.", soft=(10, 1000), precedence=ESSENTIAL)
    use_GAT = switch("Graph attention layers; off: the variational graph convolution.", precedence=ESSENTIAL)
    GAT_dropout = share(0.0, "Dropout of inputs and attention coefficients in the attention layers.", open_high=True)
    learning_rate = rate(1e-2)
    embedding_size = count(16, "Dimensions of the graph embedding.", soft=(2, 128), precedence=ESSENTIAL)
    concat_prev_embed = switch("Put the previous graph embedding, rescaled, beside the feature embedding.")
    normalize_embed = choice(
        "none",
        ["none", "sum1", "binary"],
        "Scale the feature embedding first: each row by max(1, its sum), or to 0/1 against the column mean.",
    )
    graph_construction = choice(
        "v2",
        ["v0", "v1", "v2", "jaccard"],
        "Edge weights: v0 1 within mean + sd of the distances else 0, v1 the same falling linearly, v2 inverse "
        "distance, jaccard the share of neighbours that both cells have.",
        ESSENTIAL,
    )
    neighborhood_factor = param.Number(
        0.05,
        bounds=(0.0, None),
        inclusive_bounds=(False, True),
        softbounds=(0.01, 50),
        precedence=ESSENTIAL,
        doc="Neighbours of a cell: above 1 their number, else their share of the cells. Unused by v0 (10 neighbours).",
    )
    neighborhood_max = count(
        0,
        "Largest number of neighbours, whatever the share says; 0 sets no bound. Keeps the "
        "graph from growing with the square of the cells.",
        low=0,
        soft=(0, 100),
    )
    retain_weights = switch("Learn the edge weights instead of 0/1.")
    graph_embed = choice(
        "feature",
        ["feature", "expression"],
        "What neighbours are searched in, and what the graph autoencoder is given: the feature embedding, or principal "
        "components of the expected expression: of ln(1 + rate), or without rates of what was observed (objective "
        "denoise; else of the reconstruction).",
    )
    n_components = count(20, "Principal components of the expected expression.", soft=(5, 50))
    pair_samples = count(
        0,
        "Cell pairs drawn at random in every epoch for the part of the loss that runs over all "
        "pairs; 0, or at least a hundredth of n * n, uses all of them exactly, which is then as "
        "fast.",
        low=0,
        soft=(0, 1_000_000),
    )
    tolerance = param.Number(
        0.0,
        bounds=(0.0, 1.0),
        softbounds=(0.0, 0.01),
        precedence=ADVANCED,
        doc="Stop a training when the loss, averaged over 10 epochs, has fallen by less than "
        "this share of itself; 0 never stops early.",
    )


class GATParams(StageParams):
    """Size of the graph attention layers."""

    group, title = "gat", "Graph attention"

    multi_heads = count(2, "Attention heads of each layer.", soft=(1, 8))
    hid_embed = count(64, "Hidden dimensions of each head.", soft=(8, 256))
