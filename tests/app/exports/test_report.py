"""A whole run as one page that opens offline."""

from __future__ import annotations

import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scgnn2_app.exports.report import report_html
from scgnn2_app.results.run_data import RunData
from scgnn2_app.runs.records import Job, write_json
from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError

LOADS = re.compile(
    r"""(?:src|href|action|data)\s*=\s*["']?(?!data:)[^"'\s>]+|url\((?!data:)|@import|<script|<link""", re.I
)


@pytest.fixture(scope="module")
def page(made_run: Path) -> str:
    return report_html(RunData(made_run))


def test_it_asks_for_nothing(page: str) -> None:
    assert LOADS.findall(page) == []
    assert not re.search(r"https?://", re.sub(r'src="data:[^"]*"', "", page))


def test_it_holds_figures_scores_parameters_and_record(page: str) -> None:
    assert page.count("<img src=") == 5
    for words in (
        "24 cells × 6 genes, 3 clusters",
        "Beside what you would use instead",
        "knn",
        "Changed from it",
        "run.json",
    ):
        assert words in page
    assert "Look <here>" not in page
    markers = page.partition("Marker genes")[2].partition("<tbody>")[2]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", markers)[:2] == ["0", "gene 0"]


def test_it_is_called_what_the_run_bar_calls_it(made_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(made_run, tmp_path / "20261125T160000000000-abcdef")
    created = datetime(2026, 11, 25, 16, 0, tzinfo=UTC)
    for name in ("with bulk", ""):
        job = Job(Source.demo(), {}, {}, created, name=name)
        write_json(copy / "job.json", job)
        page = report_html(RunData(copy))
        title = name or f"demo (700 blood cells), {created.astimezone():%d %b %H:%M}"
        assert f"<h1>scGNN 2.0: {title}</h1>" in page
        assert f"<title>scGNN 2.0: {title}</title>" in page
        assert "Data: demo (700 blood cells). 24 cells" in page
    (copy / "job.json").unlink()  # a run of the command line
    assert RunData(copy).title == copy.name


def test_a_browser_opens_it_without_a_network(page: str, tmp_path: Path) -> None:
    pytest.importorskip("playwright.sync_api")
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    with ThreadPoolExecutor(1) as own:  # beside a browser of other tests, whose loop runs in this thread
        asked, said, widths, scroll = own.submit(opened_offline, path).result()
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert said == []
    assert len(widths) == 5
    assert min(widths) > 100
    assert scroll <= 0


def opened_offline(path: Path) -> tuple[list[str], list[str], list[int], int]:
    """What a browser without a network asks for, says and shows."""
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    said: list[str] = []
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        tab = browser.new_context(offline=True).new_page()
        tab.on("request", lambda request: asked.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.goto(path.as_uri())
        widths = tab.eval_on_selector_all("img", "pictures => pictures.map(picture => picture.naturalWidth)")
        scroll = tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        browser.close()
    return asked, said, widths, scroll


def test_of_a_run_under_way_there_is_none(made_run: Path, tmp_path: Path) -> None:
    shutil.copytree(made_run / "snapshots", tmp_path / "run" / "snapshots")
    with pytest.raises(InputError, match="no result yet"):
        report_html(RunData(tmp_path / "run"))
