"""The dashboard: ``scgnn2 serve`` in the browser, ``Dashboard(adata)`` in a notebook.

The names below are loaded when first used: the processes of the runs import this package too, and need no page.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scgnn2_app.app import create_page
    from scgnn2_app.notebook import Dashboard

_HOMES = {"Dashboard": "notebook", "create_page": "app"}

__all__ = ["Dashboard", "create_page"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
