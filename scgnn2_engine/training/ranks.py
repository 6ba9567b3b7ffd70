"""One training on several devices or machines: each process takes its part of every batch, gradients are added up.

Started by ``torchrun -m scgnn2_engine run …``. Every rank reads the data and draws the same random numbers, so that a
step is the step of one process but for the order in which numbers are added; all other stages are computed on each
rank alike, and the first one alone writes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from scgnn2_engine.errors import ParameterError, TrainingError

ENDED = "scgnn2 has ended"
"""Key under which the first rank says that it needs the others no longer."""


@dataclass(frozen=True)
class Ranks:
    """The processes that train together, seen from one of them; with the defaults there is no other.

    Attributes
    ----------
    rank, n_ranks
        Which of how many this one is.
    store
        Where each can leave a word for the others (torch's ``Store``).

    Examples
    --------
    >>> Ranks().part(10)
    slice(0, 10, None)
    >>> Ranks(1, 3).part(10)
    slice(4, 7, None)
    """

    rank: int = 0
    n_ranks: int = 1
    store: Any = field(default=None, repr=False, compare=False)

    @property
    def first(self) -> bool:
        """Whether this is the rank that decides and writes."""
        return self.rank == 0

    def part(self, n: int) -> slice:
        """Which of ``n`` samples of a batch this rank computes: equal shares, in order, up to one."""
        share, more = divmod(n, self.n_ranks)
        start = self.rank * share + min(self.rank, more)
        return slice(start, start + share + (self.rank < more))

    def sum(self, values: Tensor) -> Tensor:
        """Their sum over the ranks, element by element.

        Raises
        ------
        TrainingError
            Another rank has gone away.
        """
        if self.n_ranks > 1:
            values = values.contiguous()
            self._together(torch.distributed.all_reduce, values)
        return values

    def sum_gradients(self, network: nn.Module) -> None:
        """Add up the gradients of a network's parameters, in one message; raises what :meth:`sum` does."""
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        if self.n_ranks == 1 or not gradients:
            return
        together = self.sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        for gradient, part in zip(gradients, torch.split(together, [part.numel() for part in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def of_first(self, value: float) -> float:
        """What the first rank has, which decides for all; raises what :meth:`sum` does."""
        if self.n_ranks == 1:
            return value
        device = "cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        told = torch.tensor([value], dtype=torch.float64, device=device)
        self._together(torch.distributed.broadcast, told, 0)
        return float(told.item())

    def _together(self, collective: Any, *arguments: Any) -> None:
        try:
            collective(*arguments)
        except RuntimeError as error:
            if not self.first and self.store.check([ENDED]):
                raise SystemExit(0) from error
            raise TrainingError(
                f"Rank {self.rank} of {self.n_ranks} has lost another one ({str(error).splitlines()[0]}).",
                stage="feature_AE",
                iteration=0,
                epoch=0,
                advice="Look for the first error among the ranks. The run goes on with one process: --resume.",
            ) from error

    def leave(self) -> None:
        """Leave the others; from the first rank they learn that they are needed no longer."""
        if self.n_ranks == 1:
            return
        if self.first:
            self.store.set(ENDED, "1")
        torch.distributed.destroy_process_group()


def join() -> Ranks:
    """Join the processes that ``torchrun`` started: NCCL between CUDA devices, one each, else gloo.

    Raises
    ------
    ParameterError
        This build of torch knows no other process, or the others cannot be reached.
    """
    if not torch.distributed.is_available():
        raise ParameterError("This build of torch trains in one process only.", advice="Start it without torchrun.")
    from torch.distributed.rendezvous import rendezvous

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")) % torch.cuda.device_count())
    try:
        store, rank, n_ranks = next(rendezvous("env://"))
        backend = "nccl" if cuda else "gloo"
        torch.distributed.init_process_group(
            backend, store=store, rank=rank, world_size=n_ranks, timeout=timedelta(hours=2)
        )
    except (RuntimeError, ValueError) as error:
        raise ParameterError(
            "The other ranks cannot be reached.",
            expected="what torchrun sets: RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT",
            found=str(error).splitlines()[0],
            advice="Start it with torchrun, and see that its rendezvous address is reachable from each machine.",
        ) from error
    return Ranks(rank, n_ranks, store)
