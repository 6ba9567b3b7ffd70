"""Ctrl-C as a question that a run asks itself."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Any

INTERRUPTED = 130
"""Exit code of a run that was stopped by Ctrl-C or SIGTERM."""


class Interrupt:
    """Turns the first Ctrl-C or SIGTERM into a question the run asks itself; the second one ends it at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("\nStopping: the best state so far will be written. Once more to end at once.", file=sys.stderr)

    def __enter__(self) -> Interrupt:
        for kind in (signal.SIGINT, signal.SIGTERM):
            self._before[kind] = signal.signal(kind, self._take)
        return self

    def __exit__(self, *error: object) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)
