"""panel-material-ui sends everything that a search finds: of 30,000 genes thousands at a letter, which the page draws.

The beginning of a name counts before its middle, and a hundred are enough to choose from.
"""

from __future__ import annotations

from typing import Any

import panel_material_ui as pmui

from scgnn2_app.patches.versions import Versions

FOR = Versions("panel-material-ui", "0.16")

MOST_FOUND = 100
"""Names that a search shows at the most."""


class CappedSearch(pmui.AutocompleteInput):  # type: ignore[misc]  # panel carries no types
    """A field with names to choose from, searched on the server: at most a hundred, those that begin so first."""

    def _filter_options(self, query: str, *how: Any) -> list[Any]:
        found: list[Any] = super()._filter_options(query, *how)
        asked = query.lower()
        return sorted(found, key=lambda name: (not str(name).lower().startswith(asked), len(str(name))))[:MOST_FOUND]
