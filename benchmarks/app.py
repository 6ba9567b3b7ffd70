"""Speed of the dashboard, beside the figures it must meet, in a real browser on the real server.

    python benchmarks/app.py [--parts drawing page training memory] [--runs 20] [--repeats 7]

Prints Markdown. ``drawing`` needs no browser: the time in which the server draws a cell graph. ``page`` opens graphs of
75,000 to 1,500,000 edges, presses arrow keys on the sliders and waits for the painted picture. ``training``
measures what a page feels while a run trains beside it, ``memory`` what the server keeps after many runs.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import scipy.sparse as sp

from scgnn2_app.charts.shading import EdgeShader, Window, cells_picture, warm_up, whole
from scgnn2_app.runs.workspace import RunState, Workspace
from scgnn2_app.sources.source import Source
from scgnn2_engine import RunParams

SIZES = [(5_000, 75_000), (20_000, 300_000), (70_000, 1_000_000), (100_000, 1_500_000)]
BARS = {75_000: 300, 300_000: 600, 1_000_000: 1000, 1_500_000: 1000}  # ms; the second is between those of the brief
QUICK = RunParams(
    total_epoch=2, feature_AE_epoch=[10, 5], graph_AE_epoch=10, cluster_AE_epoch=10, run_LTMG=False, device="cpu",
    output_figures=False, ari_threshold=1.0, graph_change_threshold=0.0, threads=1,
)  # fmt: skip
LONG = QUICK.replace(total_epoch=1000, feature_AE_epoch=[200, 200], feature_AE_patience=0)

N_SESSIONS = 5

WATCH_SOURCES = """
() => {
  window.changed = []
  const seen = new Set()
  const listen = () => {
    for (const document of Bokeh.documents) for (const model of document._all_models.values()) {
      if (model.type !== "ColumnDataSource" || seen.has(model)) continue
      seen.add(model)
      const note = () => {
        const x = model.data.x
        const kind = "image" in model.data ? model.name : "index" in model.data ? "cells" : "line"
        const last = x && x.length ? x[x.length - 1] : null
        const size = "image" in model.data ? model.data.image[0].length : 0
        const painted = () => window.changed.push([performance.now(), Date.now(), kind, last, size])
        requestAnimationFrame(() => setTimeout(painted))
      }
      model.connect(model.properties.data.change, note)
      if (model.streaming) model.connect(model.streaming, note)
      if (model.patching) model.connect(model.patching, note)
    }
  }
  listen()
  setInterval(listen, 200)
  for (const kind of ["keydown", "click"]) {
    window.addEventListener(kind, () => { window.acted = performance.now() }, true)
  }
}
"""


@dataclass
class Table:
    """What was measured, beside what is asked."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, what: str, bar: str, measured: str) -> None:
        """Note a figure, and print it at once."""
        self.rows.append((what, bar, measured))
        print(f"| {what} | {bar} | {measured} |", flush=True)


