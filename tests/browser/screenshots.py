"""Pictures of the dashboard for the README, and of every tab for whoever looks after them.

``python tests/browser/screenshots.py [--demo]`` starts a server, runs the demo to its end (with ``--demo`` in full,
else shortened), and writes every tab at two sizes, light and dark, to ``build/screenshots``, and the README's picture
to ``docs/images/dashboard.png``.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
TABS = ("Live", "Cell graph", "Imputation", "Sankey", "Genes", "Diagnostics", "Sweep", "Runs")
SIZES = ((1280, 720), (1920, 1080))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", action="store_true", help="the whole default run")
    arguments = parser.parse_args()
    acts = _acts()
    from playwright.sync_api import sync_playwright

    from scgnn2_engine import RunParams

    params = RunParams() if arguments.demo else RunParams(total_epoch=3, feature_AE_epoch=[60, 40], cluster_AE_epoch=40)
    path = acts.find_chromium()
    if path is None:
        sys.exit("There is no chromium: make browser installs it, or names the command.")
    with tempfile.TemporaryDirectory() as place:
        served = acts.start_server(Path(place) / "workspace", Path("demo"))
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1280, "height": 720})
                page.goto(served.url)
                page.get_by_text("700 cells × 765 genes").wait_for(timeout=120_000)
                acts.load_parameters(page, params)
                acts.press_run(page)
                acts.wait_for_state(page, "done", 1800)
                _readme_picture(page, acts)
                for width, height in SIZES:
                    page.set_viewport_size({"width": width, "height": height})
                    for dark in (False, True):
                        _all_tabs(page, acts, f"{width}_{'dark' if dark else 'light'}")
                        page.locator("[aria-label*='theme' i]").first.click()
                browser.close()
        finally:
            served.process.terminate()
            served.process.communicate(timeout=60)


def _all_tabs(page: Any, acts: Any, name: str) -> None:
    for tab in TABS:
        page.get_by_role("tab", name=tab, exact=True).click()
        page.wait_for_timeout(4000)
        acts.keep_picture(page, f"{tab.lower().replace(' ', '_')}_{name}")


def _readme_picture(page: Any, acts: Any) -> None:
    page.set_viewport_size({"width": 1440, "height": 860})
    acts.open_tab(page, "Live")
    page.locator("img[alt*='returned']").wait_for()
    acts.wait_for(lambda: page.locator(".bk-Figure >> visible=true").count() >= 6)
    page.wait_for_timeout(4000)  # figures are painted a little after they are there
    page.screenshot(path=PROJECT / "docs" / "images" / "dashboard.png")


def _acts() -> Any:
    """The conftest's functions, which the scenes use too."""
    place = Path(__file__).with_name("conftest.py")
    spec = importlib.util.spec_from_file_location("browser_conftest", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["browser_conftest"] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
