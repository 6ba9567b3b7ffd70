"""What is mended in other packages: for which versions, reported, and nowhere else."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from importlib.metadata import version
from pathlib import Path

import pytest

from scgnn2_app import patches
from scgnn2_app.patches.material_file_pieces import FOR, PiecewiseFileInput
from scgnn2_app.patches.versions import Versions

PROJECT = Path(__file__).resolve().parents[3]
NAMES = sorted(module.name for module in pkgutil.iter_modules(patches.__path__) if module.name != "versions")
PUBLIC = {"_repr_mimebundle_", "_exit"}
"""What IPython asks of everybody, and a documented function of Python's ``os``."""


@pytest.mark.parametrize("name", NAMES)
def test_each_was_tried_with_what_is_installed_and_is_reported(name: str) -> None:
    found = importlib.import_module(f"scgnn2_app.patches.{name}").FOR
    assert found.installed, f"{name} is for {found.package} {found.series}; {version(found.package)} is installed"
    report = (PROJECT / "docs" / "upstream" / f"{name}.md").read_text(encoding="utf-8")
    assert f"{found.package} {found.series}" in report
    assert {"## What happens", "## Example", "## Expected"} <= set(report.splitlines())


def test_a_series_holds_its_own_versions() -> None:
    held = {number: Versions("panel", "1.9").hold(number) for number in ("1.9", "1.9.4", "1.90.1", "1.10.0", "2.1.9")}
    assert held == {"1.9": True, "1.9.4": True, "1.90.1": False, "1.10.0": False, "2.1.9": False}


def _foreign(path: Path) -> list[str]:
    """Private names that a module uses of anything but its own objects."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            if not own and node.attr not in PUBLIC:
                found.append(f"{path.name}:{node.lineno} {node.attr}")
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        modules += [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        found += [f"{path.name}:{node.lineno} {name}" for name in modules if "._" in f".{name}" and "__" not in name]
    return found


def test_no_private_name_of_another_is_used_elsewhere() -> None:
    files = [path for package in ("scgnn2_engine", "scgnn2_app") for path in (PROJECT / package).rglob("*.py")]
    elsewhere = [path for path in files if path.parent.name != "patches"]
    assert [name for path in elsewhere for name in _foreign(path)] == []
    assert [name for path in files for name in _foreign(path)] != []  # the search finds those of the patches


def test_panel_material_ui_still_collects_a_file_in_memory() -> None:
    """Once this fails, ``material_file_pieces`` may go."""
    import panel_material_ui as pmui

    plain = pmui.FileInput(max_file_size=4)
    for number in (1, 2):
        message = {"chunk": number, "total_chunks": 2, "data": [0] * 4, "name": "big.csv", "mime_type": "text/csv"}
        plain._handle_msg({"status": "upload_event", **message})
    held = plain._buffer[0]["value"]
    assert held == bytes(8), f"{FOR.package} {version(FOR.package)} no longer needs {PiecewiseFileInput.__name__}"


def test_panel_material_ui_still_sends_all_that_a_search_finds() -> None:
    """Once this fails, ``material_search`` may go."""
    import panel_material_ui as pmui

    plain = pmui.AutocompleteInput(options=[f"gene {i}" for i in range(5000)], lazy_search=True)
    needless = f"panel-material-ui {version('panel-material-ui')} no longer needs material_search"
    assert len(plain._filter_options("gene")) == 5000, needless


def test_bokeh_still_has_no_public_name_for_its_application() -> None:
    """Once this fails, ``bokeh_server_application`` may go."""
    from bokeh.server.server import BaseServer

    public = {name for name in dir(BaseServer) if not name.startswith("_")}
    needless = f"bokeh {version('bokeh')} no longer needs bokeh_server_application"
    assert public.isdisjoint({"application", "applications", "tornado", "tornado_app"}), needless
