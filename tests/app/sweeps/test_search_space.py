"""What a sweep may be told to vary."""

from __future__ import annotations

import pytest

from scgnn2_app.sweeps.search_space import Axis
from scgnn2_engine.errors import ParameterError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpha=foo", "a number, several (A,B,C), or a range (low:high, low:high:log)"),
        ("seed=1,foo", "a whole number, several (A,B,C), or a range (low:high, low:high:log)"),
        ("feature_AE_epoch=foo", "whole numbers, or several choices: 500 300,200 100"),
    ],
)
def test_what_is_no_axis_is_told_every_form_it_could_have(text: str, expected: str) -> None:
    with pytest.raises(ParameterError) as error:
        Axis.parse(text)
    assert error.value.expected == expected
