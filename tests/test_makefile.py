"""What make would do, asked without doing it (``make -n``) in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that make reads, beside a .venv that is only a link to this Python."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / ".venv" / "stamps").mkdir()
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A make around these tests hands its own flags on by these variables.
    handed_on = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON"}
    clean = {key: value for key, value in os.environ.items() if key not in handed_on}
    return subprocess.run(["make", *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False)


def wanted_stamp(folder: Path, target: str) -> Path:
    """The stamp that a target touches after its install."""
    lines = make(folder, "-n", target).stdout.splitlines()
    (touching,) = (line for line in lines if f"touch .venv/stamps/{target}-" in line)
    return folder / touching.rpartition("touch ")[2].strip()


def test_plain_make_is_help(folder: Path) -> None:
    assert "  run     the main job" in make(folder).stdout


def test_torch_comes_first_by_its_exact_pin(folder: Path) -> None:
    installs = [line for line in make(folder, "-n", "run").stdout.splitlines() if "pip install" in line]
    assert [line.split()[-1] for line in installs] == ["'torch==2.13.0'", "'.[app]'"]
    assert all("--constraint constraints.txt" in line for line in installs)


@pytest.mark.parametrize(("target", "extras"), [("test", "[app,r,test]"), ("lint", "[app,dev]")])
def test_targets_install_what_they_need(folder: Path, target: str, extras: str) -> None:
    assert f"'.{extras}'" in make(folder, "-n", target).stdout


@pytest.mark.parametrize("target", ["run", "test", "lint"])
def test_nothing_is_installed_twice(folder: Path, target: str) -> None:
    wanted_stamp(folder, target).touch()
    assert "pip" not in make(folder, "-n", target).stdout


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_a_changed_pin_installs_again(folder: Path, file: str) -> None:
    wanted_stamp(folder, "run").touch()
    with (folder / file).open("a") as handle:
        handle.write("# changed\n")
    assert "pip install" in make(folder, "-n", "run").stdout


def test_no_python_is_a_sentence(folder: Path) -> None:
    (folder / ".venv" / "bin" / "python").unlink()
    done = make(folder, "run", "PYTHON=/nowhere/python3.10")
    assert done.returncode == 2
    assert "needs Python 3.11 or newer with its venv module, and found none among: /nowhere/python3.10." in done.stderr
    assert "make PYTHON=/path/to/python3.11 run" in done.stderr
