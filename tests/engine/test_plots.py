import re
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError, MissingPackageError, OutputError
from scgnn2_engine.plots import (
    Chart,
    cell_graph,
    cluster_colours,
    curves,
    draw_figures,
    edge_widths,
    error_heatmap,
    palette,
    sankey,
    save_figure,
    sets_of_iterations,
    to_matplotlib,
)
from scgnn2_engine.plots.cell_graph import thin_edges
from scgnn2_engine.plots.chart import Image, Line, Lines, Points, Rule, Scale, Segments, Shapes, Texts
from scgnn2_engine.plots.curves import loss_curve
from scgnn2_engine.plots.on_bokeh import BokehCanvas
from scgnn2_engine.plots.sankey import bar_colours, sankey_layout
from scgnn2_engine.plots.style import EDGE
from scgnn2_engine.results.result import Result

PNG_START = b"\x89PNG\r\n\x1a\n"


class Loaded(HTMLParser):
    """The addresses a page would ask for."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"script": "src", "link": "href", "img": "src", "iframe": "src"}.get(tag)
        self.addresses += [value for name, value in attrs if name == wanted and value]


def small_graph() -> Any:
    positions = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    edges = np.array([[0, 1, 2, 0], [1, 2, 3, 3]])
    return cell_graph(positions, edges, np.array([1.0, 0.5, 0.25, 0.0]), np.array([0, 0, 1, 1]))


FIGURES: dict[str, Callable[[], Any]] = {
    "graph": small_graph,
    "heatmap": lambda: error_heatmap(np.ones((4, 3)), np.zeros((4, 3)), np.array([0, 0, 1, 1])),
    "sankey": lambda: sankey({"a": np.array([0, 1, 1]), "b": np.array(["x", "x", "y"])}),
    "curves": lambda: curves(
        pd.DataFrame(
            [("graph_AE", 0, None, e, "loss", 1 / e) for e in range(1, 5)],
            columns=["stage", "iteration", "cluster", "epoch", "name", "value"],
        ),
        pd.DataFrame(
            {
                "iteration": [1, 2],
                "ari_between_iterations": [np.nan, 0.5],
                "error_median": [np.nan] * 2,
                "ari_against_ground_truth": [0.4, 0.6],
                "cluster_count": [4, 3],
                "selected": [False, True],
            }
        ),
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_html_asks_for_nothing_and_png_is_a_picture(tmp_path: Path, name: str) -> None:
    figure = FIGURES[name]()
    page = save_figure(figure, tmp_path / "figure.html").read_text(encoding="utf-8")
    loaded = Loaded()
    loaded.feed(page)
    assert loaded.addresses == []
    assert "@import" not in page
    assert "Bokeh" in page
    picture = save_figure(figure, tmp_path / "figure.png").read_bytes()
    assert picture.startswith(PNG_START)
    assert len(picture) > 5000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["figure.html", "figure.png"]


def test_same_figure_same_picture(tmp_path: Path) -> None:
    first, second = (save_figure(small_graph(), tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert first == second


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.html, \.png or \.svg"):
        save_figure(small_graph(), tmp_path / "figure.pdf")


@pytest.mark.parametrize("package", ["bokeh", "colorcet", "matplotlib"])
def test_without_a_package_the_extra_is_named(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figure = small_graph()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=r"scgnn2\[app\]"):
        save_figure(figure, tmp_path / "figure.png")


def test_importing_the_figures_does_not_import_what_draws_them() -> None:
    import subprocess

    heavy = {"bokeh", "matplotlib", "colorcet", "umap"}
    code = f"import sys, scgnn2_engine.plots; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_colours_are_distinct_stable_and_follow_the_number() -> None:
    assert len(set(palette(60))) == 60
    assert cluster_colours(["0", "1", "3"])["3"] == cluster_colours(range(9))["3"] == palette(4)[3]
    assert list(cluster_colours(["c10", "c9"])) == ["c9", "c10"]
    assert all(re.fullmatch(r"#[0-9a-f]{6}", colour) for colour in palette(60))


def test_published_edge_width() -> None:
    np.testing.assert_allclose(edge_widths(np.array([0.2, 0.4, 2.0]), 0.03), 0.03 * np.log([1, 2, 10]))
    assert len(edge_widths(np.empty(0))) == 0


def test_cell_graph_draws_the_edges_above_zero_thicker_where_more_alike() -> None:
    segments, *cells = small_graph().marks
    assert isinstance(segments, Segments)
    assert (segments.x0.tolist(), segments.y1.tolist()) == ([0, 1, 0], [0, 1, 1])
    np.testing.assert_allclose(segments.width, np.maximum(0.25, 25 * 0.03 * np.log([4, 2, 1])))
    assert [mark.label for mark in cells] == ["cluster 0 (2)", "cluster 1 (2)"]
    drawn = to_matplotlib(small_graph()).axes[0].collections[0]
    np.testing.assert_allclose(drawn.get_linewidths(), segments.width)
    np.testing.assert_allclose(BokehCanvas(small_graph()).sources["edges"].data["width"], segments.width)


@pytest.mark.parametrize("n_obs", [1, 3])
def test_cell_graph_without_edges(n_obs: int) -> None:
    picture = cell_graph(np.zeros((n_obs, 2)), np.empty((2, 0), dtype=int), np.empty(0), np.zeros(n_obs, dtype=int))
    assert len(picture.marks) == 1


def test_thinning_keeps_the_strongest_edges_of_every_cell(rng: np.random.Generator) -> None:
    pairs = np.array([(i, j) for i in range(20) for j in range(i)]).T
    weights = rng.random(pairs.shape[1])
    kept = thin_edges(pairs, weights, 20, max_edges=60)
    assert 20 < len(kept) <= 60
    for cell in range(20):
        mine = np.flatnonzero((pairs == cell).any(axis=0))
        assert mine[np.argmax(weights[mine])] in kept
    np.testing.assert_array_equal(thin_edges(pairs, weights, 20, 1000), np.arange(pairs.shape[1]))
    assert len(thin_edges(pairs, weights, 20, max_edges=3)) == 3


def test_heatmap_groups_cells_orders_genes_and_takes_logs_of_counts(rng: np.random.Generator) -> None:
    counts = rng.poisson(1.0, (9, 4)).astype(np.float32)
    imputed = rng.random((9, 4), dtype=np.float32)
    labels = np.array([1, 0, 1, 0, 2, 2, 1, 0, 0])
    blocks = error_heatmap(imputed, counts, labels, scale="counts").mark("blocks")
    order = np.argsort(labels, kind="stable")
    expected = np.abs(imputed - np.log1p(counts))
    genes = np.argsort(-expected.mean(axis=0), kind="stable")
    np.testing.assert_allclose(blocks.values, expected[order][:, genes], rtol=1e-6)
    assert blocks.rows == [str(label) for label in labels[order]]
    sparse = error_heatmap(imputed, sp.csr_matrix(counts), labels, scale="counts").mark("blocks")
    np.testing.assert_array_equal(sparse.values, blocks.values)


def test_a_huge_heatmap_is_block_means_that_never_mix_clusters() -> None:
    labels = np.repeat([0, 1], 50)
    imputed = np.repeat(labels[:, None] * 1.0, 30, axis=1)
    blocks = error_heatmap(imputed, np.zeros((100, 30)), labels, max_rows=10, max_columns=7).mark("blocks")
    values, rows = blocks.values, np.array(blocks.rows)
    assert values.shape[0] <= 10
    assert values.shape[1] <= 7
    np.testing.assert_allclose(values, np.repeat(rows.astype(float)[:, None], values.shape[1], axis=1))


@pytest.mark.parametrize(("truth", "title"), [(True, "Imputation error: 4"), (False, "imputed minus observed")])
def test_heatmap_title_says_what_is_compared(truth: bool, title: str) -> None:
    picture = error_heatmap(np.ones((4, 3)), np.zeros((4, 3)), np.array([0, 0, 1, 1]), reference_is_truth=truth)
    assert title in picture.title
    assert title in to_matplotlib(picture).axes[0].get_title(loc="left")
    assert title in BokehCanvas(picture).figure.title.text


def test_sankey_conserves_cells_and_does_not_overlap() -> None:
    rng = np.random.default_rng(3)
    sets = {"a": rng.integers(0, 4, 80), "b": rng.integers(0, 3, 80), "c": rng.integers(0, 5, 80)}
    bars, ribbons = sankey_layout(sets)
    for column in range(3):
        here = sorted((bar for bar in bars if bar.column == column), key=lambda bar: bar.low)
        assert sum(bar.n_cells for bar in here) == 80
        assert all(below.high < above.low for below, above in pairwise(here))
        assert here[0].low == pytest.approx(0)
        assert here[-1].high == pytest.approx(1)
    for bar in bars:
        leaving = [r for r in ribbons if (r.column, r.source) == (bar.column, bar.name)]
        arriving = [r for r in ribbons if (r.column + 1, r.target) == (bar.column, bar.name)]
        for side, ends in ((leaving, "left"), (arriving, "right")):
            if side:
                assert sum(r.n_cells for r in side) == bar.n_cells
                assert min(getattr(r, ends)[0] for r in side) == pytest.approx(bar.low)


def test_sankey_colours_groups_by_their_own_name() -> None:
    sets = {"a": np.array(["x", "x", "", "y"]), "b": np.array([4, 4, 0, 1]), "c": np.array([1, 1, 0, 4])}
    bars, _ = sankey_layout(sets)
    found = bar_colours(bars)
    for column in (1, 2):
        assert {name: found[column, name] for name in "014"} == {name: palette(5)[int(name)] for name in "014"}
    assert (found[0, "x"], found[0, "y"], found[0, ""]) == (*palette(2), EDGE)
    assert bar_colours(bars, {0: ["w", "x", "y"]})[0, "x"] == palette(2)[1]


def test_sankey_needs_two_sets_of_the_same_cells() -> None:
    with pytest.raises(InputError, match="two or more"):
        sankey({"a": np.array([0])})
    with pytest.raises(InputError, match="not of the same cells"):
        sankey({"a": np.array([0]), "b": np.array([0, 1])})


def test_loss_curve_runs_on_over_iterations_and_averages_clusters(result: Result) -> None:
    epochs, values = loss_curve(result.losses, "feature_AE")
    assert epochs.tolist() == [1, 2]
    assert values.tolist() == [8, 4]
    assert loss_curve(result.losses, "cluster_AE")[1].tolist() == [4.0]


def test_curves_leave_out_what_was_not_measured(result: Result) -> None:
    drawn = curves(result.losses, result.metrics)
    panels = {chart.title for chart in drawn.charts}
    assert panels == {
        "Feature autoencoder",
        "Graph autoencoder",
        "Cluster autoencoders",
        "Agreement of clusters",
        "Imputation error",
        "Clusters",
    }
    bare = result.metrics.assign(ari_between_iterations=np.nan, error_median=np.nan)
    assert len(curves(result.losses, bare).charts) == 4


@pytest.mark.parametrize("high", [5, 100])
def test_ticks_are_whole_and_few(high: int) -> None:
    chart = Chart(marks=[Line(x=[3, high], y=[3, high])], x_whole=True, y_whole=True)
    axes = to_matplotlib(chart).axes[0]
    for axis in (axes.xaxis, axes.yaxis):
        places = axis.get_majorticklocs()
        assert (places == places.round()).all()
        assert len(places) <= 11


def test_iterations_to_compare_are_each_taken_once(result: Result) -> None:
    sets = sets_of_iterations(result.labels_history, 1)
    assert list(sets) == ["iteration 1 (returned)", "iteration 2"]


def test_draw_figures_writes_all_of_them(tmp_path: Path, result: Result) -> None:
    written = draw_figures(result, tmp_path)
    assert sorted(path.name for path in written) == sorted(
        f"{name}.{kind}" for name in ("graph", "heatmap", "curves", "sankey") for kind in ("html", "png")
    )
    assert sorted(written) == sorted((tmp_path / "figures").iterdir())


def every_mark() -> Chart:
    """One of each kind, at x from 0 to 3."""
    return Chart(
        marks=[
            Image(name="image", values=np.array([[0.0, np.nan], [1.0, 2.0]]), x=(0.0, 2.0), y=(0.0, 2.0), rows="ab"),
            Line(name="line", x=[0, 1, 2], y=[1.0, np.nan, 2.0], label="line", tips={"height": "y"}),
            Line(name="step", x=[0, 1], y=[1, 2], step=True, label="line"),
            Line(name="right", x=[0, 1], y=[1e-3, 2e-3], right=True),
            Points(name="points", x=[0, 1], y=[0, 1], values=[0.0, 2.0], tips={"cell": ["a", "b"]}),
            Points(name="dots", x=[0, 1], y=[0, 1], colour=["#332288", "#e69f00"]),
            Shapes(name="shapes", x=[[0, 1, 1]], y=[[0, 0, 1]], colour=["#0072b2"], alpha=[0.5], pick=True),
            Segments(name="segments", x0=[0], y0=[0], x1=[3], y1=[1]),
            Lines(name="lines", x=[[0, 1]], y=[[0, 1]], values=[1.0]),
            Texts(name="texts", x=[0], y=[0], text=["word"], align=["left"], boxed=True),
            Rule(name="upright", x=1.0),
            Rule(name="level", y=1.0),
        ],
        scale=Scale(0.0, 2.0, ("#ffffff", "#000000"), "value"),
        right_label="small",
        right_limits=(1e-3, 2e-3),
        x_limits=(0.0, 3.0),
    )  # fmt: skip


def test_both_canvases_draw_every_mark() -> None:
    chart = every_mark()
    axes, right, bar = to_matplotlib(chart).axes
    assert axes.get_xlim() == (0.0, 3.0)
    assert (len(axes.lines), len(axes.collections), len(axes.images), len(axes.texts)) == (4, 5, 1, 1)
    assert right.get_ylabel() == "small"
    assert bar.get_ylabel() == "value"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["line"]
    canvas = BokehCanvas(chart)
    assert list(canvas.sources) == [mark.name for mark in chart.marks]
    assert canvas.sources["image"].data["image"][0].tolist() == [[128, 255], [2, 1]]
    assert [item.label.value for item in canvas.legend.items] == ["line"]
    assert (canvas.figure.x_range.start, canvas.figure.x_range.end) == (0.0, 3.0)


def test_the_page_is_sent_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    canvas = BokehCanvas(Chart(marks=[Points(name="dots", x=[1, 2], y=[3, 4], colour=["#000000", "#ffffff"])]))
    source = canvas.sources["dots"]
    x, y = source.data["x"], source.data["y"]
    canvas.show(Chart(marks=[Points(name="dots", x=[1, 2], y=[3, 5], colour=["#000000", "#ffffff"])]))
    assert source.data["x"] is x
    assert source.data["y"] == [3, 5] != y
    streamed: list[Any] = []
    monkeypatch.setattr(type(source), "stream", lambda self, new: streamed.append(new))
    longer = Points(name="dots", x=[1, 2, 9], y=[3, 5, 8], colour=["#000000", "#ffffff", "#0072b2"])
    for _ in range(2):
        canvas.show(Chart(marks=[longer]))
    assert streamed == [{"x": [9], "y": [8], "fill": ["#0072b2"]}]
    canvas.clear("nothing")
    assert source.data == {"x": [], "y": [], "fill": []}
    assert canvas.figure.title.text == "nothing"


def test_a_dark_page_has_colours_that_are_seen() -> None:
    canvas = BokehCanvas(every_mark(), dark=True)
    assert canvas.sources["dots"].data["fill"] == ["#6a5ea8", "#e69f00"]
    assert canvas.renderers["line"].glyph.line_color == "#e8e8e8"
    canvas.paint(dark=False)
    assert canvas.sources["dots"].data["fill"] == ["#332288", "#e69f00"]
    assert canvas.renderers["line"].glyph.line_color == "#222222"
    assert canvas.figure.background_fill_color == "#ffffff"
