"""Where tensors live and on how many threads they are computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scgnn2_engine.errors import InsufficientMemoryError, ParameterError
from scgnn2_engine.resources import usable_processors


def resolve_device(name: str) -> torch.device:
    """The device to run on.

    Parameters
    ----------
    name
        ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"auto"``: the first of cuda, mps, cpu that this machine has.

    Raises
    ------
    ParameterError
        The name is unknown, or the machine (or this build of torch) has no such device.

    Examples
    --------
    >>> resolve_device("cpu")
    device(type='cpu')
    """
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in present.items() if there))
    here = ", ".join(device for device, there in present.items() if there)
    if name not in present:
        raise ParameterError("device is unknown.", expected="one of auto, cpu, cuda, mps", found=repr(name))
    if not present[name]:
        raise ParameterError(
            f"device = {name} is not available.",
            expected=f"one of auto, {here}",
            found=f"torch {torch.__version__} without a {name} device",
            advice="Set device = auto, or install the build of torch for your accelerator.",
        )
    return torch.device(name)


@contextmanager
def threads(n: int) -> Iterator[int]:
    """Let torch compute on ``n`` threads (0: all processors this process may use), and restore what was set before.

    Yields
    ------
    int
        The number of threads in use.

    Raises
    ------
    ParameterError
        ``n`` is negative.

    Examples
    --------
    >>> with threads(1) as used:
    ...     print(used, torch.get_num_threads())
    1 1
    """
    if n < 0:
        raise ParameterError("threads is too small.", expected="a whole number of at least 0", found=str(n))
    before = torch.get_num_threads()
    torch.set_num_threads(n or usable_processors())
    try:
        yield torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def mixed_precision(device: torch.device, *, enabled: bool) -> torch.autocast:
    """A context in which matrices are multiplied in bfloat16 where the device has instructions for that.

    CUDA has them, and of processors those with AMX, on which a product takes a sixth of the time of float32; on others
    bfloat16 is slower.

    Examples
    --------
    >>> with mixed_precision(torch.device("cpu"), enabled=False):
    ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
    torch.float32
    """
    has_instructions = device.type == "cuda" or (device.type == "cpu" and torch.cpu.get_capabilities()["amx_bf16"])
    kind = device.type if has_instructions else "cpu"
    return torch.autocast(kind, torch.bfloat16, enabled=enabled and has_instructions)


def on_device(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """An array as a tensor on a device; on the CPU it shares the array's memory unless that is read-only.

    Raises
    ------
    InsufficientMemoryError
        The device has too little memory for it.

    Examples
    --------
    >>> import numpy as np
    >>> on_device(np.ones(2, np.float32), torch.device("cpu"))
    tensor([1., 1.])
    """
    values = np.require(values, requirements=["C", "W"])
    with enough_memory(device, f"an array of {values.nbytes / 2**30:.2f} GiB"):
        return torch.from_numpy(values).to(device)


class Rows:
    """Rows of an array, batch after batch, in the same memory.

    Memory that is given back and asked for again comes in fresh pages, and touching those takes longer than copying
    the rows. What a call returns is overwritten by the next one.

    Examples
    --------
    >>> import numpy as np
    >>> rows = Rows(np.arange(4.0), torch.device("cpu"))
    >>> rows(torch.tensor([3, 0])), rows(slice(None))
    (tensor([3., 0.], dtype=torch.float64), tensor([0., 1., 2., 3.], dtype=torch.float64))
    """

    def __init__(self, values: npt.NDArray[Any], device: torch.device) -> None:
        self.all = on_device(values, device)
        self._memory = self.all.new_empty(0)

    def __call__(self, batch: slice | Tensor) -> Tensor:
        """A view for a slice, a copy for positions."""
        if isinstance(batch, slice):
            return self.all[batch]
        self._memory = roomy(self._memory, len(batch), self.all)
        return torch.index_select(self.all, 0, batch, out=self._memory[: len(batch)])


def roomy(memory: Tensor, n_rows: int, like: Tensor) -> Tensor:
    """The memory itself where it has that many rows, else new memory with rows like those of ``like``.

    Examples
    --------
    >>> roomy(torch.empty(0), 2, torch.ones(5, 3)).shape
    torch.Size([2, 3])
    """
    return memory if len(memory) >= n_rows else like.new_empty((n_rows, *like.shape[1:]))


def aligned(tensor: Tensor) -> Tensor:
    """The tensor, copied if its memory does not start at a multiple of 64 bytes.

    Matrix products may round differently on data that is aligned differently, so equal bytes need equal alignment.

    Examples
    --------
    >>> aligned(torch.arange(9.0)[1:]).data_ptr() % 64
    0
    """
    return tensor if tensor.data_ptr() % 64 == 0 else tensor.clone()


@contextmanager
def enough_memory(device: torch.device, what: str) -> Iterator[None]:
    """Turn torch's own error into one that says what to do.

    Raises
    ------
    InsufficientMemoryError
        The device ran out of memory inside the block.

    Examples
    --------
    >>> with enough_memory(torch.device("cpu"), "a step"):
    ...     pass
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise InsufficientMemoryError(
            f"{device} has too little memory for {what}.",
            found=str(error).splitlines()[0],
            advice="Set a smaller batch_size of the autoencoder, or device = cpu.",
        ) from error
