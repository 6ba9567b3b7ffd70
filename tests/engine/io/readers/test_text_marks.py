"""Points, spaces and other marks within numbers: what may stand between thousands is asked for, never divided."""

import numpy as np
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.readers.text import read_table


def table(folder, text):
    (folder / "t.tsv").write_text(text)
    return read_table(folder / "t.tsv")


@pytest.mark.parametrize(
    "text",
    [
        "gene\tc1\tc2\nActb\t1.851\t370\nSox2\t0\t12.345\n",
        "gene;c1;c2\nActb;1.851;1.234\nSox2;6.170;2.468\n",
        "gene;c1;c2\nActb;5;370\nSox2;0;12.345\n",
        "gene\tChr\tc1\tc2\nActb\tchr1.5\t1.851\t370\nSox2\tchr2.5\t0\t12.345\nNes\tX\t1\t2\n",
    ],
)
def test_points_that_may_stand_between_thousands_are_asked_for(tmp_path, text):
    with pytest.raises(InputError, match=r"may be decimal points or stand between thousands.*thousands='\.'"):
        table(tmp_path, text)


@pytest.mark.parametrize(
    ("numbers", "right"),
    [
        ("1.851\t0.250\t3", [1.851, 0.25, 3]),
        ("1.851\t2.5\t3", [1.851, 2.5, 3]),
        ("1.851\t1234.500\t3", [1.851, 1234.5, 3]),
        ("1.851\t0.000\t2.000", [1.851, 0, 2]),
    ],
)
def test_one_number_tells_that_points_are_decimal(tmp_path, numbers, right):
    read = table(tmp_path, f"gene\tc1\tc2\tc3\nActb\t{numbers}\n")
    assert read.assemble(transpose=False).tolist() == [np.float32(right).tolist()]


def test_a_thousand_numbers_with_points_alone_are_decimals(tmp_path):
    rows = [f"Gene{row}\t7.{row + 100}\t12.{row + 100}" for row in range(500)]
    read = table(tmp_path, "gene\ts1\ts2\n" + "\n".join(rows) + "\n")
    assert read.assemble(transpose=False)[1].tolist() == np.float32([7.101, 12.101]).tolist()


@pytest.mark.parametrize(
    ("mark", "called"),
    [
        (" ", "spaces"), ("\u00a0", "spaces"), ("\u202f", "spaces"), ("'", "apostrophes"), ("’", "apostrophes"),
        ("_", "underscores"),
    ],
)  # fmt: skip
def test_marks_between_thousands_are_named(tmp_path, mark, called):
    rows = [f"{gene}\t9{mark}872\t{small}\n" for gene, small in (("Actb", 5), ("Sox2", 0), ("Nes", 1))]
    with pytest.raises(InputError, match=rf"written with {called} between its thousands in row 'Actb'.*thousands="):
        table(tmp_path, "gene\tc1\tc2\n" + "".join(rows))


def test_points_between_millions_and_other_digits_are_named(tmp_path):
    with pytest.raises(InputError, match=r"written with points between its thousands.*'1\.234\.567'"):
        table(tmp_path, "gene;c1;c2\nActb;1.234.567;5\n")
    with pytest.raises(InputError, match=r"in other digits than 0 to 9.*Found: '٣'"):
        table(tmp_path, "gene;c1;c2\nActb;٣;5\n")
