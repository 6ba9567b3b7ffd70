"""One card of widgets for each stage, generated from the engine's declarations: a new parameter appears by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from scgnn2_app.background import in_order
from scgnn2_app.controls.fields import Field, field_for
from scgnn2_app.controls.form import ParameterForm
from scgnn2_app.controls.wording import plain
from scgnn2_app.session import Session
from scgnn2_app.sources.source import NAMING_DATA
from scgnn2_engine.errors import ScgnnError
from scgnn2_engine.params import ESSENTIAL, PRESETS, RunParams, StageParams, sections

NOT_HERE = frozenset({"preset", "output_dir"})
"""Set elsewhere on the page: the preset by its own menu, the folder by the workspace."""

DATA = frozenset(
    {*NAMING_DATA, "load_cell_type_labels", "load_batch_key", "load_bulk_dataset", "given_cell_type_labels"}
)
"""Name the data; the data picker does, unless it leaves that to these parameters."""


class StageCard(pn.viewable.Viewer):
    """The widgets of one stage: the essentials, the rest folded, a reset. They are made when first looked at.

    Parameters
    ----------
    form
        What they edit.
    stage
        The engine's class of parameters.
    hidden
        Keys that are not shown.

    Attributes
    ----------
    above
        What stands above the fields.
    """

    def __init__(self, form: ParameterForm, stage: type[StageParams], hidden: Callable[[str], bool]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self.stage = stage
        self._names = {stage.flag(name): name for name in stage.own_names()}
        self._form, self._hidden = form, hidden
        self._fields: dict[str, Field] = {}
        self._wanted: frozenset[str] | None = None
        self._all_shown = False
        self.above: list[Any] = []
        self._body: pmui.Column | None = None
        self._card = pmui.Card(
            collapsed=True, title=stage.title, sizing_mode="stretch_width", margin=(3, 8), outlined=True
        )
        self._card.param.watch(lambda _: self._build(), "collapsed")
        form.param.watch(lambda _: self._follow(), "values")
        self._follow()

    @property
    def keys(self) -> list[str]:
        """The flat keys that may be shown, in the order of their declaration."""
        return [key for key in self._names if key not in NOT_HERE and not self._hidden(key)]

    def open(self) -> None:
        """Unfold the card."""
        self._card.collapsed = False

    def field(self, key: str) -> Field:
        """The field of a parameter; made if it is not there yet."""
        if key not in self._fields:
            self._fields[key] = field_for(self.stage, self._names[key], self._form)
        return self._fields[key]

    def find(self, words: Sequence[str]) -> int:
        """Show only what has all these words and unfold, or without any everything as before; how many were found."""
        if not words:
            was_searching, self._wanted = self._wanted is not None, None
            self._card.visible = bool(self.keys)
            if was_searching:
                self._card.collapsed = True
            self._build()
            return len(self.keys)

        def said(key: str) -> str:
            return f"{key} {key.replace('_', ' ')} {self.stage.title} {self.stage.param[self._names[key]].doc}".lower()

        self._wanted = frozenset(key for key in self.keys if all(word in said(key) for word in words))
        self._card.visible = bool(self._wanted)
        if self._wanted:
            self._card.collapsed = False
        self._build()
        return len(self._wanted)

    def refresh(self) -> None:
        """Take up that other keys are hidden now."""
        self._card.visible = bool(self.keys)
        self._build()
        self._follow()

    @cached_property
    def _more(self) -> pmui.Button:
        return pmui.Button(variant="text", size="small", margin=(0, 5), on_click=self._toggle_more)

    @cached_property
    def _reset(self) -> pmui.Button:
        return pmui.Button(
            label="Reset", variant="text", size="small", margin=(0, 5), on_click=self._reset_values,
            disabled=not self._changed(),
        )  # fmt: skip

    @cached_property
    def _foot(self) -> pmui.Row:
        return pmui.Row(self._more, self._reset, margin=0)

    def _build(self) -> None:
        if self._card.collapsed:
            return
        shown = self._shown()
        if self._body is None:
            # With its content from the start: what comes while the browser mounts an empty column, it may never show.
            self._body = pmui.Column(*shown, sizing_mode="stretch_width", margin=0)
            self._card[:] = [self._body]
        else:
            self._body[:] = shown

    def _shown(self) -> list[Any]:
        """What stands in the unfolded card."""
        if self._wanted is not None:
            return [*self.above, *(self.field(key) for key in self.keys if key in self._wanted)]
        essential = [key for key in self.keys if self.stage.param[self._names[key]].precedence == ESSENTIAL]
        folded = [key for key in self.keys if key not in essential]
        if not essential:
            essential, folded = folded, []
        self._more.label = f"Fewer ({len(folded)})" if self._all_shown else f"{len(folded)} more"
        self._more.visible = bool(folded)
        shown = essential + (folded if self._all_shown else [])
        return [*self.above, *(self.field(key) for key in shown), self._foot]

    def _toggle_more(self, _: Any) -> None:
        self._all_shown = not self._all_shown
        self._build()

    def _reset_values(self, _: Any) -> None:
        self._form.reset(self.keys)

    def _follow(self) -> None:
        mine = self._changed()
        self._card.title = f"{self.stage.title} · {len(mine)} changed" if mine else self.stage.title
        if self._body is not None:
            self._reset.disabled = not mine

    def _changed(self) -> list[str]:
        changed = self._form.changed()
        return [key for key in self.keys if key in changed]

    def __panel__(self) -> Any:
        return self._card


class Controls(pn.viewable.Viewer):
    """The parameters of the next run: presets, a search, a card for every stage.

    Parameters
    ----------
    form
        What is edited.
    session
        Is told what goes wrong.
    """

    data_by_parameters = param.Boolean(False, doc="Whether the load_* parameters name the data.")

    def __init__(self, form: ParameterForm, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self.form, self._session = form, session
        self.cards = [StageCard(form, stage, self._is_hidden) for stage in sections()]
        self._preset = pmui.Select(
            label="Preset", options=list(PRESETS), value=form.preset, size="small", sizing_mode="stretch_width",
            description=RunParams.param["preset"].doc, margin=(5, 8),
        )  # fmt: skip
        self._preset.param.watch(lambda event: form.use_preset(event.new), "value")
        self._search = pmui.TextInput(
            label="Find a parameter", size="small", sizing_mode="stretch_width", margin=(5, 8),
            placeholder="epoch, resolution, …",
        )  # fmt: skip
        self._search.param.watch(lambda _: self._find(), "value_input")
        self._found = pmui.Typography("", variant="caption", margin=(0, 12), visible=False)
        self._reset = pmui.Button(
            label="Reset all", variant="text", size="small", margin=(0, 8), on_click=lambda _: form.reset()
        )
        self._problem = pmui.Alert("", severity="error", visible=False, margin=(5, 8), sizing_mode="stretch_width")
        self._toml = pmui.FileInput(
            label="Open TOML", uploaded_label="Open TOML", accept=".toml", variant="text", size="small", margin=(0, 4),
            max_file_size=1_000_000,
        )  # fmt: skip
        self._toml.param.watch(self._open_toml, "value")
        form.param.watch(lambda *_: self._follow(), ["values", "problem"])
        self.param.watch(lambda _: self._refresh_cards(), "data_by_parameters")
        self.cards[0].open()
        self._refresh_cards()
        self._follow()

    def fields(self, keys: Iterable[str]) -> dict[str, Field]:
        """The fields of some parameters, by key."""
        found: dict[str, Field] = {}
        for card in self.cards:
            found |= {key: card.field(key) for key in card.keys if key in set(keys)}
        return found

    def show_above(self, group: str, shown: Any) -> None:
        """Show something above the parameters of a stage, such as what they do to the data."""
        for card in self.cards:
            if card.stage.group == group:
                card.above = [shown]
                card.refresh()

    def _is_hidden(self, key: str) -> bool:
        return key in DATA and not self.data_by_parameters

    @in_order()
    def _refresh_cards(self) -> None:
        for card in self.cards:
            card.refresh()

    @in_order()
    def _find(self) -> None:
        words = self._search.value_input.lower().split()
        if not words:
            for card in self.cards:
                card.find(())
            self.cards[0].open()
            self._found.visible = False
            return

        found = sum(card.find(words) for card in self.cards)
        self._found.param.update(object=f"{found} found" if found else "No parameter has these words.", visible=True)

    def _open_toml(self, event: Any) -> None:
        if not event.new:
            return
        try:
            self.form.load_toml(event.new.decode("utf-8"))
            self._session.say("Parameters taken from the file.", "success")
        except (ScgnnError, UnicodeDecodeError) as error:
            self._session.say_error(error)
        finally:
            self._toml.clear()  # or the same file, opened again, would be no change

    def _follow(self) -> None:
        self._preset.value = self.form.preset
        self._problem.param.update(object=plain(self.form.problem), visible=bool(self.form.problem))
        changed = len([key for key in self.form.changed() if key not in NOT_HERE])
        self._reset.param.update(label=f"Reset all ({changed})" if changed else "Reset all", disabled=not changed)

    def __panel__(self) -> Any:
        return pmui.Column(
            self._preset,
            pmui.Row(self._reset, self._toml, margin=0),
            self._problem,
            self._search,
            self._found,
            *self.cards,
            sizing_mode="stretch_width",
            margin=0,
        )
