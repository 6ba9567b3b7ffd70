"""Which data: the demo, a file of the server, an upload; and what is known about it before a run."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import panel as pn
import panel_material_ui as pmui
import param

from scgnn2_app.background import in_thread
from scgnn2_app.context import ServerContext
from scgnn2_app.controls.form import ParameterForm
from scgnn2_app.controls.wording import on_page, plain
from scgnn2_app.runs.isolated_reader import summarise
from scgnn2_app.runs.source_summary import SourceSummary, expected_seconds
from scgnn2_app.runs.uploads import BULK_FILES, LABEL_FILES, Upload, folder_of, uploads
from scgnn2_app.session import Session
from scgnn2_app.sources.server_files import READABLE, browse, holds_data
from scgnn2_app.sources.source import Source, require_inside
from scgnn2_app.views.cell_cutoffs import cutoffs_html
from scgnn2_app.views.question import Question
from scgnn2_app.views.run_bar import LONGEST_NAME, duration, shortened
from scgnn2_app.views.uploader import Uploader
from scgnn2_engine.errors import ScgnnError

ON_SERVER, BY_PARAMETERS = "File on the server …", "Named by the load parameters"
PICK = "choose …"
ONE_BATCH = "none"
READS_AGAIN = ("load_", "preprocess_top_gene_select")
"""What a parameter's key begins with that changes what is read."""


