"""Held-out entries: the score on which early stops rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scgnn2_engine.data.blocks import AnyMatrix
from scgnn2_engine.data.prepared import HiddenEntries
from scgnn2_engine.training.devices import on_device

CHECKED_CELLS = 1024
"""Most cells on which held-out entries are scored during training."""


class HeldOut:
    """Held-out entries of some cells, and how far a network is from them.

    Parameters
    ----------
    entries
        Positions and values; rows count from the first of the given cells.
    cells
        (n,) positions of the cells that count, in the order in which ``inputs`` has them; None: all, in order.

    Examples
    --------
    >>> import numpy as np
    >>> entries = HiddenEntries(np.array([1, 7]), np.array([0, 2]), np.float32([0.5, 2.5]))
    >>> held_out = HeldOut(entries, cells=np.array([7, 9]))
    >>> held_out.rows, held_out.error(np.zeros((2, 3), np.float32))
    (array([0]), 2.5)
    """

    def __init__(self, entries: HiddenEntries, cells: npt.NDArray[np.integer[Any]] | None = None) -> None:
        rows, chosen = np.asarray(entries.rows), slice(None)
        if cells is not None:
            order = np.argsort(cells, kind="stable")
            place = np.minimum(np.searchsorted(cells, rows, sorter=order), len(cells) - 1)
            rows, found = order[place], cells[order[place]] == rows
            chosen = np.flatnonzero(found)  # type: ignore[assignment]
        by_row = np.argsort(rows[chosen], kind="stable")
        self.rows = rows[chosen][by_row]
        self.cols = np.asarray(entries.cols)[chosen][by_row]
        self.values = entries.values[chosen][by_row]

    def __len__(self) -> int:
        return len(self.rows)

    def error(self, reconstruction: AnyMatrix) -> float:
        """Mean absolute error of (n, g) at the entries."""
        return float(np.abs(reconstruction[self.rows, self.cols] - self.values).mean(dtype=np.float64))

    def scorer(
        self,
        values: Callable[[Any, Tensor, Tensor], Tensor],
        inputs: Callable[[Tensor], Any],
        device: torch.device,
    ) -> Callable[[], float]:
        """The same error of a network as it is, over the entries of at most 1,024 evenly spaced cells.

        Parameters
        ----------
        values
            From inputs (b, ·), rows of these and genes (n,) to what the network says of those entries (n,).
        inputs
            From positions of cells (b,) to what the network is given of them.
        device
            Where that is.
        """
        cells = np.unique(self.rows)
        cells = cells[np.linspace(0, len(cells) - 1, min(len(cells), CHECKED_CELLS)).astype(np.int64)]
        some = HeldOut(HiddenEntries(self.rows, self.cols, self.values), cells)
        batch, rows, cols, wanted = (on_device(part, device) for part in (cells, some.rows, some.cols, some.values))

        def score() -> float:
            return float((values(inputs(batch), rows, cols) - wanted).abs().mean())

        return score
