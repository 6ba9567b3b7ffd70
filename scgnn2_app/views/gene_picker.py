"""The field in which a gene is chosen; all tabs share the choice."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import panel as pn
import panel_material_ui as pmui

from scgnn2_app.results.run_data import RunData
from scgnn2_app.session import Session

_PROPOSED: WeakKeyDictionary[Session, str] = WeakKeyDictionary()
"""The gene that a session shows because nobody chose one; all its pickers share it."""


class GenePicker(pn.viewable.Viewer):
    """Choose a gene of the shown run by typing; sets ``session.gene`` and follows it.

    Until the user chooses one, it is the gene that :func:`first_gene` names.

    Parameters
    ----------
    session
        Whose gene it is.
    """

    def __init__(self, session: Session, **look: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session = session
        self.field = pmui.AutocompleteInput(
            label="Gene", options=[], value=None, case_sensitive=False, search_strategy="includes", min_characters=1,
            restrict=True, placeholder="type a name", size="small", margin=(6, 8),
            **({"sizing_mode": "stretch_width"} | look),
        )  # fmt: skip
        self.field.param.watch(lambda event: self._chosen(event.new), "value")
        session.param.watch(lambda _: self._take_up(), "run")
        session.param.watch(lambda event: self._follow(event.new), "gene")
        self._take_up()

    @property
    def visible(self) -> bool:
        """Whether the field is there."""
        return bool(self.field.visible)

    @visible.setter
    def visible(self, there: bool) -> None:
        if self.field.visible != there:
            self.field.visible = there

    def _take_up(self) -> None:
        """Offer the genes of the run; a gene that was chosen stays where the run has it."""
        run = self._session.run
        if run is None:
            return
        names = run.var_names.tolist()
        gene = self._session.gene
        if gene not in run.genes or gene == _PROPOSED.get(self._session):
            gene = _PROPOSED[self._session] = first_gene(run)
        self.field.param.update(options=names, value=gene, helper_text=f"one of the {len(names):,} genes kept")
        self._session.gene = gene

    def _chosen(self, gene: str | None) -> None:
        run = self._session.run
        if run is not None and gene and gene in run.genes:
            self._session.gene = gene

    def _follow(self, gene: str) -> None:
        if gene != _PROPOSED.get(self._session):
            _PROPOSED.pop(self._session, None)  # it was chosen, and so it stays
        if gene and self.field.value != gene and gene in self.field.options:
            self.field.value = gene

    def __panel__(self) -> Any:
        return self.field


def first_gene(run: RunData) -> str:
    """The gene with the most hidden entries, of which the most can be said; the first where none are hidden."""
    if not run.n_vars:
        return ""
    hidden = run.hidden_positions
    place = 0 if hidden is None else int(np.bincount(hidden[1], minlength=run.n_vars).argmax())
    return str(run.var_names[place])
