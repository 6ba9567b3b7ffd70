"""Trainings that wait for nothing, handed to the workers of a Dask cluster; arrays go by files in a shared folder."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from scgnn2_engine.errors import InputError, MissingPackageError, ParameterError
from scgnn2_engine.events import Stop
from scgnn2_engine.resources import usable_processors

CONNECT_SECONDS = 20
ASKED_EVERY = 0.2
"""Seconds between two questions whether to stop."""

RETRIES = 3
"""Workers that may be lost under a task before it is given up."""


class DaskTasks:
    """Tasks on the workers of a Dask cluster, each of which must see the folder under this path.

    Parameters
    ----------
    address
        The scheduler's, such as ``tcp://127.0.0.1:8786``; ``"auto"`` starts workers on this machine, one a processor.
    folder
        Where tasks find and leave their arrays; it is made when it is needed.
    threads
        Of each task.

    Raises
    ------
    MissingPackageError
        ``distributed`` is not installed.
    ParameterError
        Nobody answers at the address.
    """

    def __init__(self, address: str, folder: Path, threads: int = 1) -> None:
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise MissingPackageError(
                "Training on a Dask cluster needs the package distributed.", advice="pip install 'scgnn2[cluster]'"
            ) from error
        self.folder, self.threads = folder.resolve(), threads
        self._cluster: Any = None
        if address == "auto":
            self._cluster = LocalCluster(
                n_workers=max(1, usable_processors() // threads),
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,
                silence_logs="CRITICAL",
            )
        try:
            self._client: Any = Client(self._cluster or address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ParameterError(
                f"No Dask scheduler answers at {address}.",
                expected="the address that dask scheduler prints, such as tcp://host:8786, or auto",
                found=str(error) or type(error).__name__,
                advice="Start one with: dask scheduler, and workers with: dask worker ADDRESS --nthreads 1",
            ) from error
        self._futures: dict[str, Any] = {}

    def submit(self, key: str, function: Callable[..., None], *arguments: Any) -> None:
        """Hand out a function that workers can import, with small arguments; once for each key."""
        if key not in self._futures:
            name = f"scgnn2-{self.folder}-{key}"
            self._futures[key] = self._client.submit(
                checked, versions(), str(self.folder), function, *arguments, key=name, pure=False, retries=RETRIES
            )

    def handed_out(self, key: str) -> bool:
        """Whether a task of that key was submitted."""
        return key in self._futures

    def wait(self, key: str, stop: Stop) -> str:
        """Wait until a task is over; empty where it is done, else why it is not. Stopping gives up all of them."""
        future = self._futures[key]
        while future.status == "pending":
            if stop():
                self._client.cancel(list(self._futures.values()))
                return "stopped"
            time.sleep(ASKED_EVERY)
        if future.status == "finished":
            return ""
        if future.status == "error":
            error = future.exception()
            return f"{type(error).__name__}: {error}"
        return "the Dask scheduler is gone"

    def close(self) -> None:
        """Leave the scheduler, and end the workers that were started here."""
        self._client.close()
        if self._cluster is not None:
            self._cluster.close()


def versions() -> Mapping[str, str]:
    """Versions that must be the same for the same numbers."""
    return {name: importlib.metadata.version(name) for name in ("scgnn2", "torch", "numpy")}


def checked(expected: Mapping[str, str], folder: str, function: Callable[..., None], *arguments: Any) -> None:
    """In a worker: carry out a task, if this worker is one that can.

    Raises
    ------
    InputError
        It has other versions, or does not see the folder.
    """
    if versions() != expected:
        raise InputError("A worker has other versions.", expected=str(expected), found=str(versions()))
    if not Path(folder).is_dir():
        raise InputError("A worker does not see the folder of the run.", expected=f"{folder}, on a disk that is shared")
    function(*arguments)
