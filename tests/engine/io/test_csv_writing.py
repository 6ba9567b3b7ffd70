from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.io.csv_writing import SIX_DIGITS, write_matrix


def names(kind: str, count: int) -> list[str]:
    return [f"{kind}{number}" for number in range(count)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numbers_come_back_bit_by_bit(tmp_path: Path, rng: np.random.Generator, dtype: type[np.floating]) -> None:
    values = (rng.normal(size=(300, 4)) * 10.0 ** rng.integers(-20, 20, (300, 4))).astype(dtype)
    write_matrix(tmp_path / "m.csv", values, names("c", 300), names("g", 4))
    read = pd.read_csv(tmp_path / "m.csv", index_col=0, float_precision="round_trip").to_numpy(dtype)
    np.testing.assert_array_equal(read, values)


def test_six_digits_are_within_the_stated_rounding(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.gamma(1, 1, (50, 7)).astype(np.float32)
    write_matrix(tmp_path / "m.csv", values, names("c", 50), names("g", 7), number=SIX_DIGITS)
    np.testing.assert_allclose(pd.read_csv(tmp_path / "m.csv", index_col=0), values, rtol=5e-6)


def test_sparse_and_dense_give_the_same_file_and_whole_numbers_stay_whole(tmp_path: Path) -> None:
    dense = np.array([[0, 2, 0], [1, 0, 3]], dtype=np.float32)
    for name, values in (("dense", dense), ("csr", sp.csr_matrix(dense)), ("csc", sp.csc_matrix(dense))):
        write_matrix(tmp_path / name, values, ["a", "b"], names("g", 3), separator="\t")
    assert (tmp_path / "dense").read_text() == "cell\tg0\tg1\tg2\na\t0\t2\t0\nb\t1\t0\t3\n"
    assert (tmp_path / "dense").read_bytes() == (tmp_path / "csr").read_bytes() == (tmp_path / "csc").read_bytes()


def test_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 x 1 named values"):
        write_matrix(tmp_path / "m.csv", np.zeros((1, 2)), ["a", "b"], ["g"])
