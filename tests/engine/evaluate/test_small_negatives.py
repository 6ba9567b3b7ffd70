"""Values a little below 0, as approximate solvers leave them: counted as 0 in results of tools, and said."""

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scgnn2_engine.errors import InputError
from scgnn2_engine.evaluate.tool_outputs import read_output
from scgnn2_engine.io import read

CELLS = [f"cell_{cell}" for cell in range(4)]
GENES = ["Actb", "Gapdh", "Sox2", "Nanog", "Pou5f1"]
IMPUTED = np.array([
    [1.5, 0.25, -0.004, 2.75, 0.5],
    [0.75, -0.002, 1.25, 0.0, 3.25],
    [2.25, 1.75, 0.5, 0.125, -0.01],
    [0.0, 0.5, 1.5, 2.5, 0.375],
])  # fmt: skip
SCALED = IMPUTED - IMPUTED.mean(0)


def written(path, values):
    if path.suffix == ".csv":
        pd.DataFrame(values, index=CELLS, columns=GENES).to_csv(path)
    else:
        form = sp.csr_matrix if "sparse" in path.name else np.asarray
        obs, var = pd.DataFrame(index=CELLS), pd.DataFrame(index=GENES)
        anndata.AnnData(form(values), obs=obs, var=var).write_h5ad(path)
    return path


@pytest.mark.parametrize("name", ["magic.csv", "magic.h5ad", "sparse.h5ad"])
def test_they_are_counted_as_zero_and_said(tmp_path, name):
    path = written(tmp_path / name, IMPUTED)
    output = read_output(path)
    found = output.expression.toarray() if sp.issparse(output.expression) else output.expression
    assert found == pytest.approx(np.maximum(IMPUTED, 0))
    (warning,) = output.warnings
    assert warning.startswith(f"3 values of {path} lie below 0 (the smallest is -0.01)")
    assert "counted as 0" in warning


@pytest.mark.parametrize("name", ["scaled.csv", "scaled.h5ad", "sparse.h5ad"])
def test_scaled_values_are_refused(tmp_path, name):
    with pytest.raises(InputError, match=r"a negative value.*(scaled|unscaled)"):
        read_output(written(tmp_path / name, SCALED))


def test_one_value_far_below_zero_is_refused(tmp_path):
    values = np.tile(IMPUTED, (100, 1))[:4] + 0.0
    values[0, 2] = -2.5
    with pytest.raises(InputError, match="a negative value"):
        read_output(written(tmp_path / "far.csv", values))


@pytest.mark.parametrize("name", ["magic.csv", "magic.h5ad"])
def test_what_is_to_be_imputed_holds_none(tmp_path, name):
    with pytest.raises(InputError, match="a negative value"):
        read(written(tmp_path / name, IMPUTED))
