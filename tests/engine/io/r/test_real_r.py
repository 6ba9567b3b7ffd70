"""The fixtures that run real R do what their sentences say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., str]


def test_r_prints_back(rscript: Run, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    printed = rscript('cat(commandArgs(trailingOnly = TRUE), basename(getwd()), "é")', "a b", Path("c"), cwd=folder)
    assert printed == "a b c elsewhere é"


def test_an_error_in_r_fails_with_its_words(rscript: Run) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"(?s)R ended with 1:.*no such gene"):
        rscript('stop("no such gene")')


def test_r_that_hangs_is_stopped(rscript: Run) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"R took longer than 0\.5 s"):
        rscript("Sys.sleep(60)", time_limit=0.5)


def test_packages_that_are_there_let_the_test_run(require_r: Callable[..., None], rscript: Run) -> None:
    require_r("SeuratObject", "Seurat", "hdf5r", "SingleCellExperiment")
    assert rscript('suppressMessages(library(SeuratObject)); cat(isVirtualClass("Assay"))') == "FALSE"


@pytest.mark.parametrize(
    ("environment", "outcome", "words"),
    [
        ({}, pytest.skip.Exception, "real R is not all there: apt-get install .* r-base-core r-cran-hdf5r"),
        ({"CI": "true"}, pytest.fail.Exception, "CI needs real R: apt-get install .* r-base-core r-cran-hdf5r"),
    ],
    ids=["skipped", "failed in CI"],
)
def test_no_r_is_a_sentence(
    require_r: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    environment: dict[str, str],
    outcome: type[BaseException],
    words: str,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(outcome, match=words):
        require_r("hdf5r")


def test_a_missing_package_is_named(
    require_r: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "Rscript"
    program.write_text("#!/bin/sh\nprintf 'SeuratObject'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match=r"no-install-recommends r-cran-seurat$"):
        require_r("SeuratObject", "Seurat")
