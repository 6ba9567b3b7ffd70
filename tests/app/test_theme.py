"""Colours of groups: one for each on every page, and all of them seen."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from scgnn2_app.charts.colouring import by_groups
from scgnn2_app.charts.map_key import MapKey
from scgnn2_engine.plots import palette, sankey
from scgnn2_engine.plots.maps import violins
from scgnn2_engine.plots.on_bokeh import BokehCanvas
from scgnn2_engine.plots.style import LEAST_CONTRAST, cluster_colour, contrast, inks, luminance, seen


def test_on_white_groups_have_the_colours_of_the_figures() -> None:
    assert [cluster_colour(number) for number in range(60)] == list(palette(60))


def test_on_the_dark_page_every_group_is_seen_and_keeps_its_hue() -> None:
    paper = luminance(inks(dark=True)["paper"])
    for colour in palette(256):
        shade = seen(colour, dark=True)
        assert contrast(luminance(shade), paper) >= LEAST_CONTRAST
        hues = [
            colorsys.rgb_to_hls(*(int(one[at : at + 2], 16) / 255 for at in (1, 3, 5)))[0] for one in (colour, shade)
        ]
        assert min(abs(hues[0] - hues[1]), 1 - abs(hues[0] - hues[1])) < 0.02
    assert len({seen(colour, dark=True) for colour in palette(60)}) == 60


@pytest.mark.parametrize("dark", [False, True])
def test_a_cluster_has_one_colour_on_a_page(dark: bool) -> None:
    labels = np.arange(16)
    expected = [cluster_colour(number, dark) for number in range(16)]
    found = by_groups(labels, "cluster")
    assert found.palette(dark)[2:18] == expected
    key = MapKey()
    key.describe(found, dark)
    assert [entry[1] for entry in key.entries] == expected
    chart = BokehCanvas(sankey({"a": labels, "b": labels}), dark=not dark)
    chart.paint(dark)
    bars = chart.sources["bars"].data
    assert dict(zip(bars["group"], bars["fill"], strict=True))["b 7"] == expected[7]
    values, groups = np.tile([0.0, 1.0, 2.0], 16), np.repeat(labels, 3)
    chart = BokehCanvas(violins({"set": values}, groups, title="title"), dark=not dark)
    chart.paint(dark)
    data = chart.sources["violins"].data
    shown = dict(zip(data["group"], data["fill"], strict=True))
    assert shown["7"] == expected[7]
