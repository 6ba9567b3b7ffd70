"""Scores: exact small values, and what is left out of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scgnn2_engine.data.dataset import Truth
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.evaluate import agreement_with_truth, hidden_error


def test_agreement_ignores_names_and_unlabelled_cells():
    truth = Truth(np.array(["a", "a", "b", "b", ""]))
    assert agreement_with_truth(np.array([7, 7, 3, 3, 3]), truth) == {"ari": 1.0, "nmi": 1.0, "ami": 1.0}


def test_agreement_of_a_known_table():
    # Of 6 pairs, 2 are together in each partition and none in both: (0 - 2 * 2 / 6) / (2 - 2 * 2 / 6) = -1/2.
    truth = Truth(np.array(["a", "a", "b", "b"]))
    assert agreement_with_truth(np.array([0, 1, 0, 1]), truth)["ari"] == pytest.approx(-0.5)


@pytest.mark.parametrize("truth", [None, Truth(np.array(["", ""])), Truth(np.array(["a", ""]))])
def test_agreement_without_labels_is_nan(truth):
    assert math.isnan(agreement_with_truth(np.array([0, 1]), truth)["ari"])


def test_hidden_error_is_taken_on_the_output_scale():
    imputed = np.log1p(np.array([[2.0, 0.0], [0.0, 4.0]], dtype=np.float32))
    hidden = HiddenEntries(np.array([0, 1]), np.array([0, 1]), np.log1p(np.array([4.0, 4.0])).astype(np.float32))
    found = hidden_error(imputed, hidden, np.array([2.0, 0.5], dtype=np.float32))
    off = math.log(5 / 3)
    assert found["median"] == pytest.approx(off / 2, rel=1e-6)
    assert found["mean"] == pytest.approx(off / 2, rel=1e-6)
    assert found["rmse"] == pytest.approx(off / math.sqrt(2), rel=1e-6)


def test_hidden_error_without_hidden_entries_is_nan():
    assert all(map(math.isnan, hidden_error(np.zeros((2, 2), np.float32), None, np.ones(2, np.float32)).values()))