class DataPicker(pn.viewable.Viewer):
    """Chooses the source of the next run.

    Parameters
    ----------
    context
        Which files may be read, and who asks.
    form
        The parameters, which say how it is read.
    session
        Is told what goes wrong.

    Attributes
    ----------
    source
        The chosen data, None where the choice is not complete.
    summary
        What is known about it, None while it is being read or cannot be.
    by_parameters
        Whether the ``load_*`` parameters name the data.
    """

    source = param.Parameter(None)
    summary = param.Parameter(None)
    by_parameters = param.Boolean(False)

    def __init__(self, context: ServerContext, form: ParameterForm, session: Session) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._context, self._form, self._session = context, form, session
        self._asked = 0
        self._tried: Source | None = None
        self._read_with: dict[str, Any] = {}
        wide: dict[str, Any] = {"size": "small", "sizing_mode": "stretch_width", "margin": (5, 8)}
        self._choices = self._offered()
        self._choice = pmui.Select(
            label="Data", options=[*self._choices, *self._special()], value=next(iter(self._choices)), **wide
        )
        self._path = pmui.TextInput(label="Path on the server", placeholder="/data/counts.h5ad", visible=False, **wide)
        self._entries = pmui.Select(label="In this folder", options=[PICK], value=PICK, visible=False, **wide)
        self._places: dict[str, Path] = {}
        most = f"{context.max_upload / 2**20:,.0f} MiB"
        self._upload = self._uploader(f"Upload (up to {most})", "Upload another", READABLE, self._uploaded)
        self._remove = pmui.Button(
            label="Remove this upload", variant="text", color="error", size="small", margin=(0, 8), visible=False,
            on_click=lambda _: self._ask_remove(),
        )  # fmt: skip
        self._sure = Question("Remove?")
        # Uploads that go with data, by the names that the fields show.
        self._label_files: dict[str, str] = {}
        self._bulk_files: dict[str, str] = {}
        self._labels = pmui.TextInput(
            label="Labels, for display only", placeholder="column of obs, or a csv file", **wide
        )
        self._columns = pmui.Select(label="Labels in the data", options=[PICK], value=PICK, visible=False, **wide)
        self._batches = pmui.Select(
            label="Samples or batches", options=[ONE_BATCH], value=ONE_BATCH, visible=False, **wide
        )
        self._asked_of = ""  # the path of the data that the menu of batches speaks of
        self._filling = False
        self._bulk = pmui.TextInput(label="Bulk expression (optional)", placeholder="path of a csv or h5ad", **wide)
        self._upload_labels = self._uploader(
            "Upload labels",
            "Upload other labels",
            LABEL_FILES,
            lambda source: self._put_beside(source, self._labels, self._label_files),
        )
        self._upload_bulk = self._uploader(
            "Upload bulk",
            "Upload other bulk",
            BULK_FILES,
            lambda source: self._put_beside(source, self._bulk, self._bulk_files),
        )
        self._says = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 10), styles={"font-size": "13px"})
        self.cutoffs = pn.pane.HTML("", sizing_mode="stretch_width", margin=(2, 10), styles={"font-size": "13px"})
        self._choice.param.watch(lambda _: self._take_choice(), "value")
        self._path.param.watch(lambda _: self._enter_path(), "value")
        self._entries.param.watch(self._pick_entry, "value")
        self._labels.param.watch(lambda _: self._choose(), "value")
        self._columns.param.watch(lambda event: self._pick_column(event.new), "value")
        self._batches.param.watch(lambda event: self._pick_batches(event.new), "value")
        self._bulk.param.watch(lambda _: self._set_bulk(), "value")
        form.param.watch(lambda _: self._parameters_changed(), "values")
        self._take_choice()

    def _uploader(self, label: str, again: str, kinds: Sequence[str], arrived: Callable[[Source], None]) -> Uploader:
        context, is_data = self._context, kinds is READABLE
        return Uploader(
            lambda name: Upload(
                context.manager.workspace, name, owner=context.user, limit=context.max_upload, kinds=kinds,
                beside=not is_data,
            ),
            arrived,
            self._session.say_error,
            label=label, uploaded_label=again, accept=",".join(kinds), max_file_size=context.max_upload,
            chunk_size=512 * 1024, variant="outlined" if is_data else "text", size="small", margin=(5, 8),
            sizing_mode="stretch_width",
        )  # fmt: skip

    def take(self, source: Source) -> None:
        """Choose a source, for instance that of an earlier run."""
        if source.kind == "flags":
            self._choice.value = BY_PARAMETERS
            return
        known = (name for name, one in self._choices.items() if (one.kind, one.path) == (source.kind, source.path))
        self._take_as(next(known, source.text), source, first=False)

    def _offered(self) -> dict[str, Source]:
        mine = uploads(self._context.manager.workspace, self._context.user)
        offered: dict[str, Source] = {}
        for source in (*self._context.sources, Source.demo(), *mine):
            offered.setdefault(source.text, source)
        return offered

    def _special(self) -> list[str]:
        return [ON_SERVER, BY_PARAMETERS] if self._context.roots else [BY_PARAMETERS]

    def _take_choice(self) -> None:
        """Other data brings its own labels and bulk."""
        source = self._choices.get(self._choice.value)
        self._filling = True
        try:
            self._labels.value = self._shown(source.labels, self._label_files) if source is not None else ""
            self._bulk.value = self._shown(source.bulk, self._bulk_files) if source is not None else ""
        finally:
            self._filling = False
        self._choose()

    def _pick_column(self, name: str) -> None:
        if name != PICK:
            self._labels.value = name

    def _choose(self) -> None:
        if self._filling:
            return
        choice = self._choice.value
        on_server = choice == ON_SERVER
        self._path.visible = on_server
        self._entries.visible = on_server
        self.by_parameters = choice == BY_PARAMETERS
        for field in (self._labels, self._upload_labels, self._bulk, self._upload_bulk):
            field.visible = not self.by_parameters
        self._columns.visible = self._batches.visible = False  # until the data is read
        chosen = self._choices.get(choice)
        self._remove.visible = chosen is not None and chosen.kind == "upload"
        if on_server:
            if not self._path.value and self._context.roots:
                self._path.value = str(self._context.roots[0])
            else:
                self._enter_path()
            return
        self._become(Source("flags") if self.by_parameters else self._choices[choice])

    def _become(self, source: Source | None) -> None:
        if source is not None and source.kind != "flags":
            labels, bulk = self._labels.value.strip(), self._bulk.value.strip()
            source = source.with_labels(self._label_files.get(labels, labels)).with_bulk(
                self._bulk_files.get(bulk, bulk)
            )
        if source is not None and source.path != self._asked_of:
            self._filling = True  # other data has other columns
            self._form.set("load_batch_key", "")
            self._filling = False
        self._tried = self.source = source
        self._describe()

    def _pick_batches(self, name: str) -> None:
        if not self._filling:
            self._form.set("load_batch_key", "" if name == ONE_BATCH else name)

    def _offer_batches(self, summary: SourceSummary | None) -> None:
        """The columns that were found; where several files were read, the one that says which is chosen at first."""
        key = str(self._form.values["load_batch_key"])
        columns = list(summary.batch_columns) if summary is not None else []
        chosen = key
        if summary is not None and self.source is not None and self.source.path != self._asked_of:
            self._asked_of = self.source.path
            chosen = key or summary.batch_key
        offered = [ONE_BATCH, *dict.fromkeys([*columns, *([chosen] if chosen else [])])]
        self._filling = True
        self._batches.param.update(options=offered, value=chosen or ONE_BATCH, visible=len(offered) > 1)
        self._filling = False
        self._form.set("load_batch_key", chosen)

    def _enter_path(self) -> None:
        if self._choice.value != ON_SERVER:
            return
        self._tried = None
        text = self._path.value.strip()
        try:
            path = require_inside(text, self._context.roots)
            folder = path if path.is_dir() else path.parent
            self._show_folder(folder)
            is_data = path.is_file() or holds_data(path)
        except ScgnnError as error:
            self._problem(str(error))
            return
        if is_data:
            self._become(Source.at(path))
        elif path.is_dir():
            self.param.update(source=None, summary=None)
            self._says.object = _sentence("Choose a file or a folder.")
        else:
            self._problem(f"There is no file {path.name} in {path.parent}. Choose one from the list, or mend the path.")

    def _show_folder(self, folder: Path) -> None:
        places: dict[str, Path] = {}
        if any(folder.parent.is_relative_to(root.resolve()) for root in self._context.roots):
            places["↑ folder above"] = folder.parent
        elif len(self._context.roots) > 1:
            places |= {f"⇄ {root}": root for root in self._context.roots if root.resolve() != folder.resolve()}
        for entry in browse(folder, self._context.roots):
            size = "" if entry.is_folder else f" ({entry.size / 2**20:,.1f} MiB)"
            places[f"{entry.name}{'/' if entry.is_folder else ''}{size}"] = entry.path
        self._places = places
        self._entries.param.update(options=[PICK, *places], value=PICK, label=f"In {folder.name or folder}")

    def _pick_entry(self, event: Any) -> None:
        if event.new in self._places:
            self._path.value = str(self._places[event.new])

    def _uploaded(self, source: Source) -> None:
        self._take_as(source.text, source, first=True)
        self._session.say(f"{source.text} has arrived.", "info")

    def _take_as(self, name: str, source: Source, *, first: bool) -> None:
        """Offer a source under a name, and choose it; one that has that name already gives way."""
        if first:
            self._choices = {name: source} | self._choices
        self._choices[name] = source
        self._choice.options = [*self._choices, *self._special()]
        if self._choice.value == name:
            self._take_choice()
        else:
            self._choice.value = name

    def _put_beside(self, source: Source, field: pmui.TextInput, files: dict[str, str]) -> None:
        """Take an upload as the labels or the bulk of the chosen data."""
        files[source.text] = source.path
        if field.value == source.text:  # another file of that name
            field.param.trigger("value")
        else:
            field.value = source.text
        self._session.say(f"{source.text} has arrived.", "info")

    def _ask_remove(self) -> None:
        """The chosen upload with earlier ones of its name, which the menu hides, and what was uploaded with it."""
        source = self._choices.get(self._choice.value)
        if source is None:
            return
        mine = uploads(self._context.manager.workspace, self._context.user)
        namesakes = [known.path for known in mine if known.text == source.text]
        fields = ((self._label_files, self._labels), (self._bulk_files, self._bulk))
        beside = [files[field.value] for files, field in fields if field.value in files]
        paths = list(dict.fromkeys([source.path, *namesakes, *beside]))
        names = ", ".join(dict.fromkeys(plain(shortened(Path(path).name, LONGEST_NAME)) for path in paths))
        self._sure.ask(
            f"{names} on the server; your own file stays. Results of runs stay too, but what they read is gone.",
            {"Remove": lambda: self._session.attempt(lambda: self._forget(source, paths))},
        )

    def _forget(self, source: Source, paths: Sequence[str]) -> None:
        self._context.remove_uploads(paths)
        for files in (self._label_files, self._bulk_files):
            for name in [name for name, path in files.items() if path in paths]:
                del files[name]
        self._choices = {name: known for name, known in self._choices.items() if known.path not in paths}
        offered = [*self._choices, *self._special()]
        self._choice.param.update(options=offered, value=offered[0])
        self._take_choice()
        self._session.say(f"{source.text} is removed.", "info")

    def _shown(self, text: str, files: dict[str, str]) -> str:
        """A column, or a path; an upload by its name, for where it lies tells a user nothing."""
        path = Path(text)
        if not path.is_relative_to(folder_of(self._context.manager.workspace, self._context.user)):
            return text
        files[path.name] = text
        return path.name

    def _set_bulk(self) -> None:
        self._form.set("use_bulk", bool(self._bulk.value.strip()))
        self._choose()

    # ------------------------------------------------------------------------------------------------ what it is

    def _parameters_changed(self) -> None:
        if self._filling:
            return
        reading = self._reading()
        if reading != self._read_with:
            self.source = self._tried  # what could not be read before may be read now
            self._describe()
        elif self.summary is not None:
            self._show(self.summary)

    def estimate(self) -> None:
        """Say anew what a run will cost: one more is over, by which that is estimated."""
        if self.summary is not None:
            self._show(self.summary)

    def _reading(self) -> dict[str, Any]:
        return {key: value for key, value in self._form.values.items() if key.startswith(READS_AGAIN)}

    def _describe(self) -> None:
        self._asked += 1
        asked, source = self._asked, self.source
        self._read_with = self._reading()
        if source is None or self._form.problem:
            return
        params = self._form.params()
        self.summary, self.cutoffs.object = None, ""
        self._says.object = _sentence("Reading …")

        def show(summary: SourceSummary) -> None:
            if asked == self._asked:  # another choice may have been made meanwhile
                self.summary = summary
                columns = list(summary.label_columns) if not self.by_parameters else []
                chosen = self._labels.value if self._labels.value in columns else PICK
                self._columns.param.update(options=[PICK, *columns], value=chosen, visible=bool(columns))
                self._show(summary)
                if not self.by_parameters:
                    self._offer_batches(summary)

        def failed(error: Exception) -> None:
            if asked == self._asked:
                self._problem(str(error) if isinstance(error, ScgnnError) else f"{type(error).__name__}: {error}")
                if not self.by_parameters:
                    self._offer_batches(None)

        def work() -> SourceSummary:
            self._context.manager.require_allowed(source, params, self._context.user)
            return summarise(source, params)

        in_thread(work, show, failed)

    def _problem(self, text: str) -> None:
        text = on_page(text, self._tried)
        self.param.update(source=None, summary=None)
        self._says.object = _sentence(text, "problem")

    def _show(self, summary: SourceSummary) -> None:
        seconds = summary.seconds
        if not self._form.problem:
            earlier = self._context.manager.runs(self._context.owner)
            seconds = expected_seconds(summary.n_obs, summary.n_vars, self._form.params(), earlier)
        need, free = summary.memory / 2**30, summary.memory_free / 2**30
        lines = [
            f"<b>{html.escape(summary.text)}</b>",
            f"needs about {need:.1f} GiB of {free:.1f} GiB free, about {_span(seconds)}",
            f"labels: {html.escape(on_page(summary.labels, self.source))}" if summary.labels else "no labels",
        ]
        problems = "".join(_sentence(on_page(text, self.source), "problem") for text in _warnings(summary))
        self.cutoffs.object = "" if self._form.problem else cutoffs_html(summary, self._form.params().preprocess)
        self._says.object = "<br>".join(lines) + problems + _folded(summary.notes, self.source)

    def __panel__(self) -> Any:
        return pmui.Column(
            self._choice, self._path, self._entries, self._says, self._upload, self._remove, self._labels,
            self._columns, self._batches, self._bulk,
            pmui.Row(self._upload_labels, self._upload_bulk, margin=0, sizing_mode="stretch_width"),
            self._sure, sizing_mode="stretch_width", margin=0,
        )  # fmt: skip


def _warnings(summary: SourceSummary) -> Sequence[str]:
    if summary.fits:
        return summary.warnings
    return (
        f"This needs about {summary.memory / 2**30:.1f} GiB, and {summary.memory_free / 2**30:.1f} GiB are free: "
        "keep fewer genes or cells.",
        *summary.warnings,
    )


def _span(seconds: tuple[float, float]) -> str:
    """A duration, or two where they differ."""
    few, most = (duration(value) for value in seconds)
    return few if few == most else f"{few} to {most}"


def _folded(notes: Sequence[str], source: Source | None) -> str:
    """What was noticed while reading, for those who want to know."""
    lines = "".join(f"<li>{html.escape(on_page(text, source))}</li>" for text in notes)
    if not lines:
        return ""
    style = "margin:4px 0;padding-left:18px;overflow-wrap:anywhere"
    return f'<details><summary>What was found</summary><ul style="{style}">{lines}</ul></details>'


def _sentence(text: str, kind: str = "") -> str:
    style = "color: var(--mui-palette-error-main, #b00020)" if kind else ""
    return f'<div role="status" style="overflow-wrap:anywhere;{style}">{html.escape(text)}</div>'
