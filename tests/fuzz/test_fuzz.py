"""A few dozen damaged files of each format: none ends the program, and none is read as another one in silence.

``python tests/fuzz/run.py --number 1000`` tries thousands.
"""

import pytest
from run import BAD, outcomes
from sources import SOURCES

NUMBER = 25


@pytest.mark.parametrize("source", SOURCES)
def test_damaged_files_are_refused_or_said(source):
    found = outcomes(source, 0, NUMBER, whole=True)
    assert [one["seed"] for one in found] == list(range(NUMBER))
    assert [one for one in found if one["outcome"] in BAD] == []
    assert any(one["outcome"] == "refused" for one in found)
