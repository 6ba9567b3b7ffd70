"""Parquet and feather: values below 0 are read where results of other tools are, and refused with the right way out."""

import numpy as np
import pandas as pd
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read
from scgnn2_engine.params import LoadParams

CELLS = ["AAACCTGA-1", "CCCGTTAA-1", "GGGTTTAC-1"]
VALUES = np.array([[3.5, 0, 5], [2, -0.01, 0.25], [0, 4, 2]])
LOAD = LoadParams(orientation="cells-by-genes")


def written(path, values):
    frame = pd.DataFrame(values, index=CELLS, columns=["Actb", "Gapdh", "Sox2"])
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.rename_axis("cell").reset_index().to_feather(path)
    return path


@pytest.mark.parametrize("name", ["t.parquet", "t.feather"])
def test_values_a_little_below_0_count_as_0_in_results(tmp_path, name):
    data = read(written(tmp_path / name, VALUES), LOAD, small_negatives=True, as_stored=True)
    assert np.array_equal(np.asarray(data.expression), np.maximum(VALUES, 0).astype(np.float32))
    assert any(warning.startswith("1 values of") and "lie below 0" in warning for warning in data.warnings)


@pytest.mark.parametrize("name", ["t.parquet", "t.feather"])
@pytest.mark.parametrize(
    ("value", "what", "advice"),
    [
        (-0.01, "a negative value", "not scaled ones"),
        (np.nan, "a missing value", "fillna"),
        (1e300, "a value too large", "look for an error"),
    ],
)
def test_what_is_refused_is_refused_with_its_own_way_out(tmp_path, name, value, what, advice):
    values = VALUES.copy()
    values[1, 1] = value
    with pytest.raises(
        InputError, match=rf"holds {what} in row 'CCCGTTAA-1', column 'Gapdh'(.|\n)*{advice}"
    ) as refused:
        read(written(tmp_path / name, values), LOAD)
    assert ("fillna" in str(refused.value)) == np.isnan(value)


@pytest.mark.parametrize("value", [np.nan, -1e300, np.inf])
def test_results_may_hold_no_other_values(tmp_path, value):
    values = VALUES.copy()
    values[1, 1] = value
    with pytest.raises(InputError, match="column 'Gapdh'"):
        read(written(tmp_path / "t.parquet", values), LOAD, small_negatives=True)
