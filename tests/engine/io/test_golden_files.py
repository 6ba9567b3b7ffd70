"""Tables and samples as the tools themselves wrote them (``tests/engine/io/golden``), read without the tools.

Matrix Market files and folders of them are in ``readers/test_mtx_golden.py``, AnnData's family in
``readers/test_stored.py``.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read

GOLDEN = Path(__file__).resolve().parent / "golden"
TABLES = ("featurecounts", "htseq", "pandas", "r", "reads_per_gene")
MATRIX_MARKET = {".mtx", ".npz", ".h5ad", ".loom"}


def expected(tool):
    return json.loads((GOLDEN / tool / "expected.json").read_text("utf-8"))


def cases():
    for tool in TABLES:
        for name, facts in expected(tool).items():
            if Path(name).suffix not in MATRIX_MARKET:
                yield pytest.param(GOLDEN / tool / name, facts, id=f"{tool}/{name}")


def check(data, facts):
    assert data.var_names.tolist() == facts["var_names"]
    if facts["obs_names"] is not None:
        assert data.obs_names.tolist() == facts["obs_names"]
    x = data.expression
    np.testing.assert_array_equal(x if isinstance(x, np.ndarray) else x.toarray(), np.asarray(facts["X"], np.float32))


@pytest.mark.parametrize(("path", "facts"), [case for case in cases() if "X" in case.values[1]])
def test_tables_of_the_real_tools_are_read_right(path, facts):
    data = read(path)
    check(data, facts)
    said = " ".join((*data.notes, *data.warnings))
    assert [name for name in facts.get("left_out", []) if name and name not in said] == []


@pytest.mark.parametrize(("path", "facts"), [case for case in cases() if "refused" in case.values[1]])
def test_tables_that_hold_no_counts_of_genes_are_refused(path, facts):
    with pytest.raises(InputError) as raised:
        read(path)
    assert any(word in str(raised.value) for word in ("NA", "exon"))
    assert "ragged" not in str(raised.value)


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
