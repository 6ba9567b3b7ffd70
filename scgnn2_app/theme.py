"""How the page looks, light and dark: the colours of widgets; those of figures are the engine's."""

from __future__ import annotations

from typing import Any

PRIMARY, ACCENT = "#005a9c", "#a04000"
"""On white both have a contrast of more than 4.5 : 1 (WCAG AA)."""

THEME: dict[str, Any] = {
    "light": {
        "palette": {
            "primary": {"main": PRIMARY},
            "secondary": {"main": ACCENT},
            "success": {"main": "#1b6e3c"},
            "error": {"main": "#b00020"},
            "warning": {"main": "#8a5000"},
        },
        "typography": {"fontSize": 13},
    },
    "dark": {
        "palette": {
            "primary": {"main": "#7cc0ff"},
            "secondary": {"main": "#ffb37a"},
            "success": {"main": "#6fcf97"},
            "error": {"main": "#ff8a80"},
            "warning": {"main": "#ffc069"},
            # Arrows, plus and minus have the colour "dark", which is as good as that of the page unless it is set.
            "default": {"main": "#9e9e9e", "light": "#424242", "dark": "#c8c8c8", "contrastText": "#ffffff"},
        },
        "typography": {"fontSize": 13},
    },
}
"""Themes of panel-material-ui, by mode."""

CHARTS = {"display": "grid", "grid-template-columns": "repeat(auto-fit, minmax(290px, 1fr))", "gap": "4px"}
"""Style of a column whose charts stand side by side as far as there is room."""

TABLE = ".tabulator, .tabulator .tabulator-col, .tabulator-row .tabulator-cell { font-size: 13px !important; }"
"""Stylesheet of a table."""

NO_SCROLL_BUTTON = ".scroll-button { display: none; }"
"""Stylesheet of such a column: Panel's hidden button would take the first place of the grid."""

STATES = {
    "queued": "default",
    "running": "primary",
    "stopping": "warning",
    "stopped": "warning",
    "failed": "error",
    "done": "success",
}
"""Colour of a run's state."""
