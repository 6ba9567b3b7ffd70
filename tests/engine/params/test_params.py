"""Parameters: the published table, validation, round trips."""

from __future__ import annotations

import copy
import pickle
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import param
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scgnn2_engine.errors import ParameterError
from scgnn2_engine.params import (
    PRESETS,
    REFUSED,
    GraphAEParams,
    RunParams,
    StageParams,
    allowed_range,
    every_parameter,
    find_parameter,
    read_toml,
)

PUBLISHED: dict[str, Any] = {
    "use_bulk": False, "given_cell_type_labels": False, "run_LTMG": False, "dropout_prob": 0.1, "seed": 1,
    "total_epoch": 31, "ari_threshold": 0.95, "graph_change_threshold": 0.01, "alpha": 0.5,
    "load_use_benchmark": False, "load_sc_dataset": "", "load_bulk_dataset": "", "load_cell_type_labels": "",
    "load_LTMG": "", "load_seurat_object": "", "load_rdata": "", "load_from_10X": "",
    "preprocess_cell_cutoff": 0.9, "preprocess_gene_cutoff": 0.9, "preprocess_top_gene_select": 2000,
    "feature_AE_epoch": [500, 300], "feature_AE_batch_size": 12800, "feature_AE_learning_rate": 1e-3,
    "feature_AE_regu_strength": 0.9, "feature_AE_dropout_prob": 0, "feature_AE_concat_prev_embed": "none",
    "graph_AE_epoch": 200, "graph_AE_use_GAT": False, "graph_AE_GAT_dropout": 0, "graph_AE_learning_rate": 1e-2,
    "graph_AE_embedding_size": 16, "graph_AE_concat_prev_embed": False, "graph_AE_normalize_embed": "none",
    "graph_AE_graph_construction": "v2", "graph_AE_neighborhood_factor": 0.05, "graph_AE_retain_weights": False,
    "gat_multi_heads": 2, "gat_hid_embed": 64, "clustering_louvain_only": False, "clustering_use_flexible_k": False,
    "clustering_embed": "graph", "clustering_method": "KMeans",
    "cluster_AE_epoch": 200, "cluster_AE_batch_size": 12800, "cluster_AE_learning_rate": 1e-3,
    "cluster_AE_regu_strength": 0.9, "cluster_AE_dropout_prob": 0,
    "deconv_opt1_learning_rate": 1e-3, "deconv_opt1_epoch": 5000, "deconv_opt1_epsilon": 1e-4,
    "deconv_opt1_regu_strength": 1e-2,
    "deconv_opt2_learning_rate": 1e-1, "deconv_opt2_epoch": 500, "deconv_opt2_epsilon": 1e-4,
    "deconv_opt2_regu_strength": 1e-2,
    "deconv_opt3_learning_rate": 1e-1, "deconv_opt3_epoch": 150, "deconv_opt3_epsilon": 1e-4,
    "deconv_opt3_regu_strength_1": 0.8, "deconv_opt3_regu_strength_2": 1e-2, "deconv_opt3_regu_strength_3": 1,
    "deconv_tune_learning_rate": 1e-2, "deconv_tune_epoch": 20, "deconv_tune_epsilon": 1e-4,
    "output_dir": "outputs/", "output_preprocessed": False, "output_intermediate": False, "output_rdata": False,
    "use_CCC": False,
}  # fmt: skip
"""Flags and defaults of scGNN 2.0's command line, as published (Gu et al., Bioinformatics 2022)."""

NO_DEFAULT = {"load_dataset_dir", "load_dataset_name", "output_run_ID"}
"""Published flags whose default is a place on the authors' machine, or none."""

OURS = {"dropout_prob": 0.0}
"""Defaults that differ on purpose: hiding a share of a user's own data would damage it."""


def declared_defaults() -> dict[str, Any]:
    return {owner.flag(name): owner.param[name].default for owner, name in every_parameter()}


# ---- the table


def test_every_published_flag_has_its_published_default() -> None:
    defaults = declared_defaults()
    assert {**PUBLISHED, **OURS}.keys() - REFUSED.keys() <= defaults.keys()
    assert defaults.keys() >= NO_DEFAULT
    for key in PUBLISHED.keys() - REFUSED.keys():
        assert defaults[key] == OURS.get(key, PUBLISHED[key]), key


@pytest.mark.parametrize("key", sorted(REFUSED))
def test_flags_that_never_did_anything_are_refused_with_a_sentence(key: str) -> None:
    assert key in PUBLISHED
    with pytest.raises(ParameterError) as caught:
        RunParams(**{key: PUBLISHED[key]})
    assert str(caught.value) == f"{key} is not available: {REFUSED[key]}"


