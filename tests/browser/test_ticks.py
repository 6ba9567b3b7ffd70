"""Ticks that the browser computes: some in every range, and none so close that their labels run together."""

from __future__ import annotations

import itertools
import math
from typing import Any

from scgnn2_engine.plots.bokeh_marks import LOG_TICKS

RANGES = [
    (1.9, 8.3),
    (3, 15),
    (9.5, 14.8),
    (0.64, 0.69),
    (5, 33),
    (0.9, 110),
    (0.01, 5000),
    (1e-6, 1e6),
    (123.4, 123.9),
]


def test_ticks_of_a_logarithmic_axis_stand_apart(browser: Any) -> None:
    page = browser.new_page()
    ask = "([code, low, high]) => new Function('cb_data', code)({range: {min: low, max: high}})"
    for low, high in RANGES:
        ticks = page.evaluate(ask, [LOG_TICKS, low, high])
        assert 3 <= len(ticks) <= 7
        assert low <= ticks[0] < ticks[-1] <= high
        apart = [math.log(after / before) for before, after in itertools.pairwise(ticks)]
        assert min(apart) > 0.15 * math.log(high / low)
    assert page.evaluate(ask, [LOG_TICKS, 0, 1]) == []
    page.close()
