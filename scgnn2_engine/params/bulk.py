"""Bulk expression beside the cells."""

from __future__ import annotations

import param

from scgnn2_engine.params.fields import ADVANCED, ESSENTIAL, StageParams, choice, count, rate, weight


class DeconvParams(StageParams):
    """How bulk expression is brought in."""

    group, title = "deconv", "Bulk deconvolution"

    method = choice(
        "published",
        ["shares", "published"],
        "published: the four optimisations by gradient descent from a random start, and the harmonic mean. shares: "
        "shares of the clusters in each sample by a regression of log ratios that allows for a platform effect of "
        "every gene, and cluster profiles moved towards the bulk where the cells say little, by as much as held-out "
        "entries bear out.",
        ESSENTIAL,
    )
    tolerance = param.Number(
        1e-6,
        bounds=(0.0, 1.0),
        softbounds=(1e-9, 1e-3),
        precedence=ADVANCED,
        doc="Stop an optimisation when its loss changes by a smaller share of itself over 10 steps (published).",
    )


class _DeconvParams(StageParams):
    learning_rate = rate(1e-3)
    epoch = count(5000, "Largest number of steps.", soft=(10, 10000))
    epsilon = param.Number(
        1e-4,
        bounds=(0.0, None),
        softbounds=(1e-6, 1e-2),
        precedence=ADVANCED,
        doc="Stop when the absolute loss falls below this.",
    )


class DeconvOpt1Params(_DeconvParams):
    """Bulk step 1: weights of the cell types."""

    group, title = "deconv_opt1", "Deconvolution 1: cell-type weights"

    regu_strength = weight(1e-2, "Pull towards the cluster proportions.")


class DeconvOpt2Params(_DeconvParams):
    """Bulk step 2: expression profiles of the clusters."""

    group, title = "deconv_opt2", "Deconvolution 2: cluster profiles"

    learning_rate = rate(1e-1)
    epoch = count(500, "Largest number of steps.", soft=(10, 10000))
    regu_strength = weight(1e-2, "Pull towards the cluster means.")


class DeconvOpt3Params(_DeconvParams):
    """Bulk step 3: expression profiles of the cells."""

    group, title = "deconv_opt3", "Deconvolution 3: cell profiles"

    learning_rate = rate(1e-1)
    epoch = count(150, "Largest number of steps.", soft=(10, 10000))
    regu_strength_1 = weight(0.8, "Pull of the unobserved entries towards the single-cell imputation.")
    regu_strength_2 = weight(1e-2, "Weight of the nuclear norm.")


class DeconvTuneParams(_DeconvParams):
    """Bulk step 4: scaling of the genes."""

    group, title = "deconv_tune", "Deconvolution 4: gene scaling"

    learning_rate = rate(1e-2)
    epoch = count(20, "Largest number of steps.", soft=(5, 10000))
