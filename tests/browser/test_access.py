"""What a keyboard and a screen reader need: names, order, contrast."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

Open = Callable[..., Any]
TABS = ["Live", "Cell graph", "Imputation", "Sankey", "Genes", "Diagnostics", "Sweep", "Runs"]
CONTROLS = "button|textbox|combobox|slider|checkbox|switch|tab|link|spinbutton|radio|searchbox|listbox"

CONTRAST = """
() => {
  const number = (text) => text.match(/[\\d.]+/g).map(Number)
  const light = (rgb) => {
    const linear = (c) => c / 255 <= .03928 ? c / 3294.6 : ((c / 255 + .055) / 1.055) ** 2.4
    const [r, g, b] = rgb.slice(0, 3).map(linear)
    return .2126 * r + .7152 * g + .0722 * b
  }
  const host = (node) => node.getRootNode() instanceof ShadowRoot ? node.getRootNode().host : null
  const parent = (node) => node.parentElement || host(node)
  const behind = (node) => {
    for (let at = node; at; at = parent(at)) {
      const colour = number(getComputedStyle(at).backgroundColor)
      if (colour.length < 4 || colour[3] > .9) { return colour }
    }
    return [255, 255, 255]
  }
  const PASSED_OVER = '[disabled], .Mui-disabled, [aria-hidden=true], style, script'
  const pale = []
  const look = (root) => {
    for (const node of root.querySelectorAll('*')) {
      if (node.shadowRoot) { look(node.shadowRoot) }
      const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim())
      const box = node.getBoundingClientRect()
      if (!own || !box.width || !box.height || node.closest(PASSED_OVER)) { continue }
      if (box.top > innerHeight || box.bottom < 0) { continue }
      const style = getComputedStyle(node)
      if (style.visibility === 'hidden' || style.opacity < .1) { continue }
      const [a, b] = [light(number(style.color)), light(behind(node))].sort((x, y) => y - x)
      const ratio = (a + .05) / (b + .05)
      const size = parseFloat(style.fontSize)
      const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700)
      if (ratio < (large ? 3 : 4.5)) { pale.push(`${node.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`) }
    }
  }
  look(document)
  return pale
}
"""


def test_every_control_has_a_name(served: Any, finished: str, open_page: Open, act: Any) -> None:
    page = open_page(f"{served.url}/?run={finished}")
    for tab in TABS:
        act.open_tab(page, tab)
        for _ in range(40):  # names are given within a second or two
            tree = page.locator("body").aria_snapshot().splitlines()
            nameless = [line.strip() for line in tree if re.match(rf"\s*- ({CONTROLS})(?! \")\b", line)]
            if not nameless:
                break
            page.wait_for_timeout(500)
        assert nameless == [], tab


def test_run_is_reached_by_the_keyboard_and_pressed(served: Any, open_page: Open) -> None:
    page = open_page(served.url)
    reached = []
    for _ in range(8):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("""() => {
          let at = document.activeElement
          while (at && at.shadowRoot && at.shadowRoot.activeElement) { at = at.shadowRoot.activeElement }
          return at ? (at.getAttribute('aria-label') || at.textContent.trim()) : ''
        }""")
        )
        if reached[-1] == "Run":
            break
    assert reached[-1] == "Run", reached


def test_the_tabs_are_walked_with_the_arrows(served: Any, finished: str, open_page: Open) -> None:
    page = open_page(f"{served.url}/?run={finished}")
    page.get_by_role("tab", name="Live", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    second = page.get_by_role("tab", name=TABS[1], exact=True)
    page.wait_for_function("tab => tab.getAttribute('aria-selected') === 'true'", arg=second.element_handle())


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_what_is_behind_it(
    served: Any, finished: str, open_page: Open, act: Any, dark: bool
) -> None:
    page = open_page(f"{served.url}/?run={finished}")
    if dark:
        page.locator("[aria-label*='theme' i]").first.click()
    for tab in ("Live", "Runs", "Sweep"):
        act.open_tab(page, tab)
        for _ in range(40):  # colours fade over into each other for a moment; what stays pale is a fault
            if not (pale := page.evaluate(CONTRAST)):
                break
            page.wait_for_timeout(500)
        assert pale == [], tab


def test_the_printed_address_opens_the_page_and_nothing_else_does(own_server_with_token: Any, open_page: Open) -> None:
    address = own_server_with_token.url
    page = open_page(address)
    assert "token" not in page.url
    page.reload()  # from now on the cookie holds
    page.get_by_role("button", name="Run", exact=True).wait_for()
    stranger = page.context.browser.new_context().new_page()
    stranger.goto(address.partition("?")[0])
    assert "scgnn2 serve printed" in stranger.get_by_role("alert").inner_text()
    stranger.goto(address.replace("token=", "token=not"))
    assert "not of this server" in stranger.get_by_role("alert").inner_text()
    stranger.get_by_label("Token").fill(address.partition("token=")[2])
    stranger.get_by_role("button", name="Open").click()
    stranger.get_by_role("button", name="Run", exact=True).wait_for(timeout=120_000)
    stranger.context.close()
