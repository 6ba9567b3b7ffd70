"""A real server, a real browser, and somebody who notes everything that goes wrong in it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from scgnn2_engine import RunParams, simulate
from scgnn2_engine.io import dataset_to_anndata

PROJECT = Path(__file__).resolve().parents[2]
PICTURES = PROJECT / "build" / "screenshots"
MAX_UPLOAD_MIB = 1
TIMEOUT_MS = 180_000  # of what is there at once on a quiet machine; speed is measured in benchmarks/app.py
LOCAL = {"127.0.0.1", "localhost"}

FIGURE = ".bk-Figure"
TABS = {
    "Live": FIGURE, "Cell graph": FIGURE, "Imputation": FIGURE, "Sankey": FIGURE, "Genes": FIGURE,
    "Diagnostics": "h3", "Sweep": "button:has-text('Start sweep')", "Runs": ".tabulator-row",
}  # fmt: skip
"""The tabs, and what is in each where a finished run is shown."""

QUICK = RunParams(
    total_epoch=2, feature_AE_epoch=[10, 5], graph_AE_epoch=10, cluster_AE_epoch=10, run_LTMG=False, device="cpu",
    ari_threshold=1.0, graph_change_threshold=0.0, output_figures=False, evaluate_baselines=False,
    evaluate_diagnostics=False,
)  # fmt: skip
LONG = QUICK.replace(total_epoch=1000, feature_AE_epoch=[200, 200], feature_AE_patience=0)


@dataclass
class Watch:
    """What a page did that it should not have done."""

    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    frames: list[str | bytes] = field(default_factory=list)
    ready: int = 0

    def listen(self, page: Any) -> None:
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._request)
        page.on("websocket", self._socket)

    def _request(self, request: Any) -> None:
        where = urlsplit(request.url)
        if where.scheme not in ("data", "blob") and where.hostname not in LOCAL:
            self.elsewhere.append(request.url)

    def _socket(self, socket: Any) -> None:
        socket.on("framereceived", self._frame)
        socket.on("framesent", self._sent)

    def _sent(self, content: Any) -> None:
        self.ready += "document_ready" in str(content)

    def _frame(self, content: Any) -> None:
        self.frames.append(content)


def find_chromium() -> str | None:
    """The browser of the system."""
    return next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
    )


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    path = find_chromium()
    if path is None:
        sentence = "no chromium: make browser installs it, or names the command"
        pytest.fail(sentence) if os.environ.get("CI") else pytest.skip(sentence)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails a test whose page logged an error, asked for something elsewhere, or was sent a frame above 1 MB."""
    watch = Watch()
    yield watch
    assert watch.errors == []
    assert watch.elsewhere == []
    assert max(map(len, watch.frames), default=0) < 1_000_000


