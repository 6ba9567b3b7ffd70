"""No score of held-out counts ranks a cheat above a tuned kNN, and the true rates are above all of them."""

from __future__ import annotations

import numpy as np
import pytest

from scgnn2_engine.evaluate import denoise_baseline, thin, thinning_scores

HIGHER = {"poisson_deviance": -1, "poisson_scaled": 1, "isotonic_mse": -1, "gene_correlation": 1, "gene_rank": 1}
"""Every score that counts, and the sign with which higher is better."""


@pytest.fixture(scope="module")
def cells():
    """UMI counts of four types in two batches whose cells differ in depth fifteenfold: rates, batches and halves."""
    draw = np.random.default_rng(7)
    profiles = draw.gamma(0.4, 1.0, size=(4, 150)) * draw.lognormal(0, 1, 150)
    types, batch = np.repeat(np.arange(4), 75), np.tile([0, 1], 150)
    effect = np.where(batch[:, None] == 1, draw.lognormal(0, 0.3, 150), 1)
    rates = profiles[types] * effect * draw.lognormal(0, 0.7, size=(300, 1)) * 2
    train, test = thin(draw.poisson(rates), 0.1, 0)
    return rates, batch, train, test


def scores(prediction, cells):
    found = thinning_scores(np.asarray(prediction, dtype=np.float32), cells[2], cells[3])
    return {name: sign * found[name] for name, sign in HIGHER.items()}


@pytest.fixture(scope="module")
def knn(cells):
    return denoise_baseline("knn_tuned", cells[2])


def cheats(cells, knn):
    """What knows nothing, less, or the same on another scale."""
    _, batch, train, _ = cells
    draw = np.random.default_rng(0)
    library = train.sum(axis=1, keepdims=True)
    profile = train.sum(axis=0) / train.sum()
    of_batch = np.stack([train[batch == each].sum(axis=0) / train[batch == each].sum() for each in (0, 1)])
    return {
        "all zeros": np.zeros_like(train),
        "gene means": np.tile(train.mean(axis=0), (300, 1)),
        "gene means × library": profile * library,
        "batch means × library": of_batch[batch] * library,
        "counts × 1e-9": train * 1e-9,
        "counts ^ 0.3": train**0.3,
        "counts ^ 0.5": train**0.5,
        "counts ^ 2": train**2,
        "nearly zeros": np.full_like(train, 1e-3),
        "permuted genes": knn[:, draw.permutation(150)],
        "permuted cells": knn[draw.permutation(300)],
    }


def test_no_cheat_stands_above_a_tuned_knn(cells, knn):
    mine = scores(knn, cells)
    ahead = [
        (cheat, name)
        for cheat, prediction in cheats(cells, knn).items()
        for name, value in scores(prediction, cells).items()
        if value >= mine[name]
    ]
    assert ahead == []


def test_the_true_rates_stand_above_the_tuned_knn_and_blur_costs_step_by_step(cells, knn):
    true, noise = cells[0] * 0.9, np.random.default_rng(0).standard_normal(cells[0].shape)
    steps = [scores(true * np.exp(sd * noise - sd**2 / 2), cells) for sd in (0.0, 0.5, 1.0, 2.0)]
    for name, value in scores(knn, cells).items():
        assert steps[0][name] > value, name
        assert [step[name] for step in steps] == sorted((step[name] for step in steps), reverse=True), name


def test_a_change_of_scale_never_helps_the_truth_and_is_punished_where_the_rate_is_asked_for(cells, knn):
    true = cells[0] * 0.9
    right, of_knn = scores(true, cells), scores(knn, cells)
    for changed in (true * 0.3, true * 3, true**0.5, true**1.5):
        found = scores(changed, cells)
        assert found["poisson_scaled"] < of_knn["poisson_scaled"]
        assert found["isotonic_mse"] == pytest.approx(right["isotonic_mse"], rel=1e-4)
        assert found["gene_rank"] == pytest.approx(right["gene_rank"], abs=1e-9)


def test_open_problems_loss_is_fooled_and_so_is_for_information(cells, knn):
    fooled = thinning_scores(np.full_like(cells[2], 1e-3), cells[2], cells[3])["poisson_op"]
    assert fooled < thinning_scores(cells[0] * 0.9, cells[2], cells[3])["poisson_op"]
