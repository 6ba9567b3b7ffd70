"""Widgets from declarations: every parameter, marks, resets, presets, the search, TOML, invalid values."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pytest

from scgnn2_app.controls.cards import DATA, NOT_HERE, Controls
from scgnn2_app.controls.form import ParameterForm
from scgnn2_app.runs.copy_as import as_command, as_python, as_toml
from scgnn2_app.session import Session
from scgnn2_app.sources.source import Source
from scgnn2_app.views.copy_as_dialog import CopyAs
from scgnn2_engine.cli.parsing import Parser, add_parameter_flags
from scgnn2_engine.errors import ParameterError
from scgnn2_engine.params import PRESETS, RunParams, StageParams, every_parameter

KEYS = [owner.flag(name) for owner, name in every_parameter()]


@pytest.fixture
def controls() -> Controls:
    return Controls(ParameterForm(), Session())


def test_every_declared_parameter_has_a_widget_with_its_sentence(controls: Controls) -> None:
    controls.data_by_parameters = True
    fields = controls.fields(KEYS)
    assert set(fields) == set(KEYS) - NOT_HERE
    for owner, name in every_parameter():
        if owner.flag(name) in fields:
            assert owner.param[name].doc in fields[owner.flag(name)].widget.description
            assert fields[owner.flag(name)].widget.label


def test_what_names_the_data_is_hidden_while_the_picker_does(controls: Controls) -> None:
    assert not set(controls.fields(KEYS)) & DATA


@pytest.mark.parametrize("preset", PRESETS)
def test_widgets_show_what_the_preset_has_and_mark_nothing(controls: Controls, preset: str) -> None:
    fields = controls.fields(KEYS)
    controls._preset.value = preset
    wanted = RunParams(preset=preset).to_dict()
    assert controls.form.params() == RunParams(preset=preset)
    for key, field in fields.items():
        assert field._read(field.widget.value) == wanted[key], key
        assert "changed" not in field.widget.label


def test_a_changed_value_is_marked_counted_and_reset(controls: Controls) -> None:
    card = next(card for card in controls.cards if card.stage.group == "clustering")
    field = card.field("clustering_resolution")
    field.widget.value_throttled = 2.0
    assert controls.form.params().clustering.resolution == 2.0
    assert field.widget.label == "Resolution (changed)"
    assert card._card.title == "Clustering · 1 changed"
    card._reset.clicks += 1
    assert controls.form.changed() == {}
    assert field.widget.value == RunParams().clustering.resolution
    assert card._card.title == "Clustering"


def test_an_unfolded_card_is_whole_from_the_start(controls: Controls) -> None:
    card = next(card for card in controls.cards if card.stage.group == "clustering")
    seen = []
    card._card.param.watch(lambda event: seen.append(list(event.new[0].objects)), "objects")
    card.open()
    assert len(seen) == 1
    assert seen[0] == card._body.objects
    assert len(seen[0]) > 1


def test_a_change_stays_when_the_preset_goes() -> None:
    form = ParameterForm()
    form.set("seed", 9)
    form.set("preset", "paper")
    assert form.params() == RunParams(preset="paper", seed=9)


def test_a_slider_comes_back_from_a_number_far_out(controls: Controls) -> None:
    field = controls.fields(["total_epoch"])["total_epoch"]
    usual = (field.widget.start, field.widget.end)
    controls.form.set("total_epoch", 5000)
    assert (field.widget.value, field.widget.end) == (5000, 5000)
    controls.form.reset()
    assert (field.widget.start, field.widget.end) == usual


def test_the_slider_of_powers_follows_the_number_above_it(controls: Controls) -> None:
    field = next(card for card in controls.cards if card.stage.group == "feature_AE").field("feature_AE_learning_rate")
    slider = field._layout[1]
    controls.form.set("feature_AE_learning_rate", 0.01)
    assert slider.value == pytest.approx(-2)
    slider.value_throttled = -3.5
    assert controls.form.values["feature_AE_learning_rate"] == pytest.approx(0.00032)
    controls.form.reset()
    assert slider.value == pytest.approx(np.log10(field.widget.value))
    controls.form.set("feature_AE_learning_rate", 1e9)
    assert slider.value == slider.end


def test_the_same_file_of_parameters_can_be_opened_again(controls: Controls) -> None:
    for _ in range(2):
        controls._toml.value = b"total_epoch = 7"
        assert controls.form.values["total_epoch"] == 7
        assert controls._toml.value is None
        controls.form.reset()
        assert controls.form.values["total_epoch"] != 7


def test_without_data_there_is_no_command_to_copy(controls: Controls) -> None:
    session = Session()
    dialog = CopyAs(session, lambda: (None, controls.form.params()))
    for form in ("Python", "CLI"):
        dialog.open(form)
        assert not dialog.dialog.open
        assert f"As {form} this run would name no data" in session.notice
    dialog.open("TOML")
    assert dialog.dialog.open
    assert "seed = 1" in dialog.text.value


def test_a_run_takes_a_copy(controls: Controls) -> None:
    before = controls.form.params()
    controls.fields(["seed"])["seed"].widget.value = 5
    assert (before.seed, controls.form.params().seed) == (1, 5)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("feature_AE_epoch", "many", "feature_AE_epoch cannot be 'many'"),
        ("feature_AE_epoch", "0, 3", "feature_AE_epoch is too small"),
        ("validation_share", 0.0, "rests on held-out entries"),
    ],
)
def test_what_is_wrong_is_said_in_the_engines_words(controls: Controls, key: str, value: Any, says: str) -> None:
    field = controls.fields([key])[key]
    setattr(field.widget, "value_throttled" if key == "validation_share" else "value", value)
    assert says in controls.form.problem
    assert controls._problem.visible
    with pytest.raises(ParameterError):
        controls.form.params()
    controls.form.reset()
    assert controls.form.problem == ""
    assert not controls._problem.visible


def test_the_search_shows_only_what_is_found(controls: Controls) -> None:
    controls._search.value_input = "resolution larger"
    shown = [card for card in controls.cards if card._card.visible]
    assert [card.stage.group for card in shown] == ["clustering"]
    assert shown[0]._wanted == {"clustering_resolution"}
    assert [widget.label for widget in shown[0]._body] == ["Resolution"]
    controls._search.value_input = "nothing of that kind"
    assert not any(card._card.visible for card in controls.cards)
    assert "No parameter" in controls._found.object
    controls._search.value_input = ""
    assert all(card._card.visible for card in controls.cards)


def test_a_new_parameter_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    import param

    from scgnn2_app.controls import cards as module

    class Extra(StageParams):
        """A stage of tomorrow."""

        group, title = "extra", "Extra"
        warmth = param.Number(0.5, bounds=(0, 1), doc="How warm.", precedence=1)

    monkeypatch.setattr(module, "sections", lambda: (Extra,))
    known = {**RunParams().to_dict(), "extra_warmth": 0.5}
    for place in ("scgnn2_app.controls.fields.base", "scgnn2_app.controls.form.base"):
        monkeypatch.setattr(place, lambda preset: known)
    form = ParameterForm()
    form.values = known
    (card,) = Controls(form, Session()).cards
    assert card.field("extra_warmth").widget.label == "Warmth"


# --------------------------------------------------------------------------------------------------- as text

CHANGED = RunParams(preset="paper", seed=7, feature_AE_epoch=[50, 30], graph_AE_use_GAT=False, use_bulk=True)


def test_toml_comes_back_as_it_went() -> None:
    form = ParameterForm()
    form.load_toml(as_toml(Source("flags"), CHANGED))
    assert form.params() == CHANGED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("seed = = 3", "not TOML"),
        ("[graph_AE]\nepoch = 3", "holds the table"),
        ("sed = 3", "Did you mean seed"),
        ("seed = -3", "seed cannot be -3"),
    ],
)
def test_a_bad_file_changes_nothing(text: str, says: str) -> None:
    form = ParameterForm(CHANGED)
    with pytest.raises(ParameterError, match=says):
        form.load_toml(text)
    assert form.params() == CHANGED


def test_the_command_line_understands_the_copied_command() -> None:
    import shlex

    words = shlex.split(as_command(Source.at("/data/my counts.h5ad", labels="kind"), CHANGED))
    parser = Parser()
    add_parameter_flags(parser)
    found = vars(parser.parse_args(words[3:]))
    assert words[:3] == ["scgnn2", "run", "/data/my counts.h5ad"]
    assert found["param:feature_AE_epoch"] == ["50", "30"]
    assert found["param:graph_AE_use_GAT"] is False
    assert found["param:load_cell_type_labels"] == "kind"


def test_the_copied_python_builds_the_same_parameters() -> None:
    import scgnn2_engine

    code = as_python(Source.demo(), CHANGED)
    assert "sc2.fit(sc2.demo(), params)" in code
    space: dict[str, Any] = {}
    exec(code.split("result =")[0], space)
    assert space["params"] == CHANGED.replace(load_cell_type_labels="bulk_labels")
    assert space["sc2"] is scgnn2_engine


def test_documented_toml_holds_every_key() -> None:
    assert set(tomllib.loads(as_toml(Source.demo(), CHANGED))) == set(KEYS)
