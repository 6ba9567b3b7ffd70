"""What holds the project's frame together: pins, generated pages, and the walls between rooms."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from scgnn2_engine.cli.parameter_table import markdown
from scgnn2_engine.io import formats_page
from scgnn2_engine.params import RunParams

PROJECT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
METADATA = PYPROJECT["project"]
EXTRAS = METADATA["optional-dependencies"]
NOT_OURS = {".git", ".venv", "build", "dist", "outputs", "__pycache__"}

IMPORTED_AS = {
    "PIL": "pillow",
    "magic": "magic-impute",
    "sklearn": "scikit-learn",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
"""Packages whose import name is not their name."""

HEAVY = (
    *("panel", "bokeh", "scanpy", "umap", "pynndescent", "torch_geometric", "matplotlib", "igraph", "IPython"),
    *("rdata", "rpy2"),
)


def requirements(*groups: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(line) for group in groups for line in group]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def pins() -> dict[str, str]:
    lines = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    exact = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in exact}


def environment() -> tuple[list[str], list[str]]:
    """The conda packages and the pip lines of environment.yml."""
    listed = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    (pip,) = [entry["pip"] for entry in listed if isinstance(entry, dict)]
    return [entry for entry in listed if isinstance(entry, str)], pip


def project_files() -> Iterator[Path]:
    for folder, names, files in os.walk(PROJECT):
        names[:] = [name for name in names if name not in NOT_OURS and not name.endswith(("_cache", ".egg-info"))]
        yield from (Path(folder) / name for name in files)


def python_files(package: str) -> list[Path]:
    return sorted((PROJECT / package).rglob("*.py"))


def imported_packages(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


# ------------------------------------------------------------------------------------------------ versions


def test_every_requirement_is_pinned_within_its_range():
    exact = pins()
    for name, requirement in requirements(METADATA["dependencies"], *EXTRAS.values()).items():
        assert exact[name] in requirement.specifier, f"{requirement} does not allow the pin {exact[name]}"


def test_torch_is_pinned_without_a_local_version():
    assert pins()["torch"] == "2.13.0"


def test_constraints_hold_exact_versions_only():
    for line in (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        assert line.startswith("#") or re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def test_environment_lists_exactly_the_direct_dependencies_at_their_pins():
    _, pip = environment()
    listed = {name: version for name, _, version in (line.partition("==") for line in pip) if not name.startswith("--")}
    wanted = requirements(METADATA["dependencies"], EXTRAS["app"], EXTRAS["r"], EXTRAS["test"])
    assert listed == {name: pins()[name] for name in wanted}


def test_environment_takes_the_rest_from_the_constraints():
    _, pip = environment()
    assert [line for line in pip if line.startswith("--")] == ["--constraint constraints.txt", "--editable ."]


def test_environment_brings_a_python_that_the_package_allows_and_r():
    conda, _ = environment()
    versions = dict(re.fullmatch(r"([a-z0-9-]+)(.*)", entry).groups() for entry in conda)
    assert versions["python"].removeprefix("=") + ".0" in SpecifierSet(METADATA["requires-python"])
    assert {
        *("r-base", "r-seurat", "r-seuratobject", "r-hdf5r"),
        "bioconductor-singlecellexperiment",
    } <= set(versions)


def test_environment_asks_bioconda_after_conda_forge():
    listed = yaml.safe_load((PROJECT / "environment.yml").read_text(encoding="utf-8"))
    assert listed["channels"] == ["conda-forge", "bioconda", "nodefaults"]


def test_bare_install_has_no_panel_r_or_jupyter():
    assert not requirements(METADATA["dependencies"]).keys() & {
        "panel",
        "bokeh",
        "datashader",
        "rpy2",
        "rpy2-rinterface",
        "ipykernel",
        "nbclient",
        "jupyterlab",
    }


def test_r_files_need_no_extra():
    assert "rdata" in requirements(METADATA["dependencies"])


def test_the_bridge_to_r_is_held_at_the_last_that_r_4_2_loads():
    bridge = requirements(EXTRAS["r"])["rpy2-rinterface"]
    assert "3.6.5" in bridge.specifier
    assert "3.6.6" not in bridge.specifier


def test_one_version():
    version = METADATA["version"]
    assert importlib.metadata.version("scgnn2") == version
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d[^\]]*)\]", changelog, re.MULTILINE)[0] == version


@pytest.mark.parametrize("package", ["scgnn2_engine", "scgnn2_app"])
def test_everything_imported_is_required(package):
    ours = {"scgnn2_engine", "scgnn2_app", *sys.stdlib_module_names}
    optional = [EXTRAS[name] for name in ("app", "cluster", "r", "formats")]
    allowed = requirements(METADATA["dependencies"], *optional).keys()
    if package == "scgnn2_engine":
        allowed |= {"magic-impute", "graphtools"}  # a baseline, where it is installed (benchmarks/magic.txt)
    for path in python_files(package):
        names = {canonicalize_name(IMPORTED_AS.get(name, name)) for name in imported_packages(path) - ours}
        assert names <= allowed, f"{path.relative_to(PROJECT)} imports {names - allowed}"


@pytest.mark.parametrize(
    "name", sorted(requirements(METADATA["dependencies"], EXTRAS["app"], EXTRAS["cluster"], EXTRAS["r"]))
)
def test_everything_required_is_explained(name):
    table = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Dependencies")[2]
    assert re.search(rf"^\|[^|]*\b{re.escape(name)}\b[^|]*\|", table, re.MULTILINE)


# ------------------------------------------------------------------------------------------------ what is written


def test_no_registry_is_named_anywhere():
    hosts = [
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("download", "pytorch", "org"),
        ("repo", "anaconda", "com"),
        ("conda", "anaconda", "org"),
        ("cloud", "r-project", "org"),
        ("registry", "npmjs", "org"),
    ]
    options = ["index-" + "url", "find-" + "links", "trusted-" + "host"]
    forbidden = re.compile("|".join([*(r"\.".join(host) for host in hosts), *options]).encode())
    found = [str(path.relative_to(PROJECT)) for path in project_files() if forbidden.search(path.read_bytes())]
    assert found == []


def test_the_page_of_formats_is_current():
    page = (PROJECT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert page == formats_page.markdown(PROJECT / "tests" / "engine" / "io" / "golden"), "run: make docs"


def test_parameter_page_is_current():
    assert (PROJECT / "docs" / "parameters.md").read_text(encoding="utf-8") == markdown(), "run: make docs"


def test_example_of_all_parameters_is_current():
    path = PROJECT / "examples" / "all_parameters.toml"
    assert path.read_text(encoding="utf-8") == RunParams().to_toml(), "run: make docs"
    assert RunParams.from_toml(path) == RunParams()


def test_readme_lists_the_folders_that_exist():
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    listing = readme.partition("## Folders")[2].split("```")[1].strip().splitlines()
    assert len(listing) > 15
    folder = PROJECT
    for line in listing:
        name = line.split()[0]
        inside = line.startswith("  ")
        assert ((folder if inside else PROJECT) / name).exists(), f"README lists {name}"
        folder = folder if inside else PROJECT / name


@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", "CHANGELOG.md", "findings/README.md"]
    + [f"docs/{page.name}" for page in sorted((PROJECT / "docs").glob("*.md"))],
)
def test_links_and_pictures_lead_somewhere(page):
    text = (PROJECT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        assert target.startswith("https://") or ((PROJECT / page).parent / target).exists(), target


# ------------------------------------------------------------------------------------------------ walls


def test_only_evaluation_reads_the_labels():
    allowed = {PROJECT / "scgnn2_engine" / "data" / "dataset.py", *python_files("scgnn2_engine/evaluate")}
    readers = set()
    for package in ("scgnn2_engine", "scgnn2_app"):
        for path in python_files(package):
            tree = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if any(isinstance(node, ast.Attribute) and node.attr == "sealed_labels" for node in tree):
                readers.add(path)
    assert readers <= allowed, readers - allowed
    assert len(readers) >= 2, "nothing reads the labels any more: this test looks for a name that is gone"


@pytest.mark.parametrize("module", ["scgnn2_engine", "scgnn2_engine.cli"])
def test_bare_import_is_light(module):
    probe = f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}} & {set(HEAVY)!r}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", probe], capture_output=True, text=True, check=False, cwd=PROJECT
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_nothing_unpickles():
    for path in (*python_files("scgnn2_engine"), *python_files("scgnn2_app")):
        assert not imported_packages(path) & {"pickle", "dill", "cloudpickle"}, path
        assert not re.search(r"allow_pickle=True|read_pickle\(|torch\.load\(", path.read_text(encoding="utf-8")), path
