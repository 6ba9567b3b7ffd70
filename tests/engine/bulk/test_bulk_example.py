"""The example of bulk deconvolution does what it says."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[3] / "examples" / "bulk.py"


def test_the_example_finds_the_shares(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    printed = capsys.readouterr().out.splitlines()
    assert [line[:9] for line in printed[:3]] == ["sample a:", "sample b:", "sample c:"]
    assert float(printed[3].removeprefix("largest error: ")) <= 0.03
