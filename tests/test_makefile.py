"""What make would do, asked without doing it (``make -n``) in a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
MAKE = shutil.which("make") or "make"
R_DEBIAN = "r-base-core r-cran-seuratobject r-cran-seurat r-cran-hdf5r r-bioc-singlecellexperiment"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The files that make reads, beside a .venv that is only a link to this Python."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / "benchmarks").mkdir()
    shutil.copy(PROJECT / "benchmarks" / "magic.txt", tmp_path / "benchmarks")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / ".venv" / "stamps").mkdir()
    return tmp_path


def make(folder: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    # A make around these tests hands its own flags on by these variables.
    handed_on = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "PYTHON"}
    clean = {key: value for key, value in os.environ.items() if key not in handed_on}
    if path is not None:
        clean["PATH"] = str(path)
    return subprocess.run([MAKE, *arguments], cwd=folder, env=clean, capture_output=True, text=True, check=False)


def wanted_stamp(folder: Path, target: str) -> Path:
    """The stamp that a target touches after its install."""
    lines = make(folder, "-n", target).stdout.splitlines()
    (touching,) = (line for line in lines if f"touch .venv/stamps/{target}-" in line)
    return folder / touching.rpartition("touch ")[2].strip()


def test_plain_make_is_help(folder: Path) -> None:
    assert "  run     the dashboard" in make(folder).stdout


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


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt", "benchmarks/magic.txt"])
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


# ------------------------------------------------------------------------------------------------ R


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All programs of a machine on which the user is root: what make needs and nothing else."""
    programs = tmp_path_factory.mktemp("bin")
    for name in ("sh", "cat", "cksum", "cut", "grep", "mkdir", "rm", "touch"):
        (programs / name).symlink_to(str(shutil.which(name)))
    program(programs, "id", "echo 0")
    return programs


def program(machine: Path, name: str, script: str) -> None:
    """A program that does what the script says and notes how it was called."""
    path = machine / name
    path.write_text(f'#!{machine / "sh"}\necho "{name} $*" >> "{machine / "calls"}"\n{script}\n', encoding="utf-8")
    path.chmod(0o755)


def calls(machine: Path, name: str) -> list[str]:
    record = machine / "calls"
    lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
    return [line for line in lines if line.startswith(f"{name} ")]


def r_stamps(folder: Path) -> list[Path]:
    return list((folder / ".venv" / "stamps").glob("r-*"))


def test_r_that_is_there_is_looked_at_once(folder: Path, machine: Path) -> None:
    program(machine, "Rscript", "exit 0")
    program(machine, "apt-get", "exit 100")
    for _ in range(2):
        done = make(folder, "r", path=machine)
        assert (done.returncode, done.stderr) == (0, "")
    assert len(r_stamps(folder)) == len(calls(machine, "Rscript")) == 1
    assert calls(machine, "apt-get") == []
    assert '"SeuratObject", "Seurat", "hdf5r", "SingleCellExperiment"' in calls(machine, "Rscript")[0]


@pytest.mark.parametrize("there", ["no R", "R without Seurat"])
def test_root_on_debian_gets_r_by_apt(folder: Path, machine: Path, there: str) -> None:
    if there == "R without Seurat":
        program(machine, "Rscript", "exit 1")
    program(machine, "apt-get", "exit 0")
    done = make(folder, "r", path=machine)
    assert (done.returncode, done.stderr) == (0, "")
    assert calls(machine, "apt-get") == [
        "apt-get -qq update",
        f"apt-get -qqy install --no-install-recommends {R_DEBIAN}",
    ]
    assert len(r_stamps(folder)) == 1


def test_r_that_has_gone_is_looked_for_again(folder: Path, machine: Path) -> None:
    program(machine, "Rscript", "exit 0")
    make(folder, "r", path=machine)
    (machine / "Rscript").unlink()
    assert "R with Seurat is not here" in make(folder, "r", path=machine).stdout


@pytest.mark.parametrize("why", ["not root", "no apt-get", "apt-get fails"])
def test_without_r_the_command_is_named_and_make_goes_on(folder: Path, machine: Path, why: str) -> None:
    if why == "not root":
        program(machine, "id", "echo 1000")
    if why != "no apt-get":
        program(machine, "apt-get", "exit 100")
    done = make(folder, "r", path=machine)
    (line,) = [line for line in done.stdout.splitlines() if not line.startswith("Installing")]
    assert done.returncode == 0
    assert line.endswith(f"As root on Debian or Ubuntu: apt-get install --no-install-recommends {R_DEBIAN}")
    assert bool(calls(machine, "apt-get")) == (why == "apt-get fails")
    assert r_stamps(folder) == []


def test_tests_ask_for_r_and_the_main_job_does_not(folder: Path) -> None:
    assert "Rscript" in make(folder, "-n", "test").stdout
    assert "Rscript" not in make(folder, "-n", "run").stdout


# ------------------------------------------------------------------------------------------------ the browser


@pytest.mark.parametrize("name", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_that_is_there_is_taken(folder: Path, machine: Path, name: str) -> None:
    program(machine, name, "exit 0")
    program(machine, "apt-get", "exit 100")
    done = make(folder, "browser", path=machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list((folder / ".venv" / "stamps").glob("browser-*"))) == 1
    assert calls(machine, "apt-get") == []


def test_root_on_debian_gets_the_browser_by_apt(folder: Path, machine: Path) -> None:
    program(machine, "apt-get", "exit 0")
    assert make(folder, "browser", path=machine).returncode == 0
    assert calls(machine, "apt-get") == [
        "apt-get -qq update",
        "apt-get -qqy install --no-install-recommends chromium fonts-dejavu-core",
    ]


@pytest.mark.parametrize("why", ["not root", "apt-get fails"])
def test_without_a_browser_the_command_is_named_and_make_goes_on(folder: Path, machine: Path, why: str) -> None:
    if why == "not root":
        program(machine, "id", "echo 1000")
    program(machine, "apt-get", "exit 100")
    done = make(folder, "browser", path=machine)
    assert done.returncode == 0
    assert done.stdout.rstrip().endswith("apt-get install --no-install-recommends chromium fonts-dejavu-core")
    assert not list((folder / ".venv" / "stamps").glob("browser-*"))


def test_tests_ask_for_the_browser_and_the_main_job_does_not(folder: Path, machine: Path) -> None:
    assert "chromium is not here" in make(folder, "-n", "test", path=machine).stdout.lower()
    assert "chromium" not in make(folder, "-n", "run", path=machine).stdout.lower()


def test_pip_is_told_to_leave_r_alone(folder: Path) -> None:
    (folder / "told.mk").write_text("include Makefile\ntold:\n\t@echo mode=$$RPY2_CFFI_MODE\n", encoding="utf-8")
    assert make(folder, "-f", "told.mk", "told").stdout == "mode=ABI\n"


def test_continuous_integration_never_skips() -> None:
    assert "export CI=true" in (PROJECT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