def test_a_value_that_was_removed_is_refused_with_what_to_use() -> None:
    with pytest.raises(ParameterError, match=r"cannot be 'exact'.*one of shares, published.*Use shares") as caught:
        RunParams(deconv_method="exact")
    assert "shuffled" in caught.value.advice


def test_keys_are_unique_documented_and_start_with_their_group() -> None:
    keys = [owner.flag(name) for owner, name in every_parameter()]
    assert len(keys) == len(set(keys))
    for owner, name in every_parameter():
        declared = owner.param[name]
        assert declared.doc, name
        assert declared.doc.endswith((".", "frame named df.")), name
        assert declared.precedence in (1, 2), name
        assert owner.flag(name) == (f"{owner.group}_{name}" if owner.group else name)


def test_every_numeric_default_lies_within_its_bounds_and_soft_bounds_within_the_hard_ones() -> None:
    for owner, name in every_parameter():
        declared = owner.param[name]
        if not isinstance(declared, param.Number):
            continue
        low, high = declared.bounds
        soft_low, soft_high = declared.get_soft_bounds()
        assert low is not None
        assert low <= declared.default
        assert soft_low >= low
        assert high is None or (declared.default <= high and soft_high <= high)


def test_groups_are_attributes_under_their_prefix() -> None:
    params = RunParams()
    for group in RunParams.groups:
        assert type(getattr(params, group.group)) is group
        assert group.title


# ---- presets


def test_presets_only_use_known_keys_and_the_paper_departs_only_where_its_runs_do() -> None:
    assert set(PRESETS) == set(RunParams.param["preset"].objects)
    for name, values in PRESETS.items():
        assert all(RunParams(preset=name).to_dict()[key] == value for key, value in values.items())
    assert PRESETS["paper"] == {
        "graph_AE_use_GAT": True,
        "graph_AE_normalize_embed": "sum1",
        "run_LTMG": True,
        "mixed_precision": False,
    }


def test_values_given_win_over_the_preset() -> None:
    params = RunParams(preset="default", preprocess_library_size=False, feature_AE_batch_size=7)
    assert (params.preprocess.library_size, params.feature_AE.batch_size) == (False, 7)
    assert params.changed() == {"preprocess_library_size": False, "feature_AE_batch_size": 7}
    assert repr(params) == "RunParams(preset='default', preprocess_library_size=False, feature_AE_batch_size=7)"


def test_two_runs_share_no_value() -> None:
    first, second = RunParams(), RunParams()
    first.feature_AE.epoch.append(1)
    first.graph_AE.epoch = 3
    assert (second.feature_AE.epoch, second.graph_AE.epoch) == ([500, 300], 30)
    assert RunParams().feature_AE.epoch == [500, 300]


# ---- what is refused


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("feature_AE_epochs", "feature_AE_epoch"),
        ("graph_ae_epoch", "graph_AE_epoch"),
        ("sed", "seed"),
        ("deconv_opt1_lr", "deconv_opt1_epoch"),
    ],
)
def test_an_unknown_key_names_the_nearest(key: str, suggestion: str) -> None:
    with pytest.raises(ParameterError, match=rf"There is no parameter {key}\. Did you mean .*{suggestion}"):
        RunParams(**{key: 1})


def test_a_key_like_no_other_points_to_the_list() -> None:
    with pytest.raises(ParameterError, match=r"^There is no parameter xyzzy\. scgnn2 params lists all of them\.$"):
        find_parameter("xyzzy")


def test_a_misspelt_attribute_is_refused_on_the_run_and_on_its_groups() -> None:
    params = RunParams()
    with pytest.raises(ParameterError, match=r"no parameter sead\. Did you mean seed"):
        params.sead = 3
    with pytest.raises(ParameterError, match=r"no parameter graph_AE_epcoh\. Did you mean graph_AE_epoch"):
        params.graph_AE.epcoh = 3


