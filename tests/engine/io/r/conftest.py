"""Real R for tests: skipped with a sentence where it is missing, failed where CI=true."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

import pytest

DEBIAN = {
    "SeuratObject": "r-cran-seuratobject",
    "Seurat": "r-cran-seurat",
    "hdf5r": "r-cran-hdf5r",
    "SingleCellExperiment": "r-bioc-singlecellexperiment",
    "reticulate": "r-cran-reticulate",
}
"""R's packages that tests ask for, and Debian's that hold them."""


class RequireR(Protocol):
    """Skip or fail the test unless R and these packages are there."""

    def __call__(self, *packages: str) -> None: ...


class RScript(Protocol):
    """Run R code; the arguments are ``commandArgs(trailingOnly = TRUE)``, what R prints is given back."""

    def __call__(
        self, code: str, *arguments: str | Path, cwd: Path | None = None, time_limit: float = 120.0
    ) -> str: ...


@functools.cache
def lacking(rscript: str | None, packages: tuple[str, ...]) -> list[str]:
    """What of R and its packages is missing, by the names of Debian's packages."""
    if rscript is None:
        return ["r-base-core", *(DEBIAN[package] for package in packages)]
    if not packages:
        return []
    asked = ", ".join(f'"{package}"' for package in packages)
    code = f"cat(basename(find.package(c({asked}), quiet = TRUE)))"
    found = subprocess.run([rscript, "--vanilla", "-e", code], capture_output=True, text=True, check=True, timeout=60)
    return [DEBIAN[package] for package in packages if package not in found.stdout.split()]


@pytest.fixture
def require_r() -> RequireR:
    """A function that skips the test, or fails it where CI=true, unless R and the named packages are there."""

    def require(*packages: str) -> None:
        missing = lacking(shutil.which("Rscript"), packages)
        if not missing:
            return
        what = f"apt-get install --no-install-recommends {' '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(f"CI needs real R: {what}", pytrace=False)
        pytest.skip(f"real R is not all there: {what}")

    return require


@pytest.fixture
def rscript(require_r: RequireR, tmp_path: Path) -> RScript:
    """A function that runs R code in ``cwd`` (an empty folder if not named) and fails with what R said."""
    require_r()

    def run(code: str, *arguments: str | Path, cwd: Path | None = None, time_limit: float = 120.0) -> str:
        script = tmp_path / "code.R"
        script.write_text(code, encoding="utf-8")
        command = ["Rscript", "--vanilla", str(script), *map(str, arguments)]
        alone = {**os.environ, "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"}
        try:
            done = subprocess.run(
                command,
                cwd=cwd or tmp_path,
                env=alone,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=time_limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            pytest.fail(f"R took longer than {time_limit:g} s for:\n{code}")
        if done.returncode:
            pytest.fail(f"R ended with {done.returncode}:\n{done.stderr}\nfor:\n{code}")
        return done.stdout

    return run