@pytest.fixture
def open_page(browser: Any, watch: Watch, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Opens a page of its own: another person, or another tab of the same one."""
    contexts: list[Any] = []

    def open_page(url: str, *, width: int = 1280, height: int = 720, ready: str = "Run") -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        watch.listen(page)
        before = watch.ready
        page.goto(url)
        page.get_by_role("button", name=ready, exact=True).wait_for()
        page.get_by_text("cells × ").first.wait_for()  # the data is read, so the page answers
        wait_for(lambda: page.wait_for_timeout(100) or watch.ready > before)  # it answers a little before it is whole
        return page

    yield open_page
    for number, context in enumerate(contexts):
        for page in context.pages:
            keep_picture(page, f"last_{request.node.name}_{number}")
        context.close()


@dataclass
class Served:
    """A running server."""

    url: str
    workspace: Path
    data: Path
    process: subprocess.Popen[str]


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 simulated cells × 60 genes with their types, as h5ad."""
    path = tmp_path_factory.mktemp("data") / "tiny.h5ad"
    dataset_to_anndata(simulate(120, 60, 3, seed=0)).write_h5ad(path)
    return path


def start_server(workspace: Path, data: Path, *more: str, token: str = "--no-token") -> Served:
    """``scgnn2 serve`` as a user starts it, on a free port; scenes write their own addresses, so without a token."""
    command = [
        sys.executable, "-m", "scgnn2_engine", "serve", str(data), "--port", "0", "--no-browser", *token.split(),
        "--workspace", str(workspace), "--root", str(data.parent), "--max_upload", str(MAX_UPLOAD_MIB),
        "--threads", "1", *more,
    ]  # fmt: skip
    log = (workspace.parent / f"{workspace.name}.log").open("w")
    process = subprocess.Popen(command, cwd=workspace.parent, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    found = next((found for line in lines if (found := re.search(r"http://\S+", line))), None)
    assert found, Path(log.name).read_text()
    log.close()
    return Served(found[0], workspace, data, process)


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, tiny_file: Path) -> Iterator[Served]:
    """One server for all scenes."""
    served = start_server(tmp_path_factory.mktemp("server") / "workspace", tiny_file)
    yield served
    served.process.terminate()
    served.process.communicate(timeout=60)


@pytest.fixture
def own_server(tmp_path: Path, tiny_file: Path) -> Iterator[Served]:
    """One for a scene that ends it."""
    served = start_server(tmp_path / "workspace", tiny_file)
    yield served
    served.process.kill()
    served.process.communicate(timeout=60)


@pytest.fixture
def own_server_with_token(tmp_path: Path, tiny_file: Path) -> Iterator[Served]:
    """One that asks for the token in the address it printed."""
    served = start_server(tmp_path / "workspace", tiny_file, token="")
    yield served
    served.process.kill()
    served.process.communicate(timeout=60)


@pytest.fixture(scope="session")
def finished(served: Served, tiny_file: Path) -> str:
    """Id of a finished run of that server."""
    from scgnn2_app.runs.workspace import Workspace
    from scgnn2_app.sources.source import Source

    workspace = Workspace(served.workspace)
    params = QUICK.replace(evaluate_diagnostics=True)
    run = workspace.add(Source.at(tiny_file, labels="cell_type"), params, name="finished before")
    wait_for(lambda: workspace.state(run).state in ("done", "failed"))
    assert workspace.state(run).state == "done", workspace.log(run)
    return run


@pytest.fixture
def left_idle(served: Served) -> Iterator[None]:
    """Ends what a scene left running, so that the next does not wait for its turn behind it."""
    from scgnn2_app.runs.records import OVER
    from scgnn2_app.runs.workspace import Workspace

    yield
    workspace = Workspace(served.workspace)

    def all_over() -> bool:
        states = [workspace.state(run) for run in workspace.run_ids()]
        for state in states:
            if state.state == "running" and state.pid:
                with suppress(ProcessLookupError):
                    os.kill(state.pid, signal.SIGKILL)
        return all(state.state in OVER for state in states)

    wait_for(all_over)


@pytest.fixture(scope="session")
def act() -> Any:
    """What the scenes have in common; a conftest cannot be imported."""
    return SimpleNamespace(
        TABS=tuple(TABS), QUICK=QUICK, LONG=LONG, MAX_UPLOAD_MIB=MAX_UPLOAD_MIB, wait_for=wait_for,
        load_parameters=load_parameters, press_run=press_run, open_tab=open_tab,
        find_parameter=find_parameter, wait_for_state=wait_for_state,
        keep_picture=keep_picture,
    )  # fmt: skip


def wait_for(condition: Callable[[], Any], seconds: float = TIMEOUT_MS / 1000) -> Any:
    """The first true value of a condition."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def load_parameters(page: Any, params: RunParams) -> None:
    """By the page's own "Open TOML", as a user does."""
    text = params.to_toml(documented=False).encode()
    page.locator('input[type="file"][accept=".toml"]').set_input_files(
        {"name": "run.toml", "mimeType": "application/toml", "buffer": text}
    )
    page.get_by_text("Parameters taken from the file.").wait_for()


def press_run(page: Any) -> str:
    """Press Run and return the id that the address then names."""
    before = page.url
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_function("before => location.href !== before && location.search.includes('run=')", arg=before)
    # The bar follows a moment later: until then it speaks of the run before.
    page.locator(".MuiChip-label", has_text=re.compile("^(queued|running)$")).first.wait_for()
    (named,) = parse_qs(urlsplit(page.url).query)["run"]
    return named.strip('"')


def find_parameter(page: Any, words: str) -> None:
    """Search the controls, and wait until they show only what was found."""
    page.get_by_label("Find a parameter").fill(words)
    page.get_by_text(re.compile(r"^\d+ found$")).wait_for()


def open_tab(page: Any, name: str) -> None:
    """Click on a tab and wait until it is filled."""
    tab = page.get_by_role("tab", name=name, exact=True)
    tab.click()
    tab.and_(page.locator("[aria-selected=true]")).wait_for()
    page.locator(f"{TABS[name]} >> visible=true").first.wait_for()


def wait_for_state(page: Any, state: str, seconds: float = TIMEOUT_MS / 1000) -> None:
    page.locator(".MuiChip-label", has_text=re.compile(f"^{state}$")).first.wait_for(timeout=1000 * seconds)


def keep_picture(page: Any, name: str) -> None:
    """A screenshot for whoever looks at what continuous integration left."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}.png")
