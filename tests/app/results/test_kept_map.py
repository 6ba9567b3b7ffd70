"""A map is made once; a damaged one is made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scgnn2_app.results.kept_map import kept_map


def test_a_map_is_made_once_for_each_embedding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def positions(embedding: np.ndarray, seed: int) -> np.ndarray:
        made.append(seed)
        return embedding[:, :2] + seed

    monkeypatch.setattr("scgnn2_app.results.kept_map.umap_positions", positions)
    embedding = np.arange(30, dtype=np.float32).reshape(10, 3)
    first = kept_map(tmp_path, embedding, 1)
    assert np.array_equal(kept_map(tmp_path, embedding, 1), first)
    assert made == [1]
    kept_map(tmp_path, embedding, 2)
    kept_map(tmp_path, embedding + 1, 1)
    assert made == [1, 2, 1]
    for damaged in (tmp_path / "maps").iterdir():
        damaged.write_bytes(damaged.read_bytes()[:40])
    assert np.array_equal(kept_map(tmp_path, embedding, 1), first)
    assert len(made) == 4
