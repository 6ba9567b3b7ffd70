"""The golden LTMG form is read and written byte by byte, and aligned by name."""

import numpy as np
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read, read_states, write_states

CELLS, GENES = np.array(["cell_1", "cell_2"]), np.array(["Actb", "Gapdh", "Mapk1"])
STATES = np.array([[0, 1, 12], [2, 0, 1]], dtype=np.uint8)


@pytest.mark.parametrize("name", ["LTMG_0.0.csv", "LTMG_0.1.csv"])
def test_the_golden_files_survive_a_round_trip_to_the_byte(tmp_path, data_dir, name):
    data = read(data_dir / "goolam/original_top_expression.csv")
    states, notes, warnings = read_states(data_dir / "goolam" / name, data.obs_names, data.var_names)
    assert states.shape == (124, 2000)
    assert states.dtype == np.uint8
    assert (len(notes), warnings) == (1, [])
    write_states(tmp_path / name, states, data.obs_names, data.var_names)
    assert (tmp_path / name).read_bytes() == (data_dir / "goolam" / name).read_bytes()


def test_writing(tmp_path):
    write_states(tmp_path / "s.csv", STATES, CELLS, GENES)
    assert (tmp_path / "s.csv").read_text() == "ID\tcell_1\tcell_2\nActb\t0\t2\nGapdh\t1\t0\nMapk1\t12\t1\n"
    with pytest.raises(ValueError, match="expected states of shape"):
        write_states(tmp_path / "s.csv", STATES.T, CELLS, GENES)


def test_order_and_orientation_do_not_matter(tmp_path):
    (tmp_path / "a.csv").write_text("ID\tcell_2\tcell_1\nMapk1\t1\t12\nActb\t2\t0\nGapdh\t0\t1\n")
    (tmp_path / "b.csv").write_text("ID,Mapk1,Actb,Gapdh\ncell_2,1,2,0\ncell_1,12,0,1\n")
    for name in ("a.csv", "b.csv"):
        states, _, warnings = read_states(tmp_path / name, CELLS, GENES)
        assert np.array_equal(states, STATES)
        assert warnings == []


def test_missing_cells_and_genes_have_state_0_and_are_named(tmp_path):
    (tmp_path / "part.csv").write_text("ID\tcell_2\tcell_9\nActb\t2\t5\nGapdh\t3\t5\n")
    states, _, warnings = read_states(tmp_path / "part.csv", CELLS, GENES)
    assert states.tolist() == [[0, 0, 0], [2, 3, 0]]
    assert "cell_1" in warnings[0]
    assert "Mapk1" in warnings[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ID\tx\ty\nActb\t1\t2\n", "do not belong to this data: 1 genes and 0 cells"),
        ("ID\tcell_1\tcell_2\nActb\t1\t0.5\n", "does not hold LTMG states"),
        ("ID\tcell_1\tcell_2\nActb\t1\t256\n", "does not hold LTMG states"),
        ("ID\tcell_1\tcell_2\nActb\t1\t-1\n", "negative"),
    ],
)
def test_other_tables_are_refused(tmp_path, text, words):
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_states(tmp_path / "bad.csv", CELLS, GENES)
