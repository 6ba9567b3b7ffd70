"""The examples run as a newcomer would run them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def jupyter_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Jupyter out of the home folder."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.mark.slow
@pytest.mark.usefixtures("jupyter_folders")
def test_notebook_runs_in_ninety_seconds(tmp_path: Path) -> None:
    notebook = nbformat.read(EXAMPLES / "quickstart.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=90, kernel_name="python3", resources={"metadata": {"path": tmp_path}})
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    warned = [output for output in outputs if output.get("name") == "stderr"]
    assert warned == []
    assert any("image/png" in output.get("data", {}) for output in outputs)
    table = next(output["data"]["text/plain"] for output in outputs if "selected" in str(output.get("data", "")))
    assert table.count("True") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("jupyter_folders")
def test_the_scanpy_workflow_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(EXAMPLES / "scanpy_workflow.ipynb", as_version=4)
    resources = {"metadata": {"path": tmp_path}}
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    assert "scgnn2_connectivities" in str(outputs)


@pytest.mark.slow
@pytest.mark.usefixtures("jupyter_folders")
def test_the_mudata_workflow_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(EXAMPLES / "mudata_workflow.ipynb", as_version=4)
    resources = {"metadata": {"path": tmp_path}}
    NotebookClient(notebook, timeout=900, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert "Modality rna. --load_modality takes another one: protein." in str(outputs[-1])


@pytest.mark.parametrize("name", ["quickstart.ipynb", "scanpy_workflow.ipynb", "mudata_workflow.ipynb"])
def test_notebooks_are_committed_without_outputs(name: str) -> None:
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    assert [cell.outputs for cell in notebook.cells if cell.cell_type == "code" and cell.outputs] == []


@pytest.mark.slow
def test_quickstart_writes_a_result(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "quickstart.py", tmp_path / "out"], check=True, cwd=tmp_path)
    assert {"imputed.csv", "labels.csv", "metrics.csv", "result.h5ad", "run.json"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }


@pytest.mark.slow
def test_stages_work_one_by_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "stages.py"], check=True, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1].startswith("imputed expression (240, ")
