"""The feature autoencoder and the cluster autoencoders."""

from __future__ import annotations

import param

from scgnn2_engine.params.fields import ADVANCED, ESSENTIAL, StageParams, choice, count, rate, share, switch, weight


class _AutoencoderParams(StageParams):
    batch_size = count(12800, "Cells per step.", soft=(32, 12800))
    learning_rate = rate(1e-3)
    dropout_prob = share(0.0, "Share of the inputs dropped at random in every step.", open_high=True)
    max_steps = count(
        0,
        "Largest number of optimiser steps of one training; 0 sets no bound. Keeps the cost of "
        "training from growing with the number of cells.",
        low=0,
        soft=(0, 5000),
    )
    patience = count(
        0,
        "Stop a training when the error on the held-out entries has not improved for this many "
        "checks (one in every ten steps, one at the end), and keep the best weights that were checked; 0 never stops "
        "early. Needs validation_share > 0.",
        low=0,
        soft=(0, 50),
    )


class FeatureAEParams(_AutoencoderParams):
    """The feature autoencoder: genes to 512 to 128 and back, loss weighted by LTMG states."""

    group, title = "feature_AE", "Feature autoencoder"

    epoch = param.List(
        [500, 300],
        item_type=int,
        bounds=(2, 2),
        precedence=ESSENTIAL,
        doc="Epochs before the loop, and in every iteration.",
    )
    learning_rate = rate(1e-3, precedence=ESSENTIAL)
    cycle_steps = count(
        0,
        "Denoise, where an epoch has several steps: train for so many, or for ten epochs where these are more, in "
        "which the learning rate rises to three times learning_rate and falls to 0 (one cycle), without an early stop. "
        "0: a constant rate.",
        low=0,
        soft=(0, 1000),
    )
    regu_strength = share(
        0.9, "Weight of the LTMG term (gamma): an entry in state s weighs 1 - gamma + gamma * s.", precedence=ESSENTIAL
    )
    concat_prev_embed = choice(
        "none",
        ["none", "feature", "graph"],
        "Put the previous iteration's feature or graph embedding beside the input (objective reconstruct only).",
    )
    objective = choice(
        "reconstruct",
        ["reconstruct", "denoise"],
        "reconstruct: give back the input, zeros included, as published. denoise: hide a share of the seen entries in "
        "every step and ask for them, so that filling gaps is what is trained; it also holds for the cluster "
        "autoencoders.",
        ESSENTIAL,
    )
    hide_share = share(0.3, "Denoise: share of the seen entries hidden in every step.", precedence=ESSENTIAL, high=0.9)
    huber_delta = param.Number(
        0.0,
        bounds=(0.0, None),
        softbounds=(0.0, 2.0),
        precedence=ADVANCED,
        doc="Denoise: error, in units of ln(1 + x), up to which the loss is squared; beyond it is linear, so that a "
        "few outliers do not decide. 0: squared everywhere.",
    )
    activation = choice("relu", ["relu", "elu"], "Denoise: activation of the hidden layers.")
    layer_dropout = share(0.0, "Denoise: share of the wide layers' units dropped in every step.", open_high=True)
    count_weight = weight(
        0.0,
        "Denoise: weight of a second output, the rate of each gene, trained on all entries by the likelihood of "
        "counts. Used where the data are counts of which half are at most count_limit (UMI data); gives the output "
        "rate, and expected and zeros_kept by it.",
    )
    count_limit = param.Number(
        20.0,
        bounds=(0.0, None),
        softbounds=(1.0, 1000.0),
        precedence=ADVANCED,
        doc="Denoise: largest median of the non-zero counts with which the rate is trained; large counts would drown "
        "the values, and their zeros say little.",
    )
    dispersion = param.Number(
        10.0,
        bounds=(0.0, None),
        softbounds=(0.0, 100.0),
        precedence=ADVANCED,
        doc="Denoise: dispersion of the counts (variance = rate + rate squared / dispersion); 0: Poisson.",
    )
    gene_dispersion = switch(
        "Denoise: estimate the dispersion of every gene for the outputs by its rate (rate, expected, zeros_kept); off: "
        "they take feature_AE_dispersion, as the training does."
    )


class ClusterAEParams(_AutoencoderParams):
    """One copy of the feature autoencoder for each cluster."""

    group, title = "cluster_AE", "Cluster autoencoders"

    epoch = count(200, "Epochs of every training.", soft=(10, 1000), precedence=ESSENTIAL)
    learning_rate = rate(1e-3, precedence=ESSENTIAL)
    only_if_better = switch(
        "Keep what a cluster's autoencoder makes of its cells only where it comes closer to the held-out entries than "
        "the feature autoencoder."
    )
    regu_strength = share(
        0.9,
        "Declared by the published program but without effect in its loss; kept so that its "
        "commands run. The loss's own weights are the four below.",
    )
    reconstruction_weight = weight(0.3, "Weight of the squared error to the feature autoencoder's reconstruction.")
    graph_weight = weight(0.3, "Weight of that error smoothed over the cell graph.")
    cell_type_weight = weight(0.1, "Weight of that error smoothed over the cells of the same cluster.")
    l1_weight = weight(1.0, "Weight of the sum of the network's absolute weights.")
