"""New cells on the shown run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scgnn2_app.context import ServerContext
from scgnn2_app.runs.jobs import JobManager
from scgnn2_app.session import Session
from scgnn2_app.sweeps.sweeps import SweepManager
from scgnn2_app.views.new_cells import NewCells
from scgnn2_engine import RunParams, fit, simulate
from scgnn2_engine.io import dataset_to_anndata, read, write


@pytest.fixture
def context(tmp_path: Path) -> Iterator[ServerContext]:
    manager = JobManager(tmp_path / "workspace", at_once=1, threads=1)
    sweeps = SweepManager(manager)
    yield ServerContext(manager, sweeps)
    sweeps.close()
    manager.close(kill=True)


def arrive(view: NewCells, name: str, content: bytes) -> None:
    view.upload._process_chunk({"name": name, "chunk": 1, "total_chunks": 1, "data": list(content), "mime_type": ""})


def test_cells_are_mapped_onto_the_shown_run(
    context: ServerContext, tiny_params: RunParams, tmp_path: Path, made_run: Path
) -> None:
    session = Session()
    session.show_folder(made_run)
    view = NewCells(session, context)
    assert view.button.disabled  # it has no model
    result = fit(simulate(60, 40, 2, seed=0), tiny_params)
    assert result.model is not None
    write(result, tmp_path / "run", params=tiny_params)
    session.show_folder(tmp_path / "run")
    assert not view.button.disabled
    view._open()
    dataset_to_anndata(simulate(30, 40, 2, seed=1)).write_h5ad(tmp_path / "new.h5ad")
    arrive(view, "new.h5ad", (tmp_path / "new.h5ad").read_bytes())
    assert view.status.object.startswith("30 cells mapped; ")
    assert "mean confidence" in view.found.object
    sent = []
    view.downloader.send = lambda name, content: sent.append((name, content))
    for form in ("h5ad", "csv"):
        view.download(form)
    (_, mapped), (_, table) = sent
    assert read(mapped).n_obs == 30
    assert (
        table.decode().splitlines()[0]
        == "cell,scgnn2_cluster,scgnn2_nearest_cluster,scgnn2_confidence,scgnn2_mean_distance"
    )
    arrive(view, "other.csv", b"gene,a,b\nActb,1,2\nGapdh,3,4\n")
    assert "lack too many genes" in session.notice
    assert view.saves["h5ad"].disabled
    assert not mapped.exists()  # with the file it came from
