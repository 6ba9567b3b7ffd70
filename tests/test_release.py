"""What is released: the wheel holds the packages and works where it is installed; versions agree."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def test_versions_agree() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == VERSION
    changes = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)[0] == VERSION


def test_the_container_has_no_rights_and_installs_the_pins() -> None:
    lines = (ROOT / "Containerfile").read_text("utf-8").splitlines()
    assert "USER scgnn2" in lines
    assert any("--constraint constraints.txt" in line for line in lines)
    copied = {word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]}
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.slow
def test_wheel_and_sdist_are_built_and_the_wheel_runs(tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, tracked.decode().split("\0")):
        if name.split("/")[0] in ("scgnn2", "scgnn2_engine", "scgnn2_app") or "/" not in name:
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    build = f"import setuptools.build_meta as b; b.build_wheel({str(built)!r}); b.build_sdist({str(built)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    with tarfile.open(sdist) as packed:
        assert f"scgnn2-{VERSION}/scgnn2_engine/tl.py" in packed.getnames()
    # An empty environment that borrows the packages already here: nothing is downloaded.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(site)
    assert names >= {
        "scgnn2/__init__.py",
        "scgnn2_app/main.py",
        "scgnn2_engine/py.typed",
        "scgnn2_engine/io/r/to_seurat.R",
    }
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), sysconfig.get_path("purelib")])}

    def said(*command: str) -> str:
        python = [tmp_path / "venv" / "bin" / "python", *command]
        run = subprocess.run(python, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        return run.stdout.strip()

    assert said("-m", "scgnn2_engine", "--version") == f"scgnn2 {VERSION}"
    assert Path(said("-c", "import scgnn2_engine; print(scgnn2_engine.__file__)")).is_relative_to(site)
