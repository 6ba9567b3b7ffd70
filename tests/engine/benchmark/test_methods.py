"""Which methods a benchmark compares, and with which parameters."""

from __future__ import annotations

import pytest

from scgnn2_engine.benchmark import choose_methods, read_variants
from scgnn2_engine.benchmark.methods import run_params
from scgnn2_engine.errors import ParameterError
from scgnn2_engine.params import RunParams


def test_an_unknown_method_lists_the_choices():
    with pytest.raises(ParameterError, match=r"no method 'knnn'.*default, paper.*knn.*pca_leiden_0\.5"):
        choose_methods(["knnn"])


def test_a_preset_runs_with_its_own_values_and_the_benchmark_mask():
    (method,), _ = choose_methods(["paper"], max_seconds=7)
    params = run_params(method, 3)
    changed = {key: value for key, value in params.changed().items() if not key.startswith("evaluate_")}
    assert changed == {"dropout_prob": 0.1, "seed": 3, "max_seconds": 7.0}


def test_a_variant_wins_over_settings_and_settings_over_the_preset(tmp_path):
    file = tmp_path / "variants.toml"
    file.write_text('[short]\npreset = "paper"\ntotal_epoch = 2\n')
    settings = {"total_epoch": 5, "alpha": 0.25}
    (default, short), _ = choose_methods(["default", "short"], variants=read_variants(file), settings=settings)
    assert (default.values["total_epoch"], default.values["alpha"]) == (5, 0.25)
    assert (short.values["preset"], short.values["total_epoch"], short.values["alpha"]) == ("paper", 2, 0.25)


def test_variants_are_taken_beside_the_methods_that_are_named():
    variants = {"slow": {"total_epoch": 9}, "quick": {"total_epoch": 2}}

    def names(*given):
        return [method.name for method in choose_methods(list(given) or None, variants=variants)[0]]

    assert names("default") == ["default", "slow", "quick"]
    assert names("knn", "quick") == ["knn", "quick"]
    assert {"slow", "quick", "default", "knn"} <= set(names())


def test_baselines_see_what_default_sees_but_for_the_held_out_entries():
    (baseline,), _ = choose_methods(["knn"], settings={"preprocess_top_gene_select": 30, "total_epoch": 2})
    params = run_params(baseline, 0)
    assert params.preprocess.top_gene_select == 30
    assert (params.preprocess.library_size, params.validation_share, params.dropout_prob) == (True, 0, 0.1)
    assert params.total_epoch == RunParams(preset="paper").total_epoch


def test_each_method_is_scored_by_what_it_does():
    methods, _ = choose_methods(["paper", "soft_svd", "knn", "no_denoising", "pca_leiden_0.5"])
    assert [method.protocols for method in methods] == [
        ("mask", "clusters", "thinning", "tasks"),
        ("mask", "tasks"),
        ("mask", "thinning", "tasks"),
        ("thinning",),
        ("clusters",),
    ]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"seed": 3}, "Use --seeds"),
        ({"max_seconds": 3}, "Use --max_seconds"),
        ({"output_dir": "x"}, "no effect"),
        ({"evaluate_baselines": False}, "no effect"),
        ({"load_scale": "counts"}, "cannot differ from method to method"),
        ({"total_epok": 3}, "Did you mean total_epoch"),
        ({"total_epoch": 0}, "total_epoch cannot be 0"),
    ],
)
def test_settings_that_a_benchmark_cannot_take_are_refused(settings, words):
    with pytest.raises(ParameterError, match=words):
        choose_methods(["default"], settings=settings)


@pytest.mark.parametrize(
    ("text", "words"),
    [("total_epoch = 3\n", "total_epoch outside a table"), ("[a\n", "is not TOML"), ("", "no tables")],
)
def test_a_file_of_variants_needs_tables(tmp_path, text, words):
    file = tmp_path / "variants.toml"
    file.write_text(text)
    with pytest.raises(ParameterError, match=words):
        read_variants(file)
    with pytest.raises(ParameterError, match="cannot be read"):
        read_variants(tmp_path / "missing.toml")


@pytest.mark.parametrize("name", ["a/b", "../../esc", ".a", "-a", "", "a b", "a,b", "ä", "a\n", "n" * 81])
def test_a_variant_whose_name_cannot_stand_in_a_file_name_is_refused(name):
    with pytest.raises(ParameterError, match="A variant cannot be called"):
        choose_methods(["knn"], variants={name: {}})


def test_letters_digits_and_a_few_signs_make_a_variant():
    names = ["A-1.b_2", "_", "0", "n" * 80]
    methods, _ = choose_methods(names, variants={name: {} for name in names})
    assert [method.name for method in methods] == names


@pytest.mark.parametrize("seconds", [-3.0, float("nan")])
def test_a_time_budget_below_zero_is_refused_for_baselines_too(seconds):
    with pytest.raises(ParameterError, match="max_seconds cannot be"):
        choose_methods(["knn"], max_seconds=seconds)


def test_a_variant_cannot_take_the_name_of_a_method():
    with pytest.raises(ParameterError, match="cannot be called knn"):
        choose_methods(["knn"], variants={"knn": {}})
