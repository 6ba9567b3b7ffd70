"""A file of a result that cannot be written takes no other with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scgnn2_engine.errors import OutputError, PartialOutputError
from scgnn2_engine.io import write
from scgnn2_engine.io.results import result_tables
from scgnn2_engine.io.results import writing as results
from scgnn2_engine.params import RunParams
from scgnn2_engine.results.result import Result

EVERYTHING = RunParams(output_seurat=True, output_rdata=True, output_preprocessed=True, output_figures=False)


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("module", "function", "missing"),
    [
        (results, "write_h5ad", {"result.h5ad"}),
        (results, "result_to_anndata", {"result.h5ad", "seurat.rds"}),
        (result_tables, "write_edges", {"graph_edgeList.csv"}),
        (results, "_write_seurat", {"seurat.rds"}),
        (results, "write_states", {"preprocessed_data/LTMG_0.0.csv"}),
    ],
)
@pytest.mark.parametrize("error", [RuntimeError("no such kind"), MemoryError(), OSError(28, "No space left on device")])
def test_every_other_file_is_written(
    module: Any, function: str, missing: set[str], error: Exception, tmp_path: Path, result: Result,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    whole, params = tmp_path / "whole", EVERYTHING.replace(run_LTMG=True)
    write(result, whole, params=params)

    def broken(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(module, function, broken)
    folder = tmp_path / "partial"
    with pytest.raises(PartialOutputError) as caught:
        write(result, folder, params=params)
    assert names_in(folder) == names_in(whole) - missing
    assert set(caught.value.not_written) == missing
    assert all(name in str(caught.value) for name in missing)
    assert set(json.loads((folder / "run.json").read_text())["not_written"]) == missing
    reason = next(iter(caught.value.not_written.values()))
    assert reason in ("no such kind", "MemoryError", "[Errno 28] No space left on device")
    assert caught.value.exit_code == 8


def test_one_table_for_r_that_fails_leaves_the_others(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = results._write_rdata

    def broken(path: Path, frame: Any) -> None:
        if path.name == "metrics.RData":
            path.write_text("half of it")
            raise ValueError("too large for R")
        original(path, frame)

    monkeypatch.setattr(results, "_write_rdata", broken)
    with pytest.raises(PartialOutputError, match=r"metrics\.RData \(too large for R\)"):
        write(result, tmp_path, params=EVERYTHING)
    assert not (tmp_path / "metrics.RData").exists()
    assert {"imputed.RData", "losses.RData", "result.h5ad", "seurat.rds"} <= names_in(tmp_path)


def test_an_earlier_result_gives_way_to_a_partial_one_but_not_to_a_full_disk(
    tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = RunParams(output_figures=False, run_LTMG=False)
    write(result, tmp_path, params=plain)
    earlier = names_in(tmp_path)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    def broken(*_: object, **__: object) -> None:
        raise ValueError("no such kind")

    monkeypatch.setattr(results, "write_h5ad", full)
    with pytest.raises(OutputError, match="disk is full"):
        write(result, tmp_path, params=plain, overwrite=True)
    assert names_in(tmp_path) == earlier
    monkeypatch.setattr(results, "write_h5ad", broken)
    with pytest.raises(PartialOutputError):
        write(result, tmp_path, params=plain, overwrite=True)
    assert names_in(tmp_path) == earlier - {"result.h5ad"}  # that of the earlier result would be another run's
    monkeypatch.undo()
    write(result, tmp_path, params=plain, overwrite=True)
    assert names_in(tmp_path) == earlier
    assert "not_written" not in json.loads((tmp_path / "run.json").read_text())
