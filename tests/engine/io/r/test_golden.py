"""The golden R files are small, each with what R says of it, and R's script still makes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOLDEN = Path(__file__).resolve().parent / "golden"
FILES = sorted(path for path in GOLDEN.iterdir() if path.suffix in {".rds", ".RData"})


def test_each_is_small_and_has_its_values() -> None:
    assert len(FILES) == 11
    assert {path.stem for path in FILES} == {path.stem for path in GOLDEN.glob("*.json")}
    assert all(path.stat().st_size < 20_000 for path in GOLDEN.iterdir())
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 150_000


def test_each_is_compressed_as_its_name_says() -> None:
    starts = {path.name: path.read_bytes()[:3] for path in FILES}
    assert starts["data_frame.RData"][:2] == b"\x1f\x8b"
    assert starts["matrix_xz.rds"] == b"\xfd7z"
    assert starts["dgcmatrix_bzip2.rds"] == b"BZh"
    assert starts["ascii.RData"] == b"RDA"
    assert starts["version_2.rds"] == b"X\n\x00"


@pytest.mark.slow
def test_the_script_makes_them_again(
    require_r: Callable[..., None], rscript: Callable[..., str], tmp_path: Path
) -> None:
    require_r("Seurat", "SingleCellExperiment")
    rscript((GOLDEN / "make_golden.R").read_text(encoding="utf-8"))
    made = {path.name for path in tmp_path.iterdir()} - {"code.R"}
    assert made == {path.name for path in GOLDEN.iterdir()} - {"make_golden.R"}
    # figures of a PCA may differ in their last digits between machines; these hold none
    for name in ("data_frame", "matrix_xz", "dgcmatrix_bzip2", "several", "ascii", "version_2", "sce", "misc"):
        assert (tmp_path / f"{name}.json").read_bytes() == (GOLDEN / f"{name}.json").read_bytes(), name
