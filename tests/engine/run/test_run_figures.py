from pathlib import Path

import anndata
import numpy as np
import pytest

from scgnn2_engine.errors import InputError, OutputError, ParameterError
from scgnn2_engine.io import write
from scgnn2_engine.params import RunParams
from scgnn2_engine.results.result import Result
from scgnn2_engine.run import run_figures as plot_files
from scgnn2_engine.run.run_figures import plot_curves, plot_graph, plot_heatmap, plot_sankey


@pytest.fixture
def run(tmp_path: Path, result: Result) -> Path:
    folder = tmp_path / "run"
    write(result, folder, params=RunParams(output_figures=False))
    return folder


@pytest.mark.parametrize(("draw", "name"), [(plot_graph, "graph"), (plot_heatmap, "heatmap"), (plot_curves, "curves")])
def test_a_finished_run_is_drawn_into_its_figures(run: Path, draw: object, name: str) -> None:
    assert callable(draw)
    for _ in range(2):
        written = draw(run)
    assert written == [run / "figures" / f"{name}.html", run / "figures" / f"{name}.png"]
    assert all(path.stat().st_size > 5000 for path in written)


def test_a_chosen_output_is_not_overwritten_unasked(run: Path, tmp_path: Path) -> None:
    written = plot_curves(run, tmp_path / "mine.html")
    assert written == [tmp_path / "mine.html", tmp_path / "mine.png"]
    with pytest.raises(OutputError, match="exists already"):
        plot_curves(run, tmp_path / "mine")
    assert plot_curves(run, tmp_path / "mine", overwrite=True) == written


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan")])
def test_sizes_are_above_zero(run: Path, size: float) -> None:
    with pytest.raises(ParameterError, match="edgescale cannot be"):
        plot_graph(run, edgescale=size)
    with pytest.raises(ParameterError, match="node_size cannot be"):
        plot_graph(run, node_size=size)


def test_graph_takes_labels_by_name_and_refuses_others(run: Path, tmp_path: Path, result: Result) -> None:
    names = [name for name in result.prepared.obs_names if "odd" not in name]
    (tmp_path / "types.csv").write_text("cell,type\n" + "".join(f"{name},T\n" for name in reversed(names)))
    with pytest.raises(InputError, match="no label for 1 of 12 cells"):
        plot_graph(run, labels=tmp_path / "types.csv")


def test_heatmap_matches_the_truth_by_name(run: Path, tmp_path: Path, result: Result) -> None:
    prepared = result.prepared
    order = np.arange(12)[::-1]
    truth = anndata.AnnData(prepared.expression[order][:, ::-1].copy())
    truth.obs_names, truth.var_names = prepared.obs_names[order], prepared.var_names[::-1]
    truth.write_h5ad(tmp_path / "truth.h5ad")
    turned = plot_heatmap(run, tmp_path / "turned", truth=tmp_path / "truth.h5ad")[1].read_bytes()
    assert turned == plot_heatmap(run, tmp_path / "straight")[1].read_bytes()  # hidden entries: X is the truth
    truth[1:].write_h5ad(tmp_path / "fewer.h5ad")
    with pytest.raises(InputError, match="lacks 1 of the result's 12 cells"):
        plot_heatmap(run, truth=tmp_path / "fewer.h5ad")


def test_sankey_matches_files_by_cell_name(run: Path, tmp_path: Path, result: Result) -> None:
    names = [name for name in result.prepared.obs_names if "odd" not in name]
    (tmp_path / "types.csv").write_text("cell,type\n" + "".join(f"{name},T\n" for name in reversed(names)))
    written = plot_sankey([run, tmp_path / "types.csv"], tmp_path / "flow")
    page = written[0].read_text(encoding="utf-8")
    assert "11 cells" in page
    assert "1 not in every file left out" in page


def test_sankey_takes_the_labels_that_a_run_takes(
    run: Path, tmp_path: Path, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [name for name in result.prepared.obs_names if "odd" not in name]
    rows = [f"{name},{100 + number},{'TB'[number % 2]}" for number, name in enumerate(names)]
    (tmp_path / "meta.csv").write_text("barcode,nCount_RNA,cell_type\n" + "\n".join(rows) + "\n")
    (tmp_path / "bare.csv").write_text("\n".join(f"{name},X" for name in names) + "\n")  # without a header
    drawn = {}
    original = plot_files.sankey
    monkeypatch.setattr(plot_files, "sankey", lambda sets, title: drawn.update(sets) or original(sets, title=title))
    plot_sankey([run, tmp_path / "meta.csv", tmp_path / "bare.csv"], tmp_path / "flow")
    assert drawn["meta"].tolist() == ["TB"[number % 2] for number in range(11)]
    assert drawn["bare"].tolist() == ["X"] * 11


def test_sankey_refuses_one_file_and_strangers(run: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("cell,type\nz,T\n")
    with pytest.raises(InputError, match="two or more"):
        plot_sankey([run])
    with pytest.raises(InputError, match="no cell in common"):
        plot_sankey([run, tmp_path / "other.csv"])


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    for draw in (plot_graph, plot_heatmap, plot_curves):
        with pytest.raises(InputError, match="does not exist"):
            draw(tmp_path)
