"""The field in which a gene is chosen; all tabs share the choice."""

from __future__ import annotations

from typing import Any

import panel as pn
import panel_material_ui as pmui

from scgnn2_app.session import Session


class GenePicker(pn.viewable.Viewer):
    """Choose a gene of the shown run by typing; sets ``session.gene`` and follows it.

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
        """Offer the genes of the run; the gene stays where the run has it, else it becomes the run's first."""
        run = self._session.run
        if run is None:
            return
        names = run.var_names.tolist()
        gene = self._session.gene if self._session.gene in run.genes else names[0] if names else ""
        self.field.param.update(options=names, value=gene, helper_text=f"one of the {len(names):,} genes kept")
        self._session.gene = gene

    def _chosen(self, gene: str | None) -> None:
        run = self._session.run
        if run is not None and gene and gene in run.genes:
            self._session.gene = gene

    def _follow(self, gene: str) -> None:
        if gene and self.field.value != gene and gene in self.field.options:
            self.field.value = gene

    def __panel__(self) -> Any:
        return self.field
