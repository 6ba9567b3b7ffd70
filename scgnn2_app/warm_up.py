"""What a server does before and just after it answers, so that no first page and no first run waits for it."""

from __future__ import annotations

import gc
import importlib
import traceback
from collections.abc import Callable

WARM_UP: list[Callable[[], object]] = []
"""Called one after the other in a thread when a server starts: compile, import, anything slow that a page needs later.

What one of them raises is printed and forgotten; it must not touch a page.
"""

LOADED_FIRST = ("scgnn2_app.app", "sklearn.cluster", "scanpy")
"""What is imported before a server answers: some seconds, which the first page would take otherwise."""


def load() -> None:
    """Import what every page needs, before there is a second thread.

    Packages that import each other in a circle, as scikit-learn's do, can lock each other out for good when two threads
    import them at once.
    """
    for name in LOADED_FIRST:
        importlib.import_module(name)


def warm_up() -> None:
    """Do what can be done in advance; meant for a thread of its own."""
    for action in WARM_UP:
        try:
            action()
        except Exception:  # it only saves time later
            traceback.print_exc()
    # What was imported stays to the end: a collection that walks through all of it takes a third of a second, and
    # strikes while pages are made.
    gc.collect()
    gc.freeze()
