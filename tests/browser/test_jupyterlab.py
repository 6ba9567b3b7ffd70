"""The dashboard inside a real JupyterLab: the same page, and Python sees what happens on it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[2]

FIRST = """\
import scgnn2_engine as sc2
from scgnn2_app import Dashboard
dashboard = Dashboard({data!r}, workspace={workspace!r})
dashboard.params = sc2.RunParams(total_epoch=2, feature_AE_epoch=[10, 5], graph_AE_epoch=10, cluster_AE_epoch=10,
                                 run_LTMG=False, device="cpu", output_figures=False,
                                 evaluate_baselines=False, evaluate_diagnostics=False)
dashboard"""
SECOND = """\
import numpy as np
dashboard.app.session.select([0, 1, 2])
print("result", dashboard.result.shape, "selected", len(dashboard.selection), "seed", dashboard.params.seed)"""


@pytest.fixture
def notebook(tmp_path: Path, tiny_file: Path) -> Path:
    cells = [FIRST.format(data=str(tiny_file), workspace=str(tmp_path / "workspace")), SECOND]
    content = {
        "cells": [
            {
                "cell_type": "code",
                "id": f"c{number}",
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "source": cell,
            }
            for number, cell in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = tmp_path / "dashboard.ipynb"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def lab(notebook: Path, tmp_path: Path, act: Any) -> Iterator[str]:
    """Address of a JupyterLab that knows only this environment."""
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONPATH": str(PROJECT),
    }
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1",
        "--IdentityProvider.token=", f"--ServerApp.root_dir={notebook.parent}",
        "--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    log = tmp_path / "lab.log"
    with log.open("w") as said, subprocess.Popen(command, cwd=notebook.parent, env=environment, stderr=said) as server:
        try:
            found = act.wait_for(lambda: re.search(r"http://127\.0\.0\.1:(\d+)/lab", log.read_text()))
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            server.terminate()
            server.wait(timeout=60)


@pytest.mark.slow
def test_the_page_runs_in_a_cell_and_python_has_the_result(browser: Any, lab: str, act: Any) -> None:
    context = browser.new_context(viewport={"width": 1500, "height": 1100})
    page = context.new_page()
    page.set_default_timeout(180_000)
    elsewhere: list[str] = []
    page.on("request", lambda request: elsewhere.append(request.url) if "127.0.0.1" not in request.url else None)
    page.goto(f"{lab}/lab/tree/dashboard.ipynb")
    page.get_by_text(re.compile("ipykernel.*Idle")).first.wait_for()
    page.locator(".jp-CodeCell").first.click()
    page.keyboard.press("Shift+Enter")
    run = page.get_by_role("button", name="Run", exact=True)
    run.wait_for()
    page.get_by_text("120 cells × 60 genes, counts").wait_for()
    run.click()
    act.wait_for_state(page, "done")
    act.keep_picture(page, "jupyterlab")
    for tab in act.TABS:
        act.open_tab(page, tab)
    page.locator(".jp-CodeCell").nth(1).locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    page.get_by_text(re.compile(r"result \(120, \d+\) selected 3 seed 1")).wait_for()
    context.close()
    assert [url for url in elsewhere if not url.startswith(("data:", "blob:"))] == []
