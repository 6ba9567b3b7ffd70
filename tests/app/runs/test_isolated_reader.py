"""Files of others are read in a process of their own: what it says, and how it may end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from scgnn2_app.runs import isolated_reader
from scgnn2_app.runs.isolated_reader import Readers, summarise
from scgnn2_app.runs.source_summary import describe
from scgnn2_app.sources.source import Source
from scgnn2_engine import RunParams
from scgnn2_engine.errors import InputError, InsufficientMemoryError


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    path = tmp_path / "x.csv"
    path.write_text("gene,cell_1,cell_2,cell_3\nActb,3,0,2\nGapdh,5,1,0\n")
    return path


def reads_with(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let another program answer in the place of the reader."""
    monkeypatch.setattr(isolated_reader, "READERS", Readers(("-c", code), at_once=1))


def test_it_says_what_would_be_said_here(counts: Path, tmp_path: Path) -> None:
    labels = tmp_path / "l.csv"
    labels.write_text("cell,cell_type\ncell_1,T\ncell_2,B\ncell_3,T\n")
    source, params = Source.at(counts, labels=str(labels)), RunParams(preprocess_gene_cutoff=1)
    apart, here = summarise(source, params), describe(source, params)
    assert apart.notes == here.notes
    assert (apart.text, apart.labels, apart.seconds) == (here.text, here.labels, here.seconds)
    assert apart.memory_free > 0


def test_its_errors_arrive_whole(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("gene,cell_1\nActb,much\n")
    with pytest.raises(InputError, match="holds text") as caught:
        summarise(Source.at(tmp_path / "x.csv"), RunParams())
    assert caught.value.expected == "a number"
    assert caught.value.advice


def test_a_reader_that_dies_ends_nothing_else(monkeypatch: pytest.MonkeyPatch, counts: Path) -> None:
    reads_with(monkeypatch, "import os; os.abort()")
    with pytest.raises(InputError, match=r"x\.csv ended the process that read it") as caught:
        summarise(Source.at(counts), RunParams())
    assert caught.value.found == "signal 6"


def test_a_reader_that_is_killed_ran_out_of_memory(monkeypatch: pytest.MonkeyPatch, counts: Path) -> None:
    reads_with(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(InsufficientMemoryError, match=r"memory ran out while x\.csv was read"):
        summarise(Source.at(counts), RunParams())


def test_a_reader_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch, counts: Path) -> None:
    reads_with(monkeypatch, "import time; time.sleep(600)")
    with pytest.raises(InputError, match="took too long"):
        summarise(Source.at(counts), RunParams(), seconds=0.2)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not bound the memory of a process so")
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, counts: Path) -> None:
    reads_with(
        monkeypatch,
        "from scgnn2_app.runs import isolated_reader\n"
        "isolated_reader.describe = lambda source, params: bytearray(8 * 2**30)\n"
        "isolated_reader.main()",
    )
    monkeypatch.setattr(isolated_reader, "available_memory", lambda: 2**20)
    with pytest.raises(InsufficientMemoryError, match=r"x\.csv needs more memory than is free"):
        summarise(Source.at(counts), RunParams())


def test_a_file_that_ends_its_reader_leaves_it_for_the_next(monkeypatch: pytest.MonkeyPatch, counts: Path) -> None:
    reads_with(
        monkeypatch,
        "import os\n"
        "from scgnn2_app.runs import isolated_reader\n"
        "describe = isolated_reader.describe\n"
        "isolated_reader.describe = lambda source, params: (\n"
        "    os.abort() if 'bad' in source.path else describe(source, params)\n"
        ")\n"
        "isolated_reader.main()",
    )
    bad = counts.with_name("bad.csv")
    bad.write_text(counts.read_text())
    with pytest.raises(InputError, match="ended the process"):
        summarise(Source.at(bad), RunParams())
    assert summarise(Source.at(counts), RunParams()).n_obs == 3
