"""Numbers parsed together are those of Python's float, rounded to float32, however long they are."""

import random

import numpy as np
import pytest

from scgnn2_engine.io.readers.text_numbers import entries


def number(rng):
    digits = "".join(rng.choices("0123456789", k=rng.randrange(1, 20)))
    at = rng.randrange(len(digits) + 1)
    halfway = float(np.float32(rng.random())) + 2.0**-26  # between two of float32, or beside the middle
    return rng.choice([digits, f"{digits[:at]}.{digits[at:]}", repr(rng.gammavariate(0.3, 5)), f"{halfway:.17f}", "0"])


def test_numbers_of_every_length_are_those_of_float():
    rng = random.Random(4)
    rows = [[number(rng) for _ in range(40)] for _ in range(100)]
    text = "".join(f"g{at},{','.join(row)}\n" for at, row in enumerate(rows))
    found = entries(text.encode(), ord(","), 100, 41)
    values = np.zeros(100 * 41, dtype=np.float32)
    values[found.places] = found.values
    expected = np.float32([[float(field) for field in row] for row in rows])
    np.testing.assert_array_equal(values.reshape(100, 41)[:, 1:], expected)
    assert found.names[:2] == [b"g0", b"g1"]


@pytest.mark.parametrize(
    "field", ["1..5", "1.23456789.2", ".", "", "5:", "/5", "-7", "nan", "1e39", "1_0", "0.1 2", "é"]
)
def test_what_is_no_plain_number_is_left_to_the_strict_reader(field):
    assert entries(f"Actb,{field},0\n".encode(), ord(","), 1, 3) is None
