"""Errors by kind of entry: exact small values, and where they mean nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from scgnn2_engine.data.ties import l1_verdict
from scgnn2_engine.evaluate.imputation_errors import (
    Entries,
    Zeros,
    entry_errors,
    grouped_pearson,
    largest_zero,
    scored_entries,
)


def test_every_entry_is_of_one_kind(masked, held_out):
    for prepared, hidden in ((masked, "masked"), (held_out, "held_out")):
        found = scored_entries(prepared)
        assert set(found) == {hidden, "untouched", "zero"}
        positions = np.zeros(prepared.x.shape, dtype=int)
        for at in found.values():
            positions += (
                at.mask
                if isinstance(at, Zeros)
                else np.isin(np.arange(positions.size), at.rows * 60 + at.cols).reshape(positions.shape)
            )
        assert positions.max() == 1
        missing = 0 if prepared.hidden is None else len(prepared.validation)
        assert (positions == 0).sum() == missing  # what is held out is not scored where the benchmark hides entries


def test_values_are_those_of_the_data_on_the_output_scale(masked, held_out):
    for prepared in (masked, held_out):
        logged = np.log1p(prepared.expression)
        for at in scored_entries(prepared).values():
            assert np.allclose(0 if isinstance(at, Zeros) else at.values, at.of(logged), atol=1e-4)


def test_errors_of_a_known_vector():
    at = Entries(np.array([0, 0, 0, 1]), np.array([0, 1, 2, 0]), np.array([1, 2, 3, 4], dtype=np.float32))
    found = entry_errors(np.array([[2.0, 2.0, 5.0], [4.0, 0, 0]]), at)
    assert found["l1_median"] == 0.5
    assert found["l1_mean"] == 0.75
    assert found["rmse"] == pytest.approx(np.sqrt(5 / 4))
    assert found["cosine"] == pytest.approx((2 + 4 + 15 + 16) / np.sqrt(30 * 49))
    assert found["pearson"] == pytest.approx(np.corrcoef([1, 2, 3, 4], [2, 2, 5, 4])[0, 1])
    assert found["pearson_cell"] == pytest.approx(np.corrcoef([1, 2, 3], [2, 2, 5])[0, 1])
    assert np.isnan(found["pearson_gene"])  # no gene has three entries
    assert np.isnan(found["zeros_kept"])


def test_zeros_are_kept_up_to_half_of_the_smallest_count():
    at = Zeros(np.array([[True, True, True, False]]))
    found = entry_errors(np.array([[0.0, 0.4, 0.5, 9.0]]), at, smallest=np.log(1.5))
    assert found["zeros_kept"] == pytest.approx(2 / 3)
    assert found["l1_mean"] == pytest.approx(0.3)
    assert np.isnan(found["pearson"])


def test_without_entries_or_meaning_there_is_no_error():
    none = Entries(np.zeros(0, int), np.zeros(0, int), np.zeros(0, dtype=np.float32))
    assert np.isnan(list(entry_errors(np.ones((1, 1)), none).values())).all()
    one = Entries(np.zeros(1, int), np.zeros(1, int), np.ones(1, dtype=np.float32))
    found = entry_errors(np.ones((1, 1)), one, l1_meaningful=False)
    assert np.isnan(found["l1_median"])
    assert found["rmse"] == 0


def test_correlation_within_groups_is_numpy_s(rng):
    first, second = rng.random(50), rng.random(50)
    group = np.repeat([0, 2], 25)
    found = grouped_pearson(first, second, group)
    assert np.isnan(found[1])
    for number in (0, 2):
        assert found[number] == pytest.approx(np.corrcoef(first[group == number], second[group == number])[0, 1])
    assert np.isnan(grouped_pearson(np.full(9, 0.1), rng.random(9), np.zeros(9, int)))[0]


@pytest.mark.parametrize("form", [np.array, sp.csr_matrix])
def test_the_masked_error_is_reported_below_a_third_of_one_value(form):
    assert not l1_verdict(form([[1, 1, 0, 2, 3]]))[0]
    assert not l1_verdict(form([[1, 2, 0, 3]]))[0]  # exactly a third
    assert l1_verdict(form([[1, 2, 3, 4]]))[0]
    told = l1_verdict(form([[1, 1, 0, 2]]))[1]
    assert "67% of the non-zero entries are 1" in told
    assert "count thinning" in told
    assert not l1_verdict(form(np.zeros((2, 2))))[0]


def test_the_largest_zero_is_half_of_the_smallest_value(masked):
    assert largest_zero(masked) == pytest.approx(np.log(1.5))
    logged = replace(masked, scale="logged", expression=np.where(masked.expression > 0, np.log(3.0), 0))
    assert largest_zero(logged) == pytest.approx(np.log(2.0))
    assert largest_zero(replace(masked, expression=np.zeros(masked.x.shape))) == 0
