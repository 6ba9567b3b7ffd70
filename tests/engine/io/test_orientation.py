"""Names decide which axis holds the cells, and values where names are thin; shape alone never does."""

import itertools
import re
from collections import Counter
from functools import cache
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import from_anndata, read
from scgnn2_engine.io.assemble import from_table
from scgnn2_engine.io.evidence import orientation
from scgnn2_engine.io.evidence.name_evidence import evidence_of
from scgnn2_engine.io.evidence.orientation import decide_orientation, is_gene_symbol
from scgnn2_engine.io.evidence.total_evidence import totals_of
from scgnn2_engine.io.raw_table import Table
from scgnn2_engine.params import LoadParams

FOLDER = Path(__file__).parent / "orientation_names"

GENES = {
    "human": ["ACTB", "GAPDH", "MT-ND1", "HLA-DRB1", "C17orf80", "RP11-34P13.7", "TP53", "DEF6"],
    "mouse": ["Actb", "mt-Nd1", "Rps27rt", "0610007P14Rik", "Gm26782", "H2afz", "Pou5f1"],
    "Ensembl": ["ENSG00000197123", "ENSMUSG00000098178", "ENSG00000269887.3"],
    "simulated": ["gene_0", "gene_1", "Gene12"],
}
CELLS = {
    "barcodes": ["AAACATACAACCAC-1", "AAACATTGAGCTAC-1"],
    "bare barcodes": ["AACACGTGTACGCTGC", "AAGGAGCTCCGATATG"],
    "libraries": ["Lung_1.TGATCAAGGGTCCGTATT", "Lung_2.AACGCCGTCGGTCCTTTC"],
    "running": ["cell-0", "cell-1", "cell-2"],
    "final cells": ["mouse1_lib1.final_cell_0001", "mouse1_lib1.final_cell_0002"],
    "wells": ["A1", "A10", "B12", "P24"],
    "stages": ["2cell_1_A", "ME_4cell_1_B", "8cell_5_D"],
    "batches": ["H1_Exp1.001", "EC_Batch1.043"],
    "runs": ["SRR1234567", "SRR1234568"],
}


@pytest.mark.parametrize("genes", GENES.values(), ids=GENES.keys())
@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS.keys())
def test_names_decide(genes, cells):
    assert decide_orientation(genes, cells).orientation == "genes-by-cells"
    assert decide_orientation(cells, genes).orientation == "cells-by-genes"


def test_names_beat_the_shape():
    cells = [f"cell_{i}" for i in range(3000)]
    assert decide_orientation(cells, GENES["human"]).orientation == "cells-by-genes"
    assert decide_orientation(GENES["human"], cells).orientation == "genes-by-cells"


def test_names_on_one_side_are_enough():
    numbers = [str(i) for i in range(50)]
    assert decide_orientation(GENES["Ensembl"], numbers).genes_in_rows
    assert decide_orientation(CELLS["barcodes"], numbers).orientation == "cells-by-genes"


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([str(i) for i in range(4000)], [str(i) for i in range(10)]),
        (GENES["human"], GENES["human"]),
        (CELLS["running"], CELLS["barcodes"]),
    ],
)
def test_ambiguous_names_name_both_readings_and_the_flag(rows, columns):
    with pytest.raises(InputError) as caught:
        decide_orientation(rows, columns)
    n, m = len(rows), len(columns)
    for words in (
        f"{n} cells x {m} genes",
        f"{n} genes x {m} cells",
        "--load_orientation cells-by-genes",
        "--load_orientation genes-by-cells",
    ):
        assert words in str(caught.value)


def test_asking_wins_and_contradiction_is_reported():
    verdict = decide_orientation(GENES["human"], CELLS["barcodes"], "cells-by-genes")
    assert verdict.orientation == "cells-by-genes"
    assert "look like genes-by-cells" in verdict.warning
    assert not decide_orientation(GENES["human"], CELLS["barcodes"], "genes-by-cells").warning
    assert decide_orientation(["1", "2"], ["3", "4"], "genes-by-cells").genes_in_rows


def expanded(word):
    """Names that braces stand for, as in bash: S{1..3}, {A,B}_{01..02}, t{0..40..10}."""
    braces = re.search(r"\{([^{}]*)\}", word)
    if braces is None:
        return [word]
    numbers = re.fullmatch(r"(\d+)\.\.(\d+)(?:\.\.(\d+))?", braces[1])
    parts = braces[1].split(",")
    if numbers:
        width = len(numbers[1]) if numbers[1].startswith("0") else 0
        parts = [str(i).zfill(width) for i in range(int(numbers[1]), int(numbers[2]) + 1, int(numbers[3] or 1))]
    return [name for part in parts for name in expanded(word[: braces.start()] + part + word[braces.end() :])]


def schemes(file):
    found = {"genes": {}, "cells": {}}
    for line in (FOLDER / file).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            kind, scheme, *words = line.split()
            found[kind][scheme] = [name for word in words for name in expanded(word)]
    return found["genes"], found["cells"]


