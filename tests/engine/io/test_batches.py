"""Which batch a cell is of: read from obs or from names, refused where it cannot be one."""

import numpy as np
import pandas as pd
import pytest

import scgnn2_engine as sc2
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.preparation import prepare
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.batches import undeclared, with_batches
from scgnn2_engine.run.batch_hint import batch_notice, cramers_v


def data(n=24, names=None, **obs) -> Dataset:
    names = [f"cell{i}" for i in range(n)] if names is None else names
    counts = np.random.default_rng(0).poisson(2.0, (n, 5)).astype(np.float32)
    table = pd.DataFrame(obs, index=list(names)) if obs else None
    return Dataset(counts, np.asarray(names, np.str_), np.array(list("abcde")), "counts", obs=table)


def test_several_columns_are_joined_and_sizes_are_said():
    one, two = np.repeat(["x", "y"], 12), np.tile([1, 2], 12)
    found = with_batches(data(donor=one, plate=two), "donor, plate")
    assert found.batches.names.tolist() == ["x, 1", "x, 2", "y, 1", "y, 2"]
    assert found.batches.sizes.tolist() == [6, 6, 6, 6]
    assert "4 batches by donor, plate" in found.notes[-1]
    assert any("fewer than 10 cells" in warning for warning in found.warnings)


def test_a_missing_column_names_the_nearest():
    with pytest.raises(InputError, match="Did you mean donor"):
        with_batches(data(donor=np.repeat(["x", "y"], 12)), "doner")
    with pytest.raises(InputError, match="no columns of obs"):
        with_batches(data(), "sample")


def test_a_constant_column_is_no_batch_and_said():
    found = with_batches(data(donor=["x"] * 24), "donor")
    assert found.batches is None
    assert "nothing to correct" in found.warnings[-1]


def test_whole_numbers_number_batches_and_measured_ones_do_not():
    assert with_batches(data(run=np.repeat([1.0, 2.0], 12)), "run").batches.names.tolist() == ["1", "2"]
    with pytest.raises(InputError, match="measured numbers"):
        with_batches(data(depth=np.linspace(0, 1.5, 24)), "depth")
    with pytest.raises(InputError, match="a batch of its own"):
        with_batches(data(number=np.arange(24)), "number")


def test_missing_values_are_a_batch_of_their_own_and_said():
    found = with_batches(data(donor=["x"] * 12 + [None] * 5 + ["NA"] * 7), "donor")
    assert found.batches.names.tolist() == ["missing", "x"]
    assert found.batches.sizes.tolist() == [12, 12]
    assert any(warning.startswith("12 cells have no value in obs['donor']") for warning in found.warnings)


def test_labels_are_no_batches():
    with pytest.raises(InputError, match="column of the labels"):
        with_batches(data(kind=np.repeat(["x", "y"], 12)), "kind", "kind")


def test_one_cell_in_a_batch_and_fifty_batches_are_batches():
    assert with_batches(data(donor=["x"] * 23 + ["y"]), "donor").batches.sizes.tolist() == [23, 1]
    assert len(with_batches(data(n=200, donor=np.arange(200) % 50), "donor").batches) == 50


def test_names_of_cells_say_it_too():
    names = [f"mouse{1 + i % 2}_lib{i}.cell" for i in range(24)]
    assert with_batches(data(names=names), "barcode_prefix").batches.names.tolist() == ["mouse1", "mouse2"]


def test_only_what_is_called_a_batch_is_taken_for_an_undeclared_one():
    half, third = np.repeat(["x", "y"], 12), np.repeat(["k", "l", "m"], 8)
    table = data(donor=half, cell_type=third, louvain=third, label=half, depth=np.linspace(0, 1, 24))
    assert list(undeclared(table, np.arange(24))) == ["donor"]


def test_clusters_that_divide_by_a_column_are_said_with_the_flag():
    half = np.repeat(["x", "y"], 12)
    clusters = np.repeat([0, 1, 2, 3], 6)
    said = batch_notice(data(donor=half), np.arange(24), clusters)
    assert said is not None
    assert "obs['donor']" in said.message
    assert "load_batch_key = donor" in said.message
    assert batch_notice(data(donor=half), np.arange(24), np.tile([0, 1], 12)) is None
    assert batch_notice(data(donor=half), np.arange(24), clusters, "donor") is None
    assert batch_notice(with_batches(data(donor=half), "donor"), np.arange(24), clusters) is None


def test_many_small_batches_are_not_associated_by_chance():
    rng = np.random.default_rng(0)
    assert cramers_v(rng.integers(0, 10, 500), rng.integers(0, 50, 500)) < 0.1


def test_prepared_cells_keep_their_batches():
    table = data(n=40, donor=np.repeat(["x", "y"], 20))
    found = prepare(with_batches(table, "donor"), sc2.RunParams(validation_share=0.1))
    assert found.batches.codes.tolist() == [0] * 20 + [1] * 20
    assert found.take(np.array([3, 30])).batches.codes.tolist() == [0, 1]


def test_a_key_without_a_column_is_refused() -> None:
    data = sc2.simulate(n_obs=20, n_vars=20, n_types=2, seed=0)
    with pytest.raises(InputError, match="names no column"):
        with_batches(data, " , ")
