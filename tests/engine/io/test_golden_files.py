"""Tables and samples as the tools themselves wrote them (``tests/engine/io/golden``), read without the tools.

Matrix Market files and folders of them are in ``readers/test_mtx_golden.py``, AnnData's family in
``readers/test_stored.py``.
"""

import json
from pathlib import Path

import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read

GOLDEN = Path(__file__).resolve().parent / "golden"


def expected(tool):
    return json.loads((GOLDEN / tool / "expected.json").read_text("utf-8"))


@pytest.mark.parametrize("folder", sorted(place.parent.name for place in GOLDEN.glob("*/expected.json")))
def test_every_folder_says_what_made_it_and_holds_what_it_says(folder):
    facts = expected(folder)
    assert all(any(letter.isdigit() for letter in fact["made_by"]) for fact in facts.values())
    assert [name for name in facts if not (GOLDEN / folder / name).exists()] == []


def test_what_r_writes_for_a_missing_value_is_named(tmp_path):
    entries = "".join(f"{gene} {cell} {gene + cell}\n" for gene in range(1, 4) for cell in range(1, 5))
    head = "%%MatrixMarket matrix coordinate real general\n3 4 12\n"
    (tmp_path / "matrix.mtx").write_text(head + entries.replace("2 3 5\n", "2 3 1e308\n"))  # NA, of R's writeMM
    (tmp_path / "genes.tsv").write_text("ACTB\nCD3E\nLYZ\n")
    (tmp_path / "barcodes.tsv").write_text("AAAC-1\nAAAG-1\nAAAT-1\nCCCA-1\n")
    with pytest.raises(InputError, match=r"line 9: .*1e\+308, which R's writeMM writes for NA.*is.finite"):
        read(tmp_path)
