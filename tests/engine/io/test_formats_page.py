"""The page of formats is made from the readers and from the files that the tools wrote."""

import json
from pathlib import Path

import pytest

from scgnn2_engine.io.formats import formats
from scgnn2_engine.io.formats_page import markdown

GOLDEN = Path(__file__).parent / "golden"
FILES = [
    f"{listing.parent.name}/{name}" if name != "." else listing.parent.name
    for listing in sorted(GOLDEN.glob("*/expected.json"))
    for name in json.loads(listing.read_text())
]


@pytest.fixture(scope="module")
def page():
    return markdown(GOLDEN)


def test_every_format_has_a_section(page):
    assert [f"## {form.title}" for form in formats() if f"\n## {form.title}\n" not in page] == []


def test_every_file_that_a_tool_wrote_is_named_with_the_tool(page):
    assert len(FILES) > 50
    assert [name for name in FILES if f"`{name}`" not in page] == []
    assert "| `dropletutils/version_3` | R 4.2.2, DropletUtils 1.18.1 | 10 cells x 12 genes, with identifiers |" in page


def test_every_file_that_a_tool_wrote_is_of_a_known_format_and_every_format_says_what_it_reads(page):
    assert "## Not read" not in page
    assert [form.title for form in formats() if form.about is None] == []