def made_graph(
    n_obs: int, n_edges: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Positions, edges, weights, groups: twenty groups of cells, joined within themselves."""
    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(0, 20, n_obs))
    positions = (rng.normal(0, 6, (20, 2))[groups] + rng.normal(size=(n_obs, 2))).astype(np.float32)
    size = int(n_edges * 1.02)
    start = rng.integers(0, n_obs, size)
    first, last = np.searchsorted(groups, groups[start]), np.searchsorted(groups, groups[start], side="right")
    end = first + (rng.random(size) * (last - first)).astype(int)
    kept = np.unique(np.sort(np.stack([start, end]), axis=0)[:, start != end], axis=1)
    kept = kept[:, np.sort(rng.permutation(kept.shape[1])[:n_edges])]
    return positions, kept, rng.random(kept.shape[1]) + 0.05, groups


def drawing(table: Table, repeats: int) -> None:
    """How long the server takes to draw, without a browser."""
    start = time.perf_counter()
    warm_up()
    table.add("compiling at the start of the server", "", f"{time.perf_counter() - start:.1f} s")
    for n_obs, n_edges in SIZES:
        positions, edges, weights, groups = made_graph(n_obs, n_edges)
        shader, window = EdgeShader(positions, edges, weights), whole(positions, 1000, 800)
        near = Window.of((-3.0, 3.0), (-3.0, 3.0), 1000, 800)
        scales, cutoffs, moves = iter(np.linspace(0.02, 0.1, 99)), iter(np.linspace(0.1, 0.9, 99)), iter(range(99))
        steps: dict[str, Callable[[], Any]] = {
            "edgescale": lambda s=shader, w=window, v=scales: s.picture(w, edgescale=next(v)),
            "edge cut-off": lambda s=shader, w=window, v=cutoffs: s.picture(w, cutoff=next(v)),
            "zoom": lambda s=shader, m=moves, near=near: s.picture(
                Window(near.x, (near.y[0] + next(m) * 1e-3, near.y[1]), 1000, 800)
            ),
            "cells as pixels": lambda p=positions, g=groups, w=window: cells_picture(p, (g + 2).astype(np.uint8), w),
        }
        shader.picture(window)
        for name, step in steps.items():
            table.add(f"drawing, {name}, {n_edges:,} edges", "", _spread([_timed(step) for _ in range(repeats)]))
        table.add(f"picture, {n_edges:,} edges", "1,000 kB", f"{shader.picture(window).nbytes / 1000:,.0f} kB")


# --- a server and a browser ---------------------------------------------------------------------------------------


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str], float]]:
    """The dashboard as a user starts it: address, process, seconds until it answered."""
    command = [sys.executable, "-m", "scgnn2_engine", "serve", "demo", "--port", "0", "--no-browser",
               "--no-token", "--threads", "1","--workspace", str(folder / "workspace")]  # fmt: skip
    start = time.perf_counter()
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    found = next((hit for line in iter(process.stdout.readline, "") if (hit := re.search(r"http://\S+", line))), None)
    if found is None:
        raise SystemExit((folder / "server.log").read_text())
    seconds = time.perf_counter() - start
    try:
        yield found[0], process, seconds
    finally:
        process.terminate()
        process.communicate(timeout=60)


def made_run(workspace: Workspace, n_obs: int, n_edges: int) -> str:
    """A finished run with a graph of that size, written down without training."""
    import anndata
    import pandas as pd

    positions, edges, weights, groups = made_graph(n_obs, n_edges)
    run = workspace.add(Source.demo(), RunParams(), name=f"{n_edges:,} edges", where="dask")
    folder = workspace.run_folder(run)
    counts = sp.random(n_obs, 50, 0.3, format="csr", dtype=np.float32, random_state=0)
    graph = sp.csr_matrix((weights, edges), shape=(n_obs, n_obs))
    adata = anndata.AnnData(
        counts,
        obs=pd.DataFrame(
            {"scgnn2_cluster": pd.Categorical(groups.astype(str))}, index=[f"c{i:06}" for i in range(n_obs)]
        ),
        layers={"scgnn2_imputed": counts.toarray()},
        obsm={"X_scgnn2_umap": positions, "X_scgnn2_graph": positions, "X_scgnn2_feature": positions},
        obsp={"scgnn2_connectivities": graph + graph.T},
        uns={"scgnn2": {"scale_of_X": "counts", "hidden_entries": 0}},
    )
    adata.write_h5ad(folder / "result.h5ad")
    (folder / "metrics.csv").write_text("iteration,selected\n1,True\n")
    (folder / "labels_history.csv").write_text("cell,iteration_1\n" + "".join(f"{c},0\n" for c in adata.obs_names))
    (folder / "losses.csv").write_text("stage,iteration,cluster,epoch,name,value\n")
    (folder / "run.json").write_text(json.dumps({"seed": 1, "selected_iteration": 1, "params": {}}))
    workspace.set_state(run, RunState("done"))
    return run


@dataclass
class Browser:
    """A page that notes its frames."""

    page: Any
    frames: list[int] = field(default_factory=list)

    def until(self, kind: str, act: Callable[[], Any], least: int = 2) -> float:
        """Milliseconds from what the user does to the painted change of a source of that kind."""
        time.sleep(1)  # what the last one set off is over
        self.page.evaluate("() => { window.changed = []; window.acted = 0 }")
        act()
        script = f"() => window.changed.find((c) => c[2] === '{kind}' && (c[4] >= {least} || c[4] === 0))"
        found = self.page.wait_for_function(script, timeout=60_000).json_value()
        return float(found[0] - self.page.evaluate("() => window.acted"))


@contextmanager
def browsing() -> Iterator[Callable[..., Browser]]:
    """Opens pages, with ``again=True`` in a browser that keeps what it was sent; the browser is Debian's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])

        size = {"width": 1280, "height": 720}
        keeping = chromium.new_context(viewport=size)

        def opened(url: str, *, again: bool = False) -> Browser:
            browser = Browser(keeping.new_page() if again else chromium.new_page(viewport=size))
            receive = lambda socket: socket.on("framereceived", lambda frame: browser.frames.append(len(frame)))  # noqa: E731
            browser.page.on("websocket", receive)
            browser.page.goto(url)
            browser.page.get_by_role("button", name="Run", exact=True).wait_for(timeout=120_000)
            return browser

        yield opened
        chromium.close()


def open_graph(browser: Browser) -> None:
    """Show the Cell graph tab and wait for its picture."""
    browser.page.evaluate(WATCH_SOURCES)
    browser.page.get_by_role("tab", name="Cell graph", exact=True).click()
    browser.page.wait_for_function(
        "() => window.changed.some((c) => c[2] === 'edges' && c[4] > 10000)", timeout=120_000
    )
    time.sleep(3)


def press(browser: Browser, slider: str) -> Callable[[], None]:
    """An arrow key on a slider, which is found by the label above it."""
    thumb = browser.page.locator(f'input[type="range"][aria-label^="{slider}"] >> visible=true')
    if not thumb.count():
        index = {"edgescale": 0, "node_size": 1}[slider]
        visible = browser.page.get_by_role("slider").locator("visible=true")
        labels = browser.page.get_by_text(re.compile(f"^{slider}"))
        assert labels.count(), slider
        thumb = visible.nth(visible.count() - 3 + index)
    thumb.first.focus()
    return lambda: browser.page.keyboard.press("ArrowRight")


def page(table: Table, repeats: int, folder: Path) -> None:
    """Page load, and from key to paint."""
    workspace = Workspace(folder / "workspace")
    runs = {n_edges: made_run(workspace, n_obs, n_edges) for n_obs, n_edges in SIZES}
    with served(folder) as (url, process, seconds), browsing() as opened:
        table.add("server answers", "", f"{seconds:.1f} s")
        opened(url)
        time.sleep(20)  # the first page is the one that warms up
        loads = [_timed(lambda: opened(url)) for _ in range(3)]
        table.add("page usable, warm, a browser that never saw it", "3,000 ms", _spread(loads))
        loads = [_timed(lambda: opened(url, again=True)) for _ in range(5)]
        table.add("page usable, warm, a browser that saw it before", "3,000 ms", _spread(loads[1:]))
        largest = 0
        for n_edges, run in runs.items():
            browser = opened(f"{url}/?run={run}")
            start = time.perf_counter()
            open_graph(browser)
            table.add(f"cell graph first seen, {n_edges:,} edges", "", f"{time.perf_counter() - start - 3:.1f} s")
            bar = f"{BARS[n_edges]:,} ms"
            act = press(browser, "edgescale")
            found = [browser.until("edges", act, 10_000) for _ in range(repeats)]
            table.add(f"edgescale, key to paint, {n_edges:,} edges", bar, _spread(found))
            kind = "pixels" if run != runs[75_000] and _pixels(browser) else "cells"
            keys = browser.page.locator("button[data-name] >> visible=true")
            found = [browser.until(kind, keys.nth(i % 4).click, 10_000) for i in range(repeats)]
            table.add(f"colours (a group alone), click to paint, {n_edges:,} edges", bar, _spread(found))
            largest = max(largest, *browser.frames)
            browser.page.close()
        table.add("largest frame", "1,000 kB", f"{largest / 1000:,.0f} kB")
        table.add("server's memory with these graphs open", "", _memory(process))


def training(table: Table, repeats: int, folder: Path) -> None:
    """What a page feels while a run trains."""
    workspace = Workspace(folder / "workspace")
    with served(folder) as (url, _, _), browsing() as opened:
        run = workspace.add(Source.demo(), LONG, name="training")
        live = opened(f"{url}/?run={run}")
        live.page.evaluate(WATCH_SOURCES)
        _wait(lambda: _epochs(workspace, run), 180)
        live.page.wait_for_function("() => window.changed.length > 0", timeout=120_000)  # the server has warmed up
        live.page.evaluate("() => { window.changed = [] }")
        time.sleep(15)
        table.add("event written to painted, while training", "1,000 ms", _spread(_delays(live, workspace, run)))
        browser = opened(f"{url}/?run={made_run(workspace, *SIZES[0])}")
        open_graph(browser)
        keys = browser.page.locator("button[data-name] >> visible=true")
        found = [browser.until("cells", keys.nth(i % 4).click) for i in range(3 * repeats)]
        table.add("click to paint, while training", "150 ms", _spread(found))
        for _ in range(N_SESSIONS - 2):
            opened(f"{url}/?run={run}")
        time.sleep(5)
        found = [browser.until("cells", keys.nth(i % 4).click) for i in range(3 * repeats)]
        table.add(f"click to paint, while training, {N_SESSIONS} sessions open", "150 ms", _spread(found))
        (workspace.run_folder(run) / "stop").touch()
        _wait(lambda: workspace.state(run).state in ("stopped", "failed", "done"), 180)


def memory(table: Table, n_runs: int, folder: Path) -> None:
    """What the server keeps after many runs that a page looked at."""
    workspace = Workspace(folder / "workspace")
    with served(folder) as (url, process, _), browsing() as opened:
        opened(url)
        time.sleep(20)
        first = ""
        for number in range(n_runs):
            run = workspace.add(Source.demo(), QUICK, name=f"run {number + 1}")
            browser = opened(f"{url}/?run={run}")
            _wait(lambda run=run: workspace.state(run).state in ("failed", "done"), 300)
            assert workspace.state(run).state == "done", workspace.log(run)
            open_graph(browser)
            browser.page.close()
            first = first or _memory(process)
        time.sleep(70)  # a closed page is cleaned away after a minute
        table.add(f"server's memory after 1 and {n_runs} runs", "", f"{first}, {_memory(process)}")


def _pixels(browser: Browser) -> bool:
    return bool(browser.page.get_by_text("Zoom in").count())


def _epochs(workspace: Workspace, run: str) -> list[float]:
    """When each epoch of the feature autoencoder was written down, in ms of the clock."""
    events, cursor, found = [], 0, []
    while True:
        events, cursor = workspace.events(run, cursor)
        if not events:
            return found
        found += [
            datetime.fromisoformat(event["time"]).timestamp() * 1000
            for event in events
            if event["event"] == "EpochEnded" and event["stage"] == "feature_AE"
        ]


def _delays(browser: Browser, workspace: Workspace, run: str) -> list[float]:
    """From each newest epoch's time to when a line that ends with it was painted: charts count epochs from 1."""
    written = _epochs(workspace, run)
    delays = []
    for _, now, kind, last, _ in browser.page.evaluate("() => window.changed"):
        if kind == "line" and last is not None and float(last).is_integer() and 0 < last <= len(written):
            delay = now - written[int(last) - 1]
            if 0 <= delay < 10_000:  # other charts count other things
                delays.append(delay)
    return delays


def _timed(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return 1000 * (time.perf_counter() - start)


def _spread(milliseconds: list[float]) -> str:
    if not milliseconds:
        return "none seen"
    return f"{statistics.median(milliseconds):,.0f} ms ({min(milliseconds):,.0f}–{max(milliseconds):,.0f})"


def _memory(process: subprocess.Popen[str]) -> str:
    return f"{psutil.Process(process.pid).memory_info().rss / 2**20:,.0f} MiB"


def _wait(condition: Callable[[], Any], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit(f"not within {seconds} s")
        time.sleep(0.2)


def main() -> None:
    parts = ("drawing", "page", "training", "memory")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=parts, default=list(parts))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    table = Table()
    load = "/".join(f"{value:.1f}" for value in psutil.getloadavg())
    print(f"{psutil.cpu_count()} cores, load {load} at the start\n\n| what | bar | median (range) |\n|---|---|---|")
    if "drawing" in options.parts:
        drawing(table, options.repeats)
    steps: dict[str, Callable[[Path], None]] = {
        "page": lambda folder: page(table, options.repeats, folder),
        "training": lambda folder: training(table, options.repeats, folder),
        "memory": lambda folder: memory(table, options.runs, folder),
    }
    for name, step in steps.items():
        if name in options.parts:
            with tempfile.TemporaryDirectory(prefix="scgnn2-app-") as folder:
                step(Path(folder))


if __name__ == "__main__":
    main()
