"""Names decide which axis holds the cells; shape alone never does."""

import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.orientation import decide_orientation

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
