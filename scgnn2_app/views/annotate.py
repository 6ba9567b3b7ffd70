"""What the cells are called: name clusters and selections, colour them, take it back; selections kept and combined."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.charts.colouring import CLUSTER
from scgnn2_app.results.annotations import Annotation, Named, State
from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.labels import matched_labels
from scgnn2_engine.plots.style import cluster_colours

OPEN, CLOSE = "Name and combine cells", "Hide the names"
NEW, NOTHING = "new …", "no labels"
MOST_BYTES = 200_000_000
SMALL: dict[str, Any] = {"size": "small", "margin": (5, 5)}


class Annotate(pn.viewable.Viewer):
    """A part beneath the map of the cells, which ``opener`` shows and hides.

    Parameters
    ----------
    session
        Its run is annotated, its selection named, kept and combined.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session = session
        self.which = pmui.Select(label="Annotation", options=[NEW], value=NEW, width=170, **SMALL)
        self.title = pmui.TextInput(label="Name of the new annotation", value="cell type", width=200, **SMALL)
        self.start = pmui.Select(label="Beginning with", options=[CLUSTER, NOTHING], value=CLUSTER, width=170, **SMALL)
        self.begin = self._button("Begin", "an annotation of that name", self._begin)
        self.remove = self._button("Delete", "the shown annotation; Undo brings it back", self._delete)
        self.back = self._button("Undo", "the last change, of whichever page", self._undo, icon="undo")
        self.table = pmui.FileInput(
            label="Import CSV", uploaded_label="Import CSV", accept=".csv,.tsv,.txt", variant="text",
            max_file_size=MOST_BYTES, **SMALL,
        )  # fmt: skip
        self.selected = pmui.TextInput(label="Name for the selected cells", width=200, **SMALL)
        self.call = self._button("Name cells", "the selected cells, in the shown annotation", self._name_selection)
        self.label = pmui.Select(label="Label", options=[], width=170, **SMALL)
        self.other = pmui.TextInput(label="New name of the label", width=180, **SMALL)
        self.rename = self._button("Rename", "the label; one that is there takes the cells in", self._rename)
        self.colour = pmui.ColorPicker(label="Colour", value="#0072b2", width=140, **SMALL)
        self.paint = self._button("Colour it", "the label", self._paint)
        self.take = self._button("Select it", "the cells with the label", self._select_label)
        self.keep_as = pmui.TextInput(label="Keep the selection as", width=200, **SMALL)
        self.keep = self._button("Keep", "the selected cells under this name", self._keep)
        self.kept = pmui.Select(label="Kept selection", options=[], width=170, **SMALL)
        combinations: tuple[tuple[str, str, Callable[[Any, Any], Any]], ...] = (
            ("Show", "the kept selection instead of the present one", lambda now, kept: kept),
            ("Add", "union of both selections", np.union1d),
            ("Only both", "intersection of both selections", np.intersect1d),
            ("Without", "the present selection without the kept one", np.setdiff1d),
        )
        self.combine = [self._button(label, about, self._combiner(how)) for label, about, how in combinations]
        self.forget = self._button("Forget", "the kept selection", self._forget)
        self.said = pmui.Typography("", variant="caption", margin=(4, 8))
        self.opener = pmui.Button(
            label=OPEN, size="small", variant="outlined", margin=(4, 8), on_click=lambda _: self._toggle()
        )
        self.which.param.watch(lambda _: self._describe(), "value")
        self.label.param.watch(lambda _: self._label_chosen(), "value")
        self.table.param.watch(self._import, "value")
        session.param.watch(lambda _: self._follow(), ["run", "annotated"])
        session.param.watch(lambda _: self._allow(), "selection")
        self._follow()

    def _button(self, label: str, about: str, action: Callable[[], Any], **look: Any) -> pmui.Button:
        return pmui.Button(
            label=label, description=f"{label}: {about}", variant="outlined", size="small", margin=(8, 5),
            on_click=lambda _: self._session.attempt(action), **look,
        )  # fmt: skip

    @property
    def shown(self) -> str:
        """Name of the annotation that is worked on, ``""`` for none."""
        return "" if self.which.value == NEW else str(self.which.value)

    # --- annotations -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        run, name = self._run(), str(self.title.value).strip()
        if name in run.groups:
            raise InputError(f"There is a grouping {name!r} already.", advice="Choose another name.")
        if name.startswith("scgnn2") or name in run.obs:
            raise InputError(f"The result has a column {name!r}.", advice="Choose another name.")
        if self.start.value in run.groups:
            labels = run.groups[self.start.value]
        else:
            labels = run.labels.astype(np.str_) if self.start.value == CLUSTER else np.full(run.n_obs, "", np.str_)
        self._change(f"began {name}", lambda named: {**named, name: Annotation(labels)}, show=name)

    def _delete(self) -> None:
        name = self._shown()
        self._change(f"deleted {name}", lambda named: {key: one for key, one in named.items() if key != name}, show="")

    def _undo(self) -> None:
        run = self._run()
        self._taken(run.annotation_file.undo(seen=run.annotation_state.revision), self.shown)

    def _name_selection(self) -> None:
        name, label, cells = self._shown(), str(self.selected.value).strip(), self._session.selection
        if not len(cells):
            raise InputError("No cells are selected.", advice="Select some with the lasso of the map.")
        words = f"called {len(cells):,} cells {label!r} in {name}"
        self._edit(words, lambda one: one.named(cells, label))
        self.label.value = label

    def _rename(self) -> None:
        old, new = self.label.value, str(self.other.value).strip()
        self._edit(f"renamed {old} {new!r} in {self._shown()}", lambda one: one.renamed(old, new))
        self.label.value, self.other.value = new, ""

    def _paint(self) -> None:
        label, colour = self.label.value, str(self.colour.value)[:7]
        self._edit(f"coloured {label} in {self._shown()}", lambda one: one.coloured(label, colour))

    def _edit(self, what: str, make: Callable[[Annotation], Annotation]) -> None:
        name = self._shown()

        def changed(named: Named) -> Named:
            if name not in named:
                raise InputError(f"Another page deleted the annotation {name!r}.", advice="Undo brings it back.")
            return {**named, name: make(named[name])}

        self._change(what, changed, show=name)

    def _change(self, what: str, make: Callable[[Named], Named], *, show: str) -> None:
        run = self._run()
        self._taken(run.annotation_file.change(what, make, seen=run.annotation_state.revision), show)

    def _taken(self, state: State, show: str) -> None:
        self._wanted = show
        self._session.take_annotations(state)
        if state.overtaken:
            self._session.say(
                f"Another page changed the annotations before you: it {state.overtaken}. Both changes are kept, yours "
                "last; Undo takes them back one after the other.", "warning",
            )  # fmt: skip

    def _import(self, event: Any) -> None:
        if event.new:
            self._session.attempt(lambda: self.read_table(str(self.table.filename or "labels.csv"), event.new))
            self.table.clear()  # or the same file, opened again, would be no change

    def read_table(self, file_name: str, content: bytes) -> None:
        """Take a table of cells and labels as a new annotation, and say which cells are not there.

        Raises
        ------
        InputError
            It is no such table, or no cell of it is there.
        """
        run = self._run()
        name = Path(file_name).stem.replace("/", "_")
        while name in run.groups or name in run.obs or name.startswith("scgnn2"):
            name = f"{name} imported" if not name.startswith("scgnn2") else f"labels {name}"
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / f"table{Path(file_name).suffix}"
            path.write_bytes(content)
            try:
                labels, notes, warnings = matched_labels(path, run.obs_names, run.obs.get("sample", ()))
            except InputError as error:
                raise InputError(str(error).replace(str(path), file_name)) from error
        self._change(f"imported {name}", lambda named: {**named, name: Annotation(labels)}, show=name)
        level = "warning" if warnings or len(notes) > 1 else "success"
        self._session.say(" ".join((*notes, *warnings)).replace(str(path), file_name), level)

    # --- selections --------------------------------------------------------------------------------------------------

    def _select_label(self) -> None:
        self._session.select(np.flatnonzero(self._run().annotations[self._shown()].labels == self.label.value))

    def _keep(self) -> None:
        kept, cells = self._session.kept_selections, self._session.selection
        if not len(cells):
            raise InputError("No cells are selected.", advice="Select some with the lasso of the map.")
        name = str(self.keep_as.value).strip() or f"selection {len(kept) + 1}"
        kept[name] = cells
        self.keep_as.value = ""
        self._follow()
        self.kept.value = name

    def _combiner(self, how: Callable[[Any, Any], Any]) -> Callable[[], None]:
        return lambda: self._session.select(how(self._session.selection, self._kept()))

    def _kept(self) -> Any:
        try:
            return self._session.kept_selections[self.kept.value]
        except KeyError:
            raise InputError("No selection is kept.", advice="Select cells, and press Keep.") from None

    def _forget(self) -> None:
        self._kept()
        del self._session.kept_selections[self.kept.value]
        self._follow()

    # --- what is shown -----------------------------------------------------------------------------------------------

    def _run(self) -> RunData:
        run: RunData | None = self._session.run
        if run is None or not run.finished:
            raise InputError("Cells can be named once the run is done.")
        run.annotation_state  # noqa: B018  # a damaged file is said before anything is written
        return run

    def _shown(self) -> str:
        if not self.shown:
            raise InputError("No annotation is shown.", advice="Begin one, or choose one.")
        return self.shown

    _wanted: str | None = None

    def _follow(self) -> None:
        run = self._session.run
        names = list(run.annotations) if run is not None else []
        wanted = self.shown if self._wanted is None else self._wanted
        self._wanted = None
        kept = list(self._session.kept_selections)
        with pn.io.hold():
            self.which.param.update(options=[NEW, *names], value=wanted if wanted in names else NEW)
            groups = [name for name in run.groups if name not in names] if run is not None else []
            self.start.options = [CLUSTER, *groups, *names, NOTHING]
            self.kept.param.update(
                options=kept, value=self.kept.value if self.kept.value in kept else next(iter(kept), None)
            )
        self._describe()

    def _describe(self) -> None:
        run, shown = self._session.run, self.shown
        one = run.annotations.get(shown) if run is not None else None
        labels = one.names if one is not None else []
        value = self.label.value if self.label.value in labels else next(iter(labels), None)
        self.label.param.update(options=labels, value=value)
        for widget in (self.title, self.start, self.begin):
            widget.visible = one is None
        of_labels = (self.label, self.other, self.rename, self.colour, self.paint, self.take)
        for widget in (*of_labels, self.selected, self.call, self.remove):
            widget.visible = one is not None
        last = self._last(run) if run is not None else ""
        self.said.object = "For display and export; nothing that trains or scores reads it."
        self.said.object += f" Last change: {last}." if last else ""
        self._label_chosen()
        self._allow()

    def _label_chosen(self) -> None:
        run = self._session.run
        one = run.annotations.get(self.shown) if run is not None else None
        if one is not None and self.label.value in one.names:
            colours = cluster_colours(one.names) | dict(one.colours)
            self.colour.value = colours[self.label.value]

    def _allow(self) -> None:
        run, some = self._session.run, self._session.has_selection
        self.call.disabled = self.keep.disabled = not some
        self.back.disabled = run is None or not run.finished or not self._last(run)
        for widget in (self.kept, *self.combine, self.forget):
            widget.visible = bool(self._session.kept_selections)

    @staticmethod
    def _last(run: RunData) -> str:
        try:
            return run.annotation_state.last
        except InputError:
            return ""

    def _toggle(self) -> None:
        self._body.visible = not self._body.visible
        self.opener.label = CLOSE if self._body.visible else OPEN

    def __panel__(self) -> Any:
        rows = (
            (self.which, self.title, self.start, self.begin, self.remove, self.back, self.table),
            (self.label, self.other, self.rename, self.colour, self.paint, self.take),
            (self.selected, self.call, self.keep_as, self.keep),
            (self.kept, *self.combine, self.forget),
        )
        self._body = pmui.Paper(
            *(pmui.FlexBox(*row, margin=0, align_items="center") for row in rows), self.said,
            visible=False, variant="outlined", elevation=0, sizing_mode="stretch_width", margin=(4, 8),
        )  # fmt: skip
        return self._body
