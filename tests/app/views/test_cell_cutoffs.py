"""What the page says of the cells before a run, and of the cut-offs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scgnn2_app.runs.isolated_reader import summarise
from scgnn2_app.runs.source_summary import SourceSummary, describe
from scgnn2_app.sources.source import Source
from scgnn2_app.views.cell_cutoffs import cutoffs_html
from scgnn2_engine import RunParams
from scgnn2_engine.params import PreprocessParams

QUALITY = {"genes": [10, 20, 40, 50], "counts": [100, 200, 400, 1000], "mito": [0.5, 0.01, 0.02, 0.03]}


@pytest.fixture(scope="module")
def summary(tiny_source: Source) -> SourceSummary:
    return describe(tiny_source, RunParams())


def test_the_reader_measures_the_cells(summary: SourceSummary, tiny_source: Source) -> None:
    found = summary.measured
    assert found is not None
    assert found.counts is not None
    assert len(found.counts) == len(found.genes) == 60
    assert found.mito is None  # no simulated gene is called MT-
    assert summarise(tiny_source, RunParams()).quality == summary.quality  # through JSON too


def test_a_cutoff_says_what_it_keeps(summary: SourceSummary) -> None:
    known = replace(summary, quality=QUALITY, n_obs=4)
    text = cutoffs_html(known, PreprocessParams())
    assert "genes 30<" in text
    assert "counts 300<" in text
    assert "mitochondrial 2.5%<" in text
    assert "keep" not in text
    assert "keep 2 of 4 cells" in cutoffs_html(known, PreprocessParams(min_counts=150, max_mito=0.02))
    assert "about 75.0% of the cells (of 4" in cutoffs_html(replace(known, n_obs=900), PreprocessParams(min_genes=20))


def test_a_cutoff_that_these_data_cannot_have_is_a_sentence(summary: SourceSummary) -> None:
    assert "needs mitochondrial genes" in cutoffs_html(summary, PreprocessParams(max_mito=0.1))
