"""What rates say of counts: posterior means, expected roots, zeros, and how much each gene varies."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from scgnn2_engine.methods.denoising.counts import (
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


@pytest.mark.parametrize("theta", [0.0, 0.1, 0.3, 2.0, 10.0, 1000.0])
def test_the_expected_root_is_the_sum_over_all_counts(theta):
    rate = np.array([0.003, 0.4, 6.0, 150.0, 3000.0])
    k = np.arange(200_000 if theta else 20_000)
    for one, found in zip(rate, root_expectation(rate[:, None], theta)[:, 0], strict=True):
        p = nbinom.pmf(k, theta, theta / (theta + one)) if theta else poisson.pmf(k, one)
        assert found == pytest.approx((p @ np.sqrt(k)) ** 2, rel=1e-3)


def test_a_dispersion_of_every_count_is_looked_up_for_it(rng):
    rate, theta = rng.gamma(0.5, 40, (700, 4)), np.exp(rng.uniform(np.log(0.1), np.log(3000), (700, 4)))
    found = root_expectation(rate.astype(np.float32), theta.astype(np.float32))
    for cell, gene in [(0, 0), (3, 2), (499, 1), (500, 3), (699, 0)]:
        one = root_expectation(rate[[cell]][:, [gene]], theta[cell, gene])
        assert found[cell, gene] == pytest.approx(float(one[0, 0]), rel=1e-3)


def test_roots_grow_with_the_rate():
    """Large rates of a gene that is mostly off: an expansion about the mean would turn negative there."""
    rate = np.geomspace(1e-4, 1e5, 500)[:, None]
    for theta in (0.1, 0.15, 1.0):
        root = root_expectation(rate, theta)[:, 0]
        assert (np.diff(root) > 0).all()
        assert (root < rate[:, 0]).all()


@pytest.mark.parametrize(("theta", "count"), [(0.1, 1), (0.1, 5), (2.0, 1), (10.0, 3)])
def test_another_look_at_a_cell_counts_as_is_expected(rng, theta, count):
    """Cells whose first count is known: the root of their second is what was expected of them."""
    rates = rng.gamma(theta, 1.5 / theta, 2_000_000)
    first, second = rng.poisson(rates), rng.poisson(rates)
    posterior = posterior_rate(np.array([[1.5]]), np.array([[float(count)]]), theta)
    expected = root_expectation(posterior, np.array([[theta + count]]))[0, 0]
    assert expected == pytest.approx(np.sqrt(second[first == count]).mean() ** 2, rel=0.05)
    assert posterior[0, 0] == pytest.approx(second[first == count].mean(), rel=0.05)


def test_a_rate_of_zero_says_nothing_of_the_other_genes(rng):
    rate = np.full((300, 5), 4.0)
    counts = drawn(rng, rate, 10.0)
    rate[0, 0], counts[0, 0] = 0.0, 3
    assert np.median(gene_dispersions(rate, counts)[1:]) > 3


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
        np.testing.assert_allclose(root_expectation(rate, theta)[at], root_expectation(rate[at], one), rtol=1e-3)
        np.testing.assert_array_equal(zero_is_likely(rate, theta)[at], zero_is_likely(rate[at], one))
