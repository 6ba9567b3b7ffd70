"""When the loop stops, and what it returns: rules that no ground truth enters."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from scgnn2_engine.errors import ParameterError
from scgnn2_engine.evaluate.metrics import ari_between
from scgnn2_engine.run.selection import select_iteration
from scgnn2_engine.run.stopping import stop_reason

NAN = float("nan")


@pytest.mark.parametrize(
    ("change", "agreement", "expected"),
    [
        (0.009, NAN, "graph_change"),
        (0.01, NAN, None),
        (0.5, 0.96, "ari_between_iterations"),
        (0.5, 0.95, None),
        (0.5, NAN, None),
        (0.001, 0.99, "graph_change"),
    ],
)
def test_rules_that_end_the_loop(change, agreement, expected):
    reason = stop_reason(graph_change=change, graph_change_threshold=0.01, ari_between=agreement, ari_threshold=0.95)
    assert reason == expected


def test_thresholds_at_their_ends_never_stop():
    assert stop_reason(graph_change=0.0, graph_change_threshold=0.0, ari_between=1.0, ari_threshold=1.0) is None


def test_the_last_iteration_or_the_one_with_the_smallest_held_out_error():
    rows = [{"iteration": i + 1, "validation_error": e} for i, e in enumerate([0.5, 0.3, 0.3, 0.4])]
    assert select_iteration(rows, "last") == 4
    assert select_iteration(rows, "validation") == 2
    rows[1]["validation_error"] = NAN
    assert select_iteration(rows, "validation") == 3


def test_ground_truth_does_not_change_the_choice():
    rows = [{"iteration": i, "validation_error": i, "ari_against_ground_truth": i} for i in (1, 2)]
    swapped = [{**row, "ari_against_ground_truth": -row["iteration"]} for row in rows]
    for rule in ("last", "validation"):
        assert select_iteration(rows, rule) == select_iteration(swapped, rule)
    assert set(inspect.signature(stop_reason).parameters) == {
        "graph_change",
        "graph_change_threshold",
        "ari_between",
        "ari_threshold",
    }


@pytest.mark.parametrize(
    ("rows", "rule", "message"),
    [
        ([], "last", "no iteration"),
        ([{"iteration": 1, "validation_error": NAN}], "validation", "validation_share > 0"),
        ([{"iteration": 1}], "validation", "validation_share > 0"),
        ([{"iteration": 1}], "truth", "last or validation"),
    ],
)
def test_nothing_to_choose_from(rows, rule, message):
    with pytest.raises(ParameterError, match=message):
        select_iteration(rows, rule)


def test_agreement_of_two_clusterings():
    labels = np.array([0, 0, 1, 1, 2, 2])
    assert np.isnan(ari_between(labels, None))
    assert ari_between(labels, (labels + 1) % 3) == 1
    # pairs together in both 1, in one 3 and 4, of 15: (1 - 3*4/15) / ((3 + 4)/2 - 3*4/15)
    assert ari_between(labels, np.array([0, 0, 1, 0, 1, 2])) == pytest.approx((1 - 0.8) / (3.5 - 0.8))
