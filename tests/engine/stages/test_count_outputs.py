"""What rates say of counts: posterior means, expected roots, zeros, and how much each gene varies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from scgnn2_engine.stages.count_outputs import (
    DISPERSION_CELLS,
    DISPERSIONS,
    gene_dispersions,
    posterior_rate,
    root_expectation,
    zero_is_likely,
)


def test_the_posterior_lies_between_rate_and_count():
    rate, counts = np.array([1.0, 1.0, 4.0]), np.array([0.0, 5.0, 4.0])
    np.testing.assert_allclose(posterior_rate(rate, counts, 10.0), [10 / 11, 15 / 11, 4], rtol=1e-6)
    np.testing.assert_array_equal(posterior_rate(rate, counts, 0.0), rate.astype(np.float32))


@pytest.mark.parametrize("theta", [0.0, 2.0, 10.0])
def test_the_expected_root_is_the_sum_over_all_counts(theta):
    rate = np.array([0.003, 0.4, 6.0, 150.0])
    k = np.arange(20_000)
    for one, found in zip(rate, root_expectation(rate, theta), strict=True):
        p = nbinom.pmf(k, theta, theta / (theta + one)) if theta else poisson.pmf(k, one)
        assert found == pytest.approx((p @ np.sqrt(k)) ** 2, rel=3e-3)


def test_a_zero_is_likely_up_to_the_median_zero_rate():
    for theta in (0.0, 10.0):
        for rate in (0.5, 0.69, 0.75, 2.0):
            p = nbinom.pmf(0, theta, theta / (theta + rate)) if theta else poisson.pmf(0, rate)
            assert zero_is_likely(np.array([rate]), theta)[0] == (p > 0.5)


def drawn(rng, rate, theta):
    """Negative binomial counts of the given rates and dispersions."""
    return rng.poisson(rate * rng.gamma(theta, 1 / theta, np.shape(rate)))


def test_the_dispersion_of_a_gene_is_found(rng):
    theta = np.repeat([0.3, 2.0, 20.0], 30)
    rate = rng.gamma(2, 2, (1500, 90))
    found = gene_dispersions(rate, drawn(rng, rate, theta))
    assert set(found) <= set(DISPERSIONS)
    for true in (0.3, 2.0, 20.0):
        assert np.median(found[theta == true]) == pytest.approx(true, rel=0.35)  # the grid's steps are 1.47
    assert np.median(gene_dispersions(rate, rng.poisson(rate))) > 100


def test_a_gene_with_little_to_say_is_taken_for_one_like_the_others(rng):
    rate = np.full((60, 200), 4.0)
    rate[:, 0] = 0.01
    counts = drawn(rng, rate, 3.0)
    counts[:, 0] = 0
    found = gene_dispersions(rate, counts)
    assert found[0] == pytest.approx(3.0, rel=0.5)
    assert np.log(found).std() < np.log(DISPERSIONS).std() / 4  # alone, many would end at the bounds


def test_the_likelihood_is_that_of_the_distribution(rng):
    """One gene, so that the prior settles on what its likelihood prefers."""
    rate = rng.gamma(2, 2, (400, 1))
    counts = drawn(rng, rate, 2.0)
    likelihood = [nbinom.logpmf(counts, t, t / (t + rate)).sum() for t in DISPERSIONS]
    assert gene_dispersions(rate, counts)[0] == DISPERSIONS[int(np.argmax(likelihood))]


def test_of_many_cells_some_are_enough(rng):
    rate = np.repeat(rng.gamma(2, 2, (DISPERSION_CELLS, 3)), 2, axis=0)[: 2 * DISPERSION_CELLS - 1]
    counts = drawn(rng, rate, np.array([0.5, 5.0, 50.0]))
    chosen = np.linspace(0, len(rate) - 1, DISPERSION_CELLS).astype(int)
    np.testing.assert_array_equal(gene_dispersions(rate, counts), gene_dispersions(rate[chosen], counts[chosen]))


def test_a_dispersion_of_each_gene_is_that_gene_alone():
    rate = np.array([[0.2, 0.9, 30.0], [2.0, 0.6, 0.1]])
    counts = np.array([[0.0, 3.0, 20.0], [1.0, 0.0, 0.0]])
    theta = DISPERSIONS[[2, 9, 20]]
    for gene, one in enumerate(theta):
        at = np.s_[:, [gene]]
        np.testing.assert_allclose(
            posterior_rate(rate, counts, theta)[at], posterior_rate(rate[at], counts[at], one), rtol=1e-6
        )
        np.testing.assert_allclose(root_expectation(rate, theta)[at], root_expectation(rate[at], one), rtol=5e-3)
        np.testing.assert_array_equal(zero_is_likely(rate, theta)[at], zero_is_likely(rate[at], one))
