"""The address of the page: it always names what is shown, a button copies it, and who opens it sees the same."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import panel_material_ui as pmui

from scgnn2_app.charts.colouring import choices
from scgnn2_app.link import FIELDS, map_view_of, query_of, read, written
from scgnn2_app.page_script import PageScript
from scgnn2_app.session import Session
from scgnn2_engine.errors import InputError, ScgnnError

COPIED = "The link to this view is copied: run, tab, gene, colours, part of the map and selected cells are in it."
NOT_COPIED = "The browser does not let this page copy. The address above is the link: copy it from there."


class Address:
    """Keeps the address of a served page, and brings back what one names.

    Parameters
    ----------
    session
        What is looked at.
    tabs
        The tabs.
    names
        What they are called, in their order.
    script
        Writes the address in the browser.
    """

    def __init__(self, session: Session, tabs: Any, names: list[str], script: PageScript) -> None:
        self._session, self._tabs, self._names, self._script = session, tabs, names, script
        self._follows = False
        self.button = pmui.Button(
            label="Copy link", size="small", variant="outlined", margin=(0, 4), visible=False,
            description="Copy link: whoever may see this run sees what you see now", on_click=lambda _: script.copy(),
        )  # fmt: skip
        script.on_copied = lambda done: session.say(*((COPIED, "success") if done else (NOT_COPIED, "warning")))

    def follow(self) -> None:
        """From now on the address names what is shown."""
        self._follows = self.button.visible = True
        self._session.param.watch(lambda *_: self._write(), ["run_id", "run", "gene", "selection", "map_view"])
        self._tabs.param.watch(lambda _: self._write(), "active")
        self._write()

    def fields(self) -> dict[str, str]:
        """What is shown, as fields of an address."""
        session = self._session
        found = {"run": session.run_id, "tab": self._names[int(self._tabs.active)]}
        if session.run is not None:
            found |= {"gene": session.gene, **query_of(session.map_view)}
            if session.has_selection:
                with suppress(OSError, ScgnnError):  # a disk that is full keeps no long selection
                    found["cells"] = written(session.selection, session.run.n_obs, session.run.folder)
        return {name: text for name, text in found.items() if text}

    def restore(self, query: dict[str, str]) -> None:
        """Show the rest of what an address names, once its run is shown; what cannot be shown is said."""
        session, problems = self._session, []
        for part in (self._map, self._gene, self._cells) if session.run is not None else ():
            try:
                part(query)
            except ScgnnError as error:
                problems.append(str(error))
        wanted = query.get("tab", "")
        if wanted in self._names:
            self._tabs.active = self._names.index(wanted)
        elif wanted:
            problems.append(f"The link names a tab {wanted[:60]!r}, which this page does not have.")
        if problems:
            session.say("\n\n".join(problems), "warning")

    def _map(self, query: dict[str, str]) -> None:
        session = self._session
        colour = query.get("colour", "")
        session.map_view = replace(session.map_view, colour=colour)
        session.map_view = map_view_of(query)
        if colour and colour not in choices(session.run):
            raise InputError(
                f"The link colours the cells by {colour[:60]!r}, which this run does not have.",
                advice="They are coloured by predicted cluster.",
            )

    def _gene(self, query: dict[str, str]) -> None:
        session, gene = self._session, query.get("gene", "")
        if not gene:
            return
        if gene not in session.run.genes and gene not in session.run.genes_left_out:
            raise InputError(f"The link names a gene {gene[:60]!r}, which this run does not have.")
        session.gene = gene

    def _cells(self, query: dict[str, str]) -> None:
        run = self._session.run
        if "cells" in query:
            self._session.select(read(query["cells"], run.n_obs, run.folder))

    def _write(self) -> None:
        if self._follows:
            self._script.address = self.fields()


def fields_of(search: str) -> dict[str, str]:
    """The fields of a view in the query of an address.

    Parameters
    ----------
    search
        The query, with or without its ``?``.

    Examples
    --------
    >>> fields_of("?run=20261124T183712123456-3f9a2c&gene=CD8A&other=1")
    {'run': '20261124T183712123456-3f9a2c', 'gene': 'CD8A'}
    """
    found = parse_qs(search.removeprefix("?"))
    return {name: found[name][0].strip('"') for name in FIELDS if name in found}