def counts(rng, n_genes, n_cells, depth=0.5):
    """Counts as sparse as UMI are: genes of very different levels, cells of about one depth."""
    return rng.poisson(np.outer(rng.lognormal(-1, 1.7, n_genes), rng.lognormal(0, depth, n_cells))).astype(np.float32)


def outcome(rows, columns, truth, **evidence):
    try:
        return "right" if decide_orientation(rows, columns, **evidence).orientation == truth else "wrong"
    except InputError:
        return "asked"


def outcomes(genes, cells, values=None):
    """What becomes of a table, and of the same table turned."""
    known, turned = {}, {}
    if values is not None:
        known = {"totals": totals_of([values], *values.shape)}
        turned = {"totals": totals_of([values.T], *values.T.shape)}
    return outcome(genes, cells, "genes-by-cells", **known), outcome(cells, genes, "cells-by-genes", **turned)


# Genes x cells x 2 tables; of fresh and held_out, the shares that were right, asked and wrong before anybody looked at
# what they hold were 91, 9, .0 and 92, 8, .3 percent.
GRIDS = {"names.txt": (47 * 57 * 2, 0.01), "held_out.txt": (46 * 43 * 2, 0.03), "fresh.txt": (42 * 40 * 2, 0.09)}


@pytest.fixture
def weighed_once(monkeypatch):
    """Every list of names is weighed once, not once for each list it is paired with."""
    weigh = cache(evidence_of)
    monkeypatch.setattr(orientation, "evidence_of", lambda names: weigh(tuple(names)))


@pytest.mark.usefixtures("weighed_once")
@pytest.mark.parametrize("file", GRIDS)
def test_no_naming_scheme_is_turned_the_wrong_way(file):
    genes, cells = schemes(file)
    wrong, seen = [], Counter()
    for (species, symbols), (kind, names) in itertools.product(genes.items(), cells.items()):
        results = outcomes(symbols, names)
        seen.update(results)
        wrong += [(species, kind)] * results.count("wrong")
    size, asked = GRIDS[file]
    assert not wrong
    assert seen.total() == size
    assert seen["asked"] <= asked * size


@pytest.mark.usefixtures("weighed_once")
@pytest.mark.parametrize("file", GRIDS)
@pytest.mark.parametrize("kind", ["as counts are", "all alike", "cells differ more"])
def test_no_values_turn_it_the_wrong_way(file, kind):
    rng = np.random.default_rng(0)
    genes, cells = schemes(file)
    wrong = []
    for (species, symbols), (sort, names) in itertools.product(genes.items(), list(cells.items())[::3]):
        shape = len(symbols), len(names)
        values = {
            "as counts are": lambda shape: counts(rng, *shape),
            "all alike": lambda shape: rng.poisson(2, shape).astype(np.float32),
            "cells differ more": lambda shape: counts(rng, *shape[::-1], depth=0.2).T,
        }[kind](shape)
        wrong += [(species, sort)] * outcomes(symbols, names, values).count("wrong")
    assert not wrong


@pytest.mark.usefixtures("weighed_once")
@pytest.mark.parametrize("n", [3, 6, 12])
def test_a_few_names_do_not_turn_it_the_wrong_way(n):
    rng = np.random.default_rng(n)
    for file in GRIDS:
        genes, cells = ([list(rng.permutation(every)[:n]) for every in sort.values()] for sort in schemes(file))
        for symbols, names in itertools.product(genes, cells):
            assert "wrong" not in outcomes(symbols, names), (symbols, names)


def test_what_public_notebooks_print_is_right():
    pairs = [line.split(" | ") for line in (FOLDER / "printed.txt").read_text().splitlines() if line[0] != "#"]
    seen = Counter(result for genes, cells in pairs for result in outcomes(genes.split(), cells.split()))
    assert seen == {"right": 116, "asked": 6}


def test_the_reason_says_which_evidence_decided():
    reason = decide_orientation(schemes("names.txt")[0]["zebrafish"], [f"Stim{i}" for i in range(30)]).reason
    assert reason == (
        "Orientation genes-by-cells, by the names: rows such as actb1, actb2 are known as genes (36 different ones); "
        "columns such as Stim0, Stim1 are called as cells are."
    )
    few = [f"am{i}" for i in range(12)]
    values = np.outer(2.0 ** np.arange(20), np.ones(12)).astype(np.float32)
    verdict = decide_orientation([f"?{c}" for c in "abcdefghijklmnopqrst"], few, totals=totals_of([values], 20, 12))
    assert verdict.reason == (
        "Orientation genes-by-cells, by the names and sums: "
        "columns such as am0, am1 are running numbers behind few stems; columns all sum to one number."
    )


def test_running_numbers_alone_ask_and_values_settle_it():
    rng = np.random.default_rng(0)
    unknown, numbered = [f"{a}{b}" for a in "qxzvj" for b in "qxzvjk"], [f"am{i}" for i in range(1, 25)]
    values = counts(rng, 30, 24)
    assert outcomes(unknown, numbered) == ("asked", "asked")
    assert outcomes(unknown, numbered, values) == ("right", "right")
    assert outcomes(unknown, [f"?{i}" for i in unknown[:24]], values) == ("asked", "asked")  # never values alone
    shares = values / values.sum(axis=0, where=values > 0) * 1e4
    assert outcomes(unknown, unknown[:24], shares) == ("right", "right")  # but for cells that sum to one number


