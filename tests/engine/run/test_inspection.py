"""What ``scgnn2 inspect`` says of a file: the same that a run would find, without running."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scgnn2_engine import inspect
from scgnn2_engine.cli import main
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.readers import text
from scgnn2_engine.params import RunParams

GOLDEN = Path(__file__).parents[1] / "io" / "golden"


@pytest.fixture
def layered(tmp_path):
    """An h5ad of 3 cells x 4 genes with counts in a layer and identifiers."""
    counts = np.array([[0, 3, 1, 0], [2, 0, 0, 1], [1, 1, 4, 0]], dtype=np.float32)
    adata = AnnData(
        np.log1p(counts / 7),
        pd.DataFrame({"donor": ["a", "b", "a"]}, index=["cell_1", "cell_2", "cell_3"]),
        pd.DataFrame({"gene_ids": [f"ENSG0000000000{n}" for n in range(4)]}, index=["ACTB", "GAPDH", "CD3E", "LYZ"]),
        layers={"counts": counts},
    )
    adata.write_h5ad(tmp_path / "layered.h5ad")
    return tmp_path / "layered.h5ad"


def test_a_file_is_described_as_a_run_would_find_it(layered):
    found = inspect(layered, RunParams(preprocess_top_gene_select=2))
    assert (found.format, found.n_obs, found.n_vars, found.n_kept) == ("h5ad", 3, 4, 2)
    assert (found.orientation, found.matrix, found.scale) == ("cells-by-genes", "layers['counts']", "counts")
    assert found.zeros == pytest.approx(5 / 12)
    assert found.cells == ("cell_1", "cell_2", "cell_3")
    assert found.identifiers[0] == "ENSG00000000000"
    assert found.obs == ("donor",)
    assert found.alternatives == {"--load_layer X": "X"}
    assert found.memory > 0
    assert found.seconds[0] <= found.seconds[1]


def test_the_command_prints_reasons_and_doubts(layered, tmp_path, capsys):
    assert main(["inspect", str(layered)]) == 0
    said = capsys.readouterr().out
    for line in (
        "  format       h5ad",
        "  size         3 cells x 4 genes, 41.7% zeros",
        "  orientation  cells-by-genes, as AnnData is.",
        "  scale        counts: all values are whole numbers (largest 4).",
        "  matrix       layers['counts']: the layer of that name.",
        "  --load_layer X  reads X instead",
    ):
        assert " ".join(line.split()) in [" ".join(one.split()) for one in said.splitlines()]
    assert "GiB for a run" in said
    (tmp_path / "odd.csv").write_text("gene,cell_1,cell_2\nActb,3,0\nGapdh,5,1\n1-Mar,2,2\n")
    assert main(["inspect", str(tmp_path / "odd.csv")]) == 0
    assert "  - Called like dates" in capsys.readouterr().out.partition("look at")[2]


def test_for_programs_it_is_json(layered, capsys):
    assert main(["inspect", str(layered), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["format"], found["n_obs"], found["scale"]) == ("h5ad", 3, "counts")


def test_samples_are_counted(layered, capsys):
    assert main(["inspect", f"a={layered}", f"b={layered}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["samples"] == {"a": 3, "b": 3}


def test_what_cannot_be_read_names_the_format_that_was_recognised(tmp_path, capsys):
    (tmp_path / "short.csv").write_text("gene,cell_1,cell_2\nActb,3\n")
    assert main(["inspect", str(tmp_path / "short.csv")]) == 3
    said = capsys.readouterr()
    assert said.out == f"format  {text.FORMAT.title}\n"
    assert "short.csv" in said.err
    assert main(["inspect", str(tmp_path / "short.csv"), "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert (answer["format"], answer["error"]["type"]) == (text.FORMAT.title, "InputError")
    assert answer["error"]["advice"] or answer["error"]["expected"]
    assert main(["inspect", str(tmp_path / "missing.csv")]) == 3
    assert "does not exist" in capsys.readouterr().err
    with pytest.raises(InputError):
        inspect(tmp_path / "short.csv")


@pytest.mark.parametrize(
    ("file", "flags"),
    [
        ("anndata_0.13/plain.h5ad", ["--load_layer logged", "--load_layer spliced"]),
        ("anndata_0.13/citeseq.h5mu", ["--load_layer logged", "--load_layer spliced", "--load_modality prot"]),
        ("anndata_0.13/packed.zarr.zip", ["--load_layer logged", "--load_layer spliced"]),
        ("anndata_0.13/velocyto.loom", [f"--load_layer {name}" for name in ("ambiguous", "spliced", "unspliced")]),
        ("starsolo/Velocyto/raw", ["--load_layer ambiguous", "--load_layer unspliced"]),
        ("kb_python/nac/counts_unfiltered", [f"--load_layer {name}" for name in ("ambiguous", "mature", "nascent")]),
    ],
)
def test_other_matrices_are_listed_with_the_flag_that_reads_them(file, flags):
    found = inspect(GOLDEN / file)
    assert list(found.alternatives) == flags
    for flag in flags:
        name, value = flag.removeprefix("--").split()
        other = inspect(GOLDEN / file, RunParams(**{name: value}))
        assert other.alternatives.keys() != found.alternatives.keys()
