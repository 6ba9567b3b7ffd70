"""Files that are written whole or not at all.

One file (:func:`whole_file`) is written under a temporary name in its own folder, flushed to the disk and renamed.
A set of files (:func:`staged_files`) is written into a hidden folder beside its destination and moved only when all of
it is there, so a disk that fills up half-way leaves an earlier result as it was.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from scgnn2_engine.errors import OutputError

STAGING_PREFIX = ".scgnn2-writing-"


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary path to write to; the file gets its own name when the block ends without an error.

    Parameters
    ----------
    path
        Where the file shall be; its folder is made. An earlier file there is replaced in one step.

    Yields
    ------
    Path
        A new, empty file in the same folder, with the same suffix.

    Raises
    ------
    OutputError
        The folder or file cannot be written, or the disk is full. Nothing is left behind.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with whole_file(folder / "note.txt") as temporary:
    ...     _ = temporary.write_text("all of it")
    >>> [file.name for file in folder.iterdir()], (folder / "note.txt").read_text()
    (['note.txt'], 'all of it')
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem[:80]}-{secrets.token_hex(4)}.tmp{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
        yield temporary
        _flush_to_disk(temporary)
        os.replace(temporary, path)
        _flush_to_disk(path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Give the path of a new folder; it gets its own name when the block ends without an error.

    Parameters
    ----------
    path
        Where the folder shall be; an earlier one there is replaced.

    Yields
    ------
    Path
        A name in the same place and with the same suffix, where nothing is.

    Raises
    ------
    OutputError
        The folder cannot be written, or the disk is full. Nothing is left behind.
    """
    path = Path(path)
    temporary, earlier = (path.with_name(f".{path.stem[:80]}-{secrets.token_hex(4)}{path.suffix}") for _ in range(2))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if path.exists():
            os.replace(path, earlier)
        os.replace(temporary, path)
        _flush_to_disk(path.parent)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        for left in (temporary, earlier):
            shutil.rmtree(left, ignore_errors=True)


@contextmanager
def staged_files(directory: str | Path, *, last: str, stale: tuple[str, ...] = ()) -> Iterator[Path]:
    """Give a hidden folder to fill; its files move into ``directory`` when the block ends without an error.

    Parameters
    ----------
    directory
        Where the files shall be; sub-folders are kept.
    last
        Name of the file that is moved last (and removed first), so that its presence means: complete.
    stale
        Files of an earlier set, relative to ``directory``, that are removed where the new set has none of that name.

    Yields
    ------
    Path
        The folder to write in.

    Raises
    ------
    OutputError
        A file cannot be written, or the disk is full. ``directory`` is then as it was.
    """
    directory = Path(directory)
    staging = directory / f"{STAGING_PREFIX}{secrets.token_hex(4)}"
    try:
        staging.mkdir(parents=True)
        yield staging
        files = sorted(file.relative_to(staging) for file in staging.rglob("*") if file.is_file())
        for file in files:
            _flush_to_disk(staging / file)
        (directory / last).unlink(missing_ok=True)
        remove_files(directory, tuple(name for name in stale if Path(name) not in files))
        for file in sorted(files, key=lambda file: file == Path(last)):
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / file, directory / file)
        _flush_to_disk(directory)
    except OSError as error:
        raise output_error(directory, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def remove_files(directory: Path, names: tuple[str, ...]) -> None:
    """Remove the named files of a folder, and sub-folders that are empty afterwards."""
    for name in names:
        (directory / name).unlink(missing_ok=True)
    for parent in {parent for name in names for parent in Path(name).parents if parent != Path()}:
        with suppress(OSError):  # not empty: holds files of the user's
            (directory / parent).rmdir()


def refuse_existing(path: str | Path, *, overwrite: bool = False) -> None:
    """Refuse to write over a file that is there.

    Raises
    ------
    OutputError
        The file exists and ``overwrite`` is off.
    """
    if not overwrite and Path(path).exists():
        raise OutputError(
            f"{path} exists already.",
            expected="a new file",
            advice="Choose another name, or add --overwrite (overwrite=True) to replace it.",
        )


def output_error(path: Path, error: OSError) -> OutputError:
    """The error for a file or folder that cannot be written."""
    reason = error.strerror or str(error)
    if error.errno == errno.ENOSPC or "errno = 28" in str(error):  # HDF5 gives the number in its text only
        parent = next((folder for folder in (path, *path.parents) if folder.is_dir()), Path("/"))
        return OutputError(
            f"The disk is full: {path} was not written.",
            expected="room for the whole file",
            found=f"{shutil.disk_usage(parent).free / 2**20:,.0f} MiB free",
            advice="Free some space or choose another output_dir; earlier files are as they were.",
        )
    return OutputError(
        f"{path} cannot be written: {reason}.",
        expected="a folder this user may write to",
        found=f"{type(error).__name__} on {error.filename or path}",
        advice="Choose another output_dir, or change the rights of this one.",
    )


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