@pytest.mark.parametrize("corner", ["Geneid", "GENE", "gene_id", "Symbol", "hgnc_symbol", "ENSEMBL", "target_id"])
def test_the_column_of_names_may_say_it(corner):
    numbers = [str(i) for i in range(20)], [str(i) for i in range(30)]
    assert decide_orientation(*numbers, corner=corner).genes_in_rows
    assert not decide_orientation(*numbers, corner="Cell Barcode").genes_in_rows
    with pytest.raises(InputError):
        decide_orientation(*numbers, corner="Unnamed: 0")
    with pytest.raises(InputError):  # and what it says must not be at odds with the names
        decide_orientation(["cell_1", "cell_2"], ["q", "z"], corner=corner)


def test_the_column_of_names_of_a_file_is_heard(tmp_path):
    for corner, words in (("Geneid", ["q", "z"]), ("barcode", ["1", "2"])):
        (tmp_path / "table.csv").write_text(f"{corner},1,2\n{words[0]},1,0\n{words[1]},5,2\n")
        data = read(tmp_path / "table.csv")
        assert list(data.var_names if corner == "Geneid" else data.obs_names) == words
        assert f"the column of names is called {corner}." in "".join(data.notes)


def test_totals_are_the_same_in_blocks_and_sparse():
    values = counts(np.random.default_rng(0), 60, 25)
    whole = totals_of([values], 60, 25)
    assert whole.leaning == 1
    assert totals_of([values[:7], sp.csr_matrix(values[7:40]), values[40:]], 60, 25) == whole
    assert totals_of([values.T], 25, 60).leaning == -1
    assert totals_of([np.zeros_like(values)], 60, 25).leaning == 0
    assert totals_of([values[:5]], 5, 25).leaning == 0  # too few to tell


@pytest.mark.parametrize("name", ["usoskin", "klein1000", "chu100", "scmix3cl", "goolam"])
def test_real_tables_are_right_both_ways(data_dir, name):
    path = data_dir / name / ("original_top_expression.csv" if name == "goolam" else "expression.csv.gz")
    data = read(path)
    assert data.facts["orientation"] == "genes-by-cells"
    for values, rows, columns, truth in (
        (data.expression, data.obs_names, data.var_names, "cells-by-genes"),
        (data.expression.T, data.var_names, data.obs_names, "genes-by-cells"),
    ):
        block = sp.csr_matrix(values) if sp.issparse(values) else np.ascontiguousarray(values)
        found = from_table(Table([block], rows, columns), name, LoadParams())
        assert found.facts["orientation"] == truth
        assert list(found.obs_names) == list(data.obs_names)


def test_a_table_of_zebrafish_is_read_right_both_ways(tmp_path):
    rng = np.random.default_rng(0)
    genes, cells = schemes("names.txt")[0]["zebrafish"], [f"Mut{i}" for i in range(9)] + [f"Sib{i}" for i in range(9)]
    table = pd.DataFrame(counts(rng, len(genes), 18).astype(int), genes, cells)
    for name, shown in (("upright.csv", table), ("turned.csv", table.T)):
        shown.to_csv(tmp_path / name)
        data = read(tmp_path / name)
        assert list(data.obs_names) == cells
        assert list(data.var_names) == genes


@pytest.mark.usefixtures("weighed_once")
def test_only_a_turned_anndata_is_doubted():
    genes, cells = schemes("held_out.txt")
    for symbols, names in itertools.product(genes.values(), cells.values()):
        assert not decide_orientation(symbols, names, "genes-by-cells").warning
    for symbols in (genes["zebrafish"], genes["yeast_names"], genes["cavefish"]):
        upright = anndata.AnnData(np.ones((8, len(symbols)), dtype=np.float32))
        upright.obs_names, upright.var_names = cells["barcodes_numbered"][:8], symbols
        assert not any("transposed" in said for said in from_anndata(upright).warnings)
        assert any("it looks transposed" in said for said in from_anndata(upright.T.copy()).warnings)


def test_words_above_a_column_of_names_are_no_genes():
    words = (
        "gene symbol name index ID Geneid cell barcode Sample1 probe tags locus feature Unnamed:0 total row.names miRNA"
    )
    assert not [word for word in words.split() if is_gene_symbol(word)]
    assert all(map(is_gene_symbol, ("actb1", "Sox2", "AT1G01010", "RpL32", "si:ch211-117m20.5")))


def test_names_of_any_length_and_script_are_weighed():
    odd = ["A" * 1_000_000, "-".join("ACGT" * 50_000), "9" * 10_000, "١٢٣", "细胞_1", "", " "]
    assert outcome(odd, odd, "genes-by-cells") == "asked"
    assert outcome(["9" * 5000, "8" * 5000], ["ACTB", "GAPDH", "TP53"], "cells-by-genes") == "right"
