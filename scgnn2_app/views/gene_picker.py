"""The field in which a gene is chosen; all tabs share the choice."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import panel as pn

from scgnn2_app.patches.material_search import CappedSearch
from scgnn2_app.session import Session

MOST_SENT = 5000
"""Names that are sent to the browser, which searches them; more are searched on the server."""

_PROPOSED: WeakKeyDictionary[Session, str] = WeakKeyDictionary()
"""The gene that a session shows because nobody chose one; all its pickers share it."""


class GenePicker(pn.viewable.Viewer):
    """Choose a gene of the shown run by typing; sets ``session.gene`` and follows it.

    Until the user chooses one, it is the gene that differs most between the clusters. Genes that the run did not keep
    can be chosen too: they were observed.

    Parameters
    ----------
    session
        Whose gene it is.
    """

    def __init__(self, session: Session, **look: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # panel carries no types
        self._session = session
        self.field = CappedSearch(
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
        kept, others = run.var_names.tolist(), sorted(run.genes_left_out)
        names = kept + others
        gene = self._session.gene
        if gene not in names or gene == _PROPOSED.get(self._session):
            gene = _PROPOSED[self._session] = run.telling_gene() if kept else ""
        said = f"one of the {len(kept):,} genes kept" + (f" or {len(others):,} others" if others else "")
        # A search on the server sends a message of its own once the field is there: only where names are too many.
        self.field.param.update(options=names, value=gene, helper_text=said, lazy_search=len(names) > MOST_SENT)
        self._session.gene = gene

    def _chosen(self, gene: str | None) -> None:
        if gene:
            self._session.gene = gene

    def _follow(self, gene: str) -> None:
        if gene != _PROPOSED.get(self._session):
            _PROPOSED.pop(self._session, None)  # it was chosen, and so it stays
        if gene and self.field.value != gene and gene in self.field.options:
            self.field.value = gene

    def __panel__(self) -> Any:
        return self.field
