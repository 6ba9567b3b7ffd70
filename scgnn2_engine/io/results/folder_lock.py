"""One run at a time in an output folder, by a lock that dies with the process that holds it."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scgnn2_engine.errors import OutputError
from scgnn2_engine.io.atomic import output_error

LOCK = ".scgnn2-lock"
TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # of flock, and of locking on Windows


@contextmanager
def held(directory: str | Path) -> Iterator[None]:
    """Keep every other run out of a folder while the block lasts.

    The system drops the lock when the process ends, however it ends, so what is left by one that was killed holds
    nobody up. On a file system that knows no locks the block is entered without one.

    Parameters
    ----------
    directory
        The output folder; made if it is not there.

    Raises
    ------
    OutputError
        Another run is at work there, or the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with held(folder):
    ...     try:
    ...         held(folder).__enter__()
    ...     except OutputError as error:
    ...         error.problem == f"{folder} is in use: another run is at work there."
    True
    >>> list(folder.iterdir())
    []
    """
    path = Path(directory) / LOCK
    file = _taken(path)
    try:
        yield
    finally:
        with suppress(OSError):  # on Windows a file that is open stays until it is closed
            path.unlink()
        os.close(file)
        if sys.platform == "win32":
            with suppress(OSError):  # somebody else has opened it since
                path.unlink()


def _taken(path: Path) -> int:
    """The descriptor of the locked file, with who holds it written inside."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise output_error(path.parent, error) from error
        except ValueError as error:
            raise OutputError(f"{str(path.parent)!r} cannot be the name of a folder: {error}.") from error
        try:
            _lock(file)
        except OSError as error:
            owner = os.pread(file, 200, 0).decode(errors="replace") if sys.platform != "win32" else ""
            os.close(file)
            if error.errno in TAKEN:
                raise _in_use(path.parent, owner) from error
            raise output_error(path.parent, error) from error
        # Whoever held it before may have removed the name between our opening and our locking it.
        if sys.platform == "win32" or _is_there(path, file):
            break
        os.close(file)
    os.ftruncate(file, 0)
    with suppress(OSError):  # a full disk: it only says who holds it
        os.write(file, f"process {os.getpid()} on {socket.gethostname()}".encode())
    return file


def _lock(file: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):  # a file system without locks
            raise


def _is_there(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(file))
    except FileNotFoundError:
        return False


def _in_use(directory: Path, owner: str) -> OutputError:
    return OutputError(
        f"{directory} is in use: another run is at work there.",
        expected="a folder of its own for each run",
        found=owner,
        advice="Wait until that run has ended, or choose another output_dir.",
    )