def test_a_group_cannot_be_replaced() -> None:
    params = RunParams()
    with pytest.raises(ParameterError, match="group graph_AE cannot be replaced"):
        params.graph_AE = GraphAEParams()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("seed", -1, "seed cannot be -1. Expected: a whole number from 0 to 4294967295. Found: -1."),
        ("seed", 1.5, "seed cannot be 1.5. Expected: a whole number from 0 to 4294967295. Found: 1.5."),
        ("seed", True, "seed cannot be True. Expected: a whole number from 0 to 4294967295. Found: True."),
        ("dropout_prob", 1.0, "dropout_prob cannot be 1.0. Expected: a number from 0 below 1.0. Found: 1.0."),
        (
            "graph_AE_learning_rate",
            0,
            "graph_AE_learning_rate cannot be 0. Expected: a number above 0 to 10.0. Found: 0.",
        ),
        ("max_seconds", float("nan"), "max_seconds cannot be nan. Expected: a number from 0 upwards. Found: nan."),
        ("max_seconds", float("inf"), "max_seconds cannot be inf. Expected: a number from 0 upwards. Found: inf."),
        (
            "clustering_method",
            "kmeans",
            "clustering_method cannot be 'kmeans'. Expected: one of KMeans, AffinityPropagation, Leiden, consensus. "
            "Found: 'kmeans'.",
        ),
        ("use_bulk", "yes", "use_bulk cannot be 'yes'. Expected: true or false. Found: 'yes'."),
        ("load_layer", 3, "load_layer cannot be 3. Expected: text. Found: 3."),
        (
            "feature_AE_epoch",
            [5],
            "feature_AE_epoch cannot be [5]. Expected: 2 whole numbers of at least 1. Found: [5].",
        ),
        (
            "feature_AE_epoch",
            [True, 5],
            "feature_AE_epoch cannot be [True, 5]. Expected: 2 whole numbers of at least 1. Found: [True, 5].",
        ),
        (
            "feature_AE_epoch",
            [0, 5],
            "feature_AE_epoch is too small. Expected: two whole numbers of at least 1. Found: [0, 5].",
        ),
        ("preset", "fast", "preset cannot be 'fast'. Expected: one of default, paper. Found: 'fast'."),
    ],
)
def test_a_value_out_of_range_names_the_range(key: str, value: Any, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        RunParams(**{key: value})
    assert str(caught.value) == message
    assert caught.value.exit_code == 2
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"preset": "paper", "selection": "validation"}, "selection rests on held-out entries"),
        ({"preset": "paper", "feature_AE_patience": 3}, "feature_AE_patience rests on held-out entries"),
        ({"preset": "paper", "cluster_AE_patience": 3}, "cluster_AE_patience rests on held-out entries"),
        ({"validation_share": 0.0}, "selection rests on held-out entries.*validation_share > 0"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        RunParams(**values)


def test_use_bulk_with_a_file_is_accepted() -> None:
    assert RunParams(use_bulk=True, load_bulk_dataset="bulk.csv").use_bulk


# ---- ranges in words


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("seed", "a whole number from 0 to 4294967295"),
        ("total_epoch", "a whole number from 1 upwards"),
        ("preprocess_top_gene_select", "a whole number from -1 upwards"),
        ("validation_share", "a number from 0 to 0.5"),
        ("dropout_prob", "a number from 0 below 1.0"),
        ("graph_AE_neighborhood_factor", "a number above 0"),
        ("feature_AE_epoch", "2 whole numbers of at least 1"),
        ("device", "one of auto, cpu, cuda, mps"),
        ("run_LTMG", "true or false"),
        ("output_dir", "text"),
    ],
)
def test_ranges_in_words(key: str, words: str) -> None:
    assert allowed_range(*find_parameter(key)) == words


# ---- round trips


def strategy(owner: type[StageParams], name: str) -> st.SearchStrategy[Any]:
    """Every value a parameter accepts."""
    declared = owner.param[name]
    match declared:
        case param.Selector():
            return st.sampled_from(declared.objects)
        case param.Boolean():
            return st.booleans()
        case param.List():
            return st.lists(st.integers(1, 2**40), min_size=2, max_size=2)
        case param.String():
            return st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
        case param.Integer():
            low, high = declared.bounds
            return st.integers(low, high if high is not None else 2**62)
        case param.Number():
            low, high = declared.bounds
            open_low, open_high = (not included for included in declared.inclusive_bounds)
            return st.floats(
                low,
                high,
                exclude_min=open_low,
                exclude_max=high is not None and open_high,
                allow_nan=False,
                allow_infinity=False,
            )
    raise AssertionError(f"no strategy for {declared}")


def valid_params() -> st.SearchStrategy[RunParams]:
    values = {owner.flag(name): strategy(owner, name) for owner, name in every_parameter()}
    # What validate() asks for beyond each parameter's own range.
    values |= {"validation_share": st.floats(0.01, 0.5), "load_bulk_dataset": st.just("bulk.csv")}
    return st.fixed_dictionaries({}, optional=values).map(
        lambda given: RunParams(**{"validation_share": 0.1, "load_bulk_dataset": "bulk.csv", **given})
    )


