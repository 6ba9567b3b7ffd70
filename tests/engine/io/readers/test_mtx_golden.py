"""Matrices and names as the tools themselves wrote them (``tests/engine/io/golden``)."""

import json
from pathlib import Path

import numpy as np
import pytest

from scgnn2_engine.errors import InputError
from scgnn2_engine.io import read
from scgnn2_engine.io.formats import format_of
from scgnn2_engine.params import RunParams

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def cases():
    for tool in ("kb_python", "starsolo", "htseq", "r", "scipy", "dropletutils"):
        for name, right in json.loads((GOLDEN / tool / "expected.json").read_text()).items():
            path = GOLDEN / tool / name
            if path.is_dir() or path.suffix == ".mtx":
                yield pytest.param(path, right, id=f"{tool}/{name}")


def load(**choice):
    return RunParams(**{f"load_{name}": value for name, value in choice.items()}).load


def dense(x):
    return x.toarray() if hasattr(x, "toarray") else np.asarray(x)


def check(data, right, values):
    assert data.obs_names.tolist() == right["obs_names"]
    assert data.var_names.tolist() == right["var_names"]
    np.testing.assert_array_equal(dense(data.expression), np.asarray(values, dtype=np.float32))
    if "gene_ids" in right:
        assert data.var["gene_ids"].tolist() == right["gene_ids"]


@pytest.mark.parametrize(("path", "right"), list(cases()))
def test_what_the_tools_wrote_is_read_as_they_meant_it(path, right):
    assert format_of(path).name in ("10x folder", "mtx")
    if "refused" in right:
        with pytest.raises(InputError, match=r"not genes|no gene"):
            read(path)
    elif "refused_or_said" in right:
        assert any("not how much" in warning for warning in read(path).warnings)
    elif "matrices" in right:
        for layer, values in right["matrices"].items():
            check(read(path, load(layer=layer)), right, values)
    else:
        check(read(path), right, right["X"])


def test_nac_is_read_as_kb_sums_it_for_cells():
    folder = GOLDEN / "kb_python" / "nac" / "counts_unfiltered"
    ours, theirs = read(folder), read(GOLDEN / "kb_python" / "nac_sum" / "counts_unfiltered")
    assert any("mature and ambiguous were added up" in note for note in ours.notes)
    assert any("cell was read" in note for note in theirs.notes)
    np.testing.assert_array_equal(dense(ours.expression), dense(theirs.expression))


def test_of_starsolo_the_filtered_genes_are_read():
    data = read(GOLDEN / "starsolo")
    assert any("Velocyto/raw" in note and "GeneFull/raw" in note for note in data.notes)
    assert data.obs_names.tolist() == read(GOLDEN / "starsolo" / "Gene" / "filtered").obs_names.tolist()
