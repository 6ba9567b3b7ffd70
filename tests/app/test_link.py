"""What is looked at as an address, and back: exactly, and a sentence for what cannot be brought back."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import numpy as np
import pytest

from scgnn2_app import link
from scgnn2_app.link import MapView, map_view_of, query_of, read, written
from scgnn2_engine.errors import InputError


@pytest.mark.parametrize(
    "view",
    [MapView(), MapView("group: donor & day"), MapView(clusters=7), MapView("x", 2, (-1.25, 1 / 3, 1e-9, 12.0))],
)
def test_a_view_of_the_map_comes_back_exactly(view: MapView) -> None:
    assert map_view_of(query_of(view)) == view


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("clusters", "many"), ("clusters", "-1"), ("clusters", "²"), ("clusters", "9" * 5000), ("zoom", "1,2,3"),
        ("zoom", "a,b,c,d"), ("zoom", "nan,1,0,1"), ("zoom", "2,1,0,1"), ("zoom", "0,inf,0,1"),
    ],
)  # fmt: skip
def test_a_field_that_cannot_be_read_is_named(field: str, text: str) -> None:
    with pytest.raises(InputError, match=f"says {field}="):
        map_view_of({field: text})


@pytest.mark.parametrize("n_obs", [1, 8, 9, 5000, 300_000])
def test_a_selection_comes_back_exactly(n_obs: int, tmp_path: Path) -> None:
    cells = np.flatnonzero(np.random.default_rng(0).random(n_obs) < 0.3)
    text = written(cells, n_obs, tmp_path)
    assert len(text) <= link.LONGEST
    assert np.array_equal(read(text, n_obs, tmp_path), cells)
    assert text.startswith("~") == (n_obs == 300_000)
    written(cells, n_obs, tmp_path)
    assert len(list(tmp_path.rglob("*.txt"))) == (n_obs == 300_000)  # the same selection is kept once


def test_a_selection_that_is_gone_or_of_other_cells_is_a_sentence(tmp_path: Path) -> None:
    cells = np.array([1, 5, 11])
    text = written(cells, 12, tmp_path)
    with pytest.raises(InputError, match="another number of cells"):
        read(text, 17, tmp_path)
    with pytest.raises(InputError, match="another number of cells"):
        read(text, 10, tmp_path)  # as many bytes, but a cell that is not there
    with pytest.raises(InputError, match="no longer kept"):
        read("~" + "0" * 32, 12, tmp_path)
    for wrong in ("~../../secret", "!!", "QUJD", text[:-4]):
        with pytest.raises(InputError):
            read(wrong, 12, tmp_path)


def test_a_packed_selection_is_not_unpacked_beyond_the_cells_there_are(tmp_path: Path) -> None:
    bomb = base64.urlsafe_b64encode(zlib.compress(bytes(10_000_000))).decode()
    with pytest.raises(InputError, match="another number of cells"):
        read(bomb, 12, tmp_path)
