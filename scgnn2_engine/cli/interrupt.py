"""Ctrl-C and SIGTERM: a question that a run asks itself, or the end of a command that asks nothing."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = 130
"""Exit code of a command that was stopped by Ctrl-C: 128 and the number of the signal."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised where Ctrl-C would raise ``KeyboardInterrupt``: temporary files go in the same way."""

    exit_code = 128 + signal.SIGTERM


def terminate(number: int, frame: FrameType | None) -> None:
    """Handle SIGTERM as Python handles Ctrl-C."""
    raise Terminated


@contextmanager
def told_apart() -> Iterator[None]:
    """Let SIGTERM raise :class:`Terminated`, from before the first slow import on; in other threads nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Interrupt:
    """Turns the first Ctrl-C or SIGTERM into a question the run asks itself; the second one ends it at once.

    Attributes
    ----------
    asked
        Whether one has come.
    exit_code
        128 and the number of that signal.
    """

    def __init__(self) -> None:
        self.asked = False
        self.exit_code = INTERRUPTED
        self._before: dict[signal.Signals, Any] = {}

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        self.asked = True
        self.exit_code = 128 + number
        print("\nStopping: the best state so far will be written. Once more to end at once.", file=sys.stderr)

    def __enter__(self) -> Interrupt:
        for kind in (signal.SIGINT, signal.SIGTERM):
            self._before[kind] = signal.signal(kind, self._take)
        return self

    def __exit__(self, *error: object) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)