@settings(max_examples=60, deadline=None)
@given(valid_params())
def test_dictionaries_and_toml_give_back_what_went_in(params: RunParams) -> None:
    assert RunParams.from_dict(params.to_dict()) == params
    for documented in (True, False):
        assert RunParams.from_dict(tomllib.loads(params.to_toml(documented=documented))) == params
    assert RunParams(preset=params.preset, **{k: v for k, v in params.changed().items() if k != "preset"}) == params


def test_a_toml_file_is_read_and_overridden(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text('preset = "paper"\nseed = 7\nfeature_AE_epoch = [5, 3]\nload_layer = "a\\"b"\n')
    params = RunParams.from_toml(path, seed=8)
    assert (params.preset, params.seed, params.feature_AE.epoch, params.load.layer) == ("paper", 8, [5, 3], 'a"b')


def test_the_documented_toml_says_what_every_parameter_is(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(RunParams().to_toml(), encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    assert RunParams.from_toml(path) == RunParams()
    for owner, name in every_parameter():
        assert f"# {owner.param[name].doc}\n# {allowed_range(owner, name)}\n{owner.flag(name)} = " in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("seed = ", "is not TOML"),
        ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "is not TOML"),
        ("[graph_AE]\nepoch = 3\n", r"holds the table \[graph_AE\]. Expected: flat keys such as graph_AE_epoch"),
        ("sed = 3\n", "Did you mean seed"),
        ("seed = -3\n", "seed cannot be -3"),
    ],
)
def test_a_bad_toml_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ParameterError, match=message):
        RunParams.from_toml(path)


def test_a_missing_toml_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"absent\.toml cannot be read: No such file"):
        read_toml(tmp_path / "absent.toml")


def test_numpy_values_and_tuples_become_plain_ones() -> None:
    params = RunParams(
        seed=np.int64(3), alpha=np.float32(0.5), run_LTMG=np.bool_(True), feature_AE_epoch=(np.int32(4), 2)
    )
    values = params.to_dict()
    assert [type(values[key]) for key in ("seed", "alpha", "run_LTMG")] == [int, float, bool]
    assert values["feature_AE_epoch"] == [4, 2]
    assert RunParams.from_dict(tomllib.loads(params.to_toml())) == params


def test_lists_in_a_dictionary_are_copies() -> None:
    params = RunParams()
    params.to_dict()["feature_AE_epoch"].append(1)
    assert params.feature_AE.epoch == [500, 300]


def test_replace_changes_a_copy() -> None:
    params = RunParams(seed=3, total_epoch=31)
    other = params.replace(total_epoch=2)
    assert (params.total_epoch, other.total_epoch, other.seed) == (31, 2, 3)
    assert params != other
    assert params != "RunParams"


def test_copies_and_pickles_are_equal() -> None:
    params = RunParams(seed=3, graph_AE_epoch=9)
    assert copy.deepcopy(params) == params
    assert pickle.loads(pickle.dumps(params)) == params


# ---- the snapshot of a run


def test_a_snapshot_is_equal_apart_and_constant() -> None:
    params = RunParams(seed=3)
    snapshot = params.snapshot()
    assert snapshot == params
    params.seed = 4
    params.graph_AE.epoch = 5
    assert (snapshot.seed, snapshot.graph_AE.epoch) == (3, 30)
    for target in (snapshot, *(getattr(snapshot, group.group) for group in RunParams.groups)):
        assert all(target.param[name].constant for name in target.own_names())
    for target, name, value in (
        (snapshot, "alpha", 0.1),
        (snapshot.feature_AE, "epoch", [1, 1]),
        (snapshot.output, "figures", False),
    ):
        with pytest.raises(TypeError, match=f"Constant parameter '{name}' cannot be modified"):
            setattr(target, name, value)
    assert RunParams().replace(seed=9).seed == 9


def test_a_snapshot_leaves_watchers_behind() -> None:
    params = RunParams()
    seen: list[Any] = []
    params.graph_AE.param.watch(seen.append, "epoch")
    copied = params.snapshot().replace()
    copied.graph_AE.epoch = 7
    assert seen == []
    params.graph_AE.epoch = 8
    assert len(seen) == 1


def test_a_value_set_between_two_parameters_is_checked_by_the_snapshot() -> None:
    params = RunParams()
    params.validation_share = 0.0
    with pytest.raises(ParameterError, match="held-out"):
        params.snapshot()
