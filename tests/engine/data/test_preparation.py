"""A data set made ready: shapes, what is hidden and cannot leak, and what is said about it."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.data.ltmg import ltmg_states
from scgnn2_engine.data.masking import benchmark_positions, validation_positions
from scgnn2_engine.data.preparation import iterate_ltmg, iterate_preprocess, prepare
from scgnn2_engine.errors import InputError
from scgnn2_engine.events import EpochEnded, Notice, drain
from scgnn2_engine.io import from_anndata
from scgnn2_engine.params import RunParams


def dataset(expression: np.ndarray, scale: str = "counts", **more: object) -> Dataset:
    n_obs, n_vars = expression.shape
    cells, genes = (np.array([f"{what}{i}" for i in range(n)]) for what, n in (("cell", n_obs), ("gene", n_vars)))
    return Dataset(expression, cells, genes, scale, **more)  # type: ignore[arg-type]


@pytest.fixture
def counts(rng: np.random.Generator) -> np.ndarray:
    means = rng.gamma(1.0, 3.0, 50) * rng.uniform(0.5, 2.0, (80, 1))
    return rng.poisson(means).astype(np.float32)


def paper(**values: object) -> RunParams:
    return RunParams(preset="paper", **{"run_LTMG": False, "threads": 1, **values})


def test_names_and_positions_stay_together(counts: np.ndarray) -> None:
    counts[7] = 0
    counts[:, 3] = 0
    made = prepare(dataset(counts), paper(preprocess_top_gene_select=20))
    assert made.x.shape == made.expression.shape == (79, 20)
    np.testing.assert_array_equal(made.expression, counts[np.ix_(made.cells, made.genes)])
    np.testing.assert_allclose(made.x, np.log1p(made.expression), rtol=1e-6)
    assert made.obs_names.tolist() == [f"cell{i}" for i in made.cells]
    assert made.dropped_cells == ("cell7",)
    assert len(made.dropped_genes) == 30
    assert set(made.dropped_genes) | set(made.var_names) == {f"gene{i}" for i in range(50)}
    assert (made.size_factors == 1).all()
    assert made.states is made.hidden is made.validation is None


HIDING = {"dropout_prob": 0.2, "validation_share": 0.1, "preprocess_library_size": True}


@pytest.mark.parametrize("values", [{}, HIDING])
def test_dense_equals_sparse(counts: np.ndarray, values: dict[str, object]) -> None:
    params = paper(run_LTMG=True, preprocess_top_gene_select=20, **values)
    dense, sparse = prepare(dataset(counts), params), prepare(dataset(sp.csr_matrix(counts)), params)  # type: ignore[arg-type]
    assert sp.issparse(sparse.expression)
    np.testing.assert_array_equal(dense.x, sparse.x)
    np.testing.assert_array_equal(dense.states, sparse.states)
    assert dense.notes == sparse.notes
    assert dense.warnings == sparse.warnings


def test_hidden_values_are_on_the_scale_of_the_output(counts: np.ndarray) -> None:
    made = prepare(dataset(counts), paper(dropout_prob=0.1, validation_share=0.1, preprocess_library_size=True))
    assert made.hidden is not None
    assert made.validation is not None
    hidden, held_out = made.hidden, made.validation
    assert (made.x[hidden.rows, hidden.cols] == 0).all()
    assert (made.x[held_out.rows, held_out.cols] == 0).all()
    np.testing.assert_allclose(hidden.values, np.log1p(made.expression[hidden.rows, hidden.cols]), rtol=1e-6)
    restored = np.zeros_like(made.x)
    restored[held_out.rows, held_out.cols] = held_out.values
    np.testing.assert_allclose(
        made.to_output_scale(restored)[held_out.rows, held_out.cols],
        np.log1p(made.expression[held_out.rows, held_out.cols]),
        rtol=1e-5,
    )


@pytest.mark.parametrize("entries", ["hidden", "validation"])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("unit", [1, 0.37])
def test_what_is_hidden_changes_nothing_but_the_record_of_it(
    counts: np.ndarray, entries: str, kind: type, unit: float
) -> None:
    """Multiply the hidden truth: everything that training sees stays the same, byte for byte."""
    counts *= np.float32(unit)
    scale = "counts" if unit == 1 else "normalised"  # where sums of float32 are rounded
    params = paper(dropout_prob=0.2, validation_share=0.05, preprocess_library_size=True, run_LTMG=True)
    made = prepare(dataset(kind(counts), scale), params)
    secret = getattr(made, entries)
    other = counts.copy()
    other[made.cells[secret.rows], made.genes[secret.cols]] *= 7
    again = prepare(dataset(kind(other), scale), params)
    assert len(np.unique(made.size_factors)) > 40
    np.testing.assert_array_equal(made.x, again.x)
    np.testing.assert_array_equal(made.states, again.states)
    np.testing.assert_array_equal(made.size_factors, again.size_factors)
    assert made.notes == again.notes
    np.testing.assert_array_equal(getattr(again, entries).rows, secret.rows)
    assert (getattr(again, entries).values > secret.values).all()


@pytest.mark.parametrize("library_size", [False, True])
def test_what_is_drawn_does_not_depend_on_the_factors(counts: np.ndarray, library_size: bool) -> None:
    made = prepare(
        dataset(counts),
        paper(dropout_prob=0.2, validation_share=0.1, seed=3, preprocess_library_size=library_size),
    )
    assert made.hidden is not None
    assert made.validation is not None
    benchmark = benchmark_positions(made.expression, 0.2, 3)
    np.testing.assert_array_equal((made.hidden.rows, made.hidden.cols), benchmark)
    np.testing.assert_array_equal(
        (made.validation.rows, made.validation.cols), validation_positions(made.expression, 0.1, 3, benchmark)
    )


def test_library_sizes_leave_both_kinds_of_hidden_entries_out(counts: np.ndarray) -> None:
    made = prepare(
        dataset(counts),
        paper(dropout_prob=0.2, validation_share=0.1, preprocess_library_size=True, preprocess_top_gene_select=20),
    )
    assert made.hidden is not None
    assert made.validation is not None
    visible = counts.copy()
    for entries in (made.hidden, made.validation):
        visible[made.cells[entries.rows], made.genes[entries.cols]] = 0
    libraries = visible.sum(axis=1)
    np.testing.assert_allclose(made.size_factors, libraries / np.median(libraries), rtol=1e-6)


def test_library_sizes_count_genes_that_were_not_selected(counts: np.ndarray) -> None:
    made = prepare(dataset(counts), paper(preprocess_library_size=True, preprocess_top_gene_select=5))
    libraries = counts.sum(axis=1)
    np.testing.assert_allclose(made.size_factors, libraries / np.median(libraries), rtol=1e-6)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_a_cell_that_is_hidden_whole_gets_the_factor_one(counts: np.ndarray, kind: type) -> None:
    counts += 1
    counts[4] = 0
    counts[4, 0] = 3.3
    made = prepare(
        dataset(kind(counts)), paper(dropout_prob=0.99, preprocess_library_size=True, preprocess_cell_cutoff=1.0)
    )
    assert made.hidden is not None
    assert 4 in made.hidden.rows
    assert not made.x[4].any()
    assert made.size_factors[4] == 1


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_empty_cells_and_genes_that_are_kept_are_reported(counts: np.ndarray, kind: type) -> None:
    counts += 1
    counts[[3, 9]], counts[:, 5] = 0, 0
    made = prepare(dataset(kind(counts)), paper(run_LTMG=True, preprocess_cell_cutoff=1.0, preprocess_gene_cutoff=1.0))
    assert made.notes[:2] == (
        "2 of the kept cells have no expression at all; they stay, with LTMG state 0.",
        "1 of the kept genes have no expression at all; they stay, with LTMG state 0.",
    )
    assert made.states is not None
    assert not made.states[[3, 9]].any()
    assert not made.states[:, 5].any()
    assert not made.x[[3, 9]].any()


def test_logged_data_is_taken_as_it_is_and_unlogged_for_ltmg(counts: np.ndarray) -> None:
    scaled = counts * 3
    logged = np.log1p(scaled)
    made = prepare(dataset(logged, "logged"), paper(preprocess_library_size=True, run_LTMG=True))
    np.testing.assert_array_equal(made.x, logged[np.ix_(made.cells, made.genes)])
    assert (made.size_factors == 1).all()
    assert any("came logged" in note for note in made.notes)
    np.testing.assert_array_equal(made.states, ltmg_states(np.expm1(made.expression)))


def test_ltmg_sees_counts_that_are_not_divided_and_nothing_hidden(counts: np.ndarray) -> None:
    made = prepare(
        dataset(counts), paper(run_LTMG=True, preprocess_library_size=True, dropout_prob=0.1, validation_share=0.1)
    )
    visible = np.where(made.x > 0, made.expression, 0)
    assert made.states is not None
    np.testing.assert_array_equal(made.states, ltmg_states(visible))
    assert made.states.any()


def test_loaded_states_win_and_do_not_give_hidden_entries_away(counts: np.ndarray) -> None:
    loaded = (counts > 0).astype(np.uint8) * 2
    data = dataset(counts, states=loaded)
    params = paper(run_LTMG=True, dropout_prob=0.1, validation_share=0.1, preprocess_top_gene_select=20)
    made = prepare(data, params)
    assert made.states is not None
    np.testing.assert_array_equal(made.states, np.where(made.x > 0, 2, 0))
    n_hidden = len(made.hidden or ()) + len(made.validation or ())
    assert any("loaded, not computed. run_LTMG is on, but" in note for note in made.notes)
    assert "LTMG states were loaded, not computed." in prepare(data, params.replace(run_LTMG=False)).notes
    assert any(f"{n_hidden} loaded states belonged to hidden entries" in note for note in made.notes)
    np.testing.assert_array_equal(loaded, (counts > 0) * 2)


@pytest.mark.parametrize("loaded", [False, True])
def test_written_states_are_said_to_lack_the_held_out_entries(counts: np.ndarray, loaded: bool) -> None:
    data = dataset(counts, states=(counts > 0).astype(np.uint8) if loaded else None)

    def said(**values: object) -> list[str]:
        made = prepare(data, paper(**{"run_LTMG": True, **values}))
        return [warning for warning in made.warnings if "in preprocessed_data" in warning]

    (warning,) = said(output_preprocessed=True, validation_share=0.1)
    n_held_out = len(prepare(data, paper(validation_share=0.1)).validation or ())
    assert f"the {n_held_out} held-out entries count as unexpressed and have state 0" in warning
    assert said(output_preprocessed=True) == []
    assert said(validation_share=0.1) == []
    assert said(output_preprocessed=True, validation_share=0.1, run_LTMG=False) == []  # no states are written


def test_many_dropped_cells_are_a_warning(counts: np.ndarray) -> None:
    counts += 1
    counts[:8] = 0
    few = prepare(dataset(counts), paper())
    assert "Dropped 8 of 80 cells: zero in more than 90% of the 50 kept genes." in few.notes
    assert few.warnings == ()
    counts[8] = 0
    notices = [event for event in iterate_preprocess(dataset(counts), paper()) if isinstance(event, Notice)]
    (warning,) = prepare(dataset(counts), paper()).warnings
    assert warning.startswith("Dropped 9 of 80 cells")
    assert "preprocess_cell_cutoff (1 keeps all)" in warning
    assert [(notice.message, notice.level, notice.stage) for notice in notices if "of 80 cells" in notice.message] == [
        (warning, "warning", "preprocess")
    ]


def test_loaded_states_of_another_shape_are_refused(counts: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"80 cells and 50 genes.*\(80, 49\)"):
        prepare(dataset(counts, states=np.zeros((80, 49), dtype=np.uint8)), paper())


def test_every_note_is_an_event_and_progress_comes_from_ltmg(counts: np.ndarray) -> None:
    counts += 1
    counts[:, 0] = 0
    data, params = dataset(counts), paper(run_LTMG=True, dropout_prob=0.1)
    first = drain(iterate_preprocess(data, params))
    events = [*iterate_preprocess(data, params), *iterate_ltmg(first, data, params)]
    made = prepare(data, params)
    told = [event for event in events if isinstance(event, Notice)]
    assert tuple(event.message for event in told if event.level == "info") == made.notes
    assert tuple(event.message for event in told if event.level == "warning") == made.warnings
    assert {event.stage for event in told} == {"preprocess", "LTMG"}
    assert any(isinstance(event, EpochEnded) for event in events)
    assert any("Dropped 1 of 50 genes" in note for note in made.notes)
    assert any("are hidden to score the imputation" in warning for warning in made.warnings)


def test_the_two_stages_apart_are_the_whole(counts: np.ndarray) -> None:
    data, params = dataset(counts), paper(run_LTMG=True)
    first = drain(iterate_preprocess(data, params))
    assert first.states is None
    np.testing.assert_array_equal(drain(iterate_ltmg(first, data, params)).states, prepare(data, params).states)


def test_ones_in_counts_and_values_below_one_are_pointed_out(counts: np.ndarray) -> None:
    few = np.minimum(counts, 2)
    assert any(
        "about half of the ones get state 0" in warning
        for warning in prepare(dataset(few), paper(run_LTMG=True)).warnings
    )
    shares = counts / counts.sum(axis=1, keepdims=True)
    warnings = prepare(dataset(shares, "normalised"), paper(run_LTMG=True)).warnings
    assert any("100% of the expressed entries are below 1" in warning for warning in warnings)
    plenty = prepare(dataset(counts * 10, "normalised"), paper(run_LTMG=True))
    assert plenty.warnings == ()
    assert any("LTMG states go from 0 to" in note for note in plenty.notes)


@pytest.mark.parametrize("wrong", [-2.0, np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_unusable_values_are_named_by_cell_and_gene(counts: np.ndarray, wrong: float, kind: type) -> None:
    counts[5, 8] = wrong
    with pytest.raises(InputError, match=r"cell cell5, gene gene8.*Found: (-2|nan|inf)"):
        prepare(dataset(kind(counts)), paper())


def test_the_same_seed_gives_the_same_bytes_and_leaves_the_input_alone(counts: np.ndarray) -> None:
    data = dataset(sp.csr_matrix(counts))  # type: ignore[arg-type]
    params = RunParams(run_LTMG=True, dropout_prob=0.1, threads=1)
    first, second = prepare(data, params), prepare(data, params.replace(threads=2))
    assert first.x.tobytes() == second.x.tobytes()
    assert first.states is not None
    assert second.states is not None
    assert first.states.tobytes() == second.states.tobytes()
    np.testing.assert_array_equal(data.expression.toarray(), counts)


@pytest.mark.parametrize("sparse", [False, True])
def test_logarithms_of_counts_are_prepared_as_counts_are(sparse):
    """What was logged and never normalised is divided by library sizes like the counts themselves."""
    counts = np.random.default_rng(0).negative_binomial(1, 0.2, (40, 60)).astype(np.float32)
    counts[:20] *= 10
    form = sp.csr_matrix if sparse else np.asarray
    params = RunParams(preset="paper", preprocess_top_gene_select=30, preprocess_library_size=True)
    plain, logged = (
        prepare(from_anndata(AnnData(form(values))), params) for values in (counts, np.log1p(counts).astype(np.float32))
    )
    assert logged.scale == "counts"
    assert np.array_equal(logged.size_factors, plain.size_factors)
    assert logged.size_factors.max() > 2
    assert np.array_equal(logged.x, plain.x)
    assert any("never normalised" in warning for warning in logged.warnings)
    assert not any("normalised already" in note for note in logged.notes)
