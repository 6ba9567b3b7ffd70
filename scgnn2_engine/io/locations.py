"""Where the files of the ``load_*`` flags are: the benchmark's folder, and names looked for in several places."""

from __future__ import annotations

from pathlib import Path

from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io.paths import expanded
from scgnn2_engine.params import LoadParams


def benchmark_folder(load: LoadParams) -> Path:
    """``load_dataset_dir``/``load_dataset_name``.

    Raises
    ------
    ParameterError
        Neither is given.
    InputError
        There is no such folder.
    """
    if not load.dataset_dir and not load.dataset_name:
        raise ParameterError(
            "load_use_benchmark needs to know the folder.",
            expected="load_dataset_dir DIR and load_dataset_name NAME",
            found="neither",
        )
    folder = expanded(load.dataset_dir) / str(load.dataset_name)
    if not folder.is_dir():
        parent = folder.parent
        inside = sorted(entry.name for entry in parent.iterdir() if entry.is_dir()) if parent.is_dir() else []
        raise InputError(
            f"There is no data set folder {folder}.",
            expected="a folder with original_top_expression.csv",
            found=f"{parent} with {', '.join(inside) or 'no folders'}",
            advice="Check load_dataset_dir and load_dataset_name.",
        )
    return folder


def benchmark_file(folder: Path, name: str) -> Path:
    """A file of the benchmark's folder that must be there.

    Raises
    ------
    InputError
        It is not; the message lists what is.
    """
    path = in_folder(folder, name)
    if path is None:
        raise InputError(
            f"{folder} lacks {name}.",
            expected=f"{name} or {name}.gz",
            found=", ".join(sorted(entry.name for entry in folder.iterdir())) or "an empty folder",
            advice="Name the file with load_sc_dataset instead of load_use_benchmark.",
        )
    return path


def in_folder(folder: Path, name: str) -> Path | None:
    """The file of that name, plain or gzipped, or None."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def places(load: LoadParams, name: str) -> list[Path]:
    """The paths a name may mean, in the order they are tried: the data set's folder, the directory, as it stands."""
    path = expanded(name)
    if path.is_absolute():
        return [path]
    folders = [expanded(load.dataset_dir) / load.dataset_name] if load.dataset_name else []
    folders += [expanded(load.dataset_dir)] if load.dataset_dir else []
    return [*(folder / path for folder in folders), path]


def locate(load: LoadParams, name: str, flag: str) -> Path:
    """The first of a name's :func:`places` that exists.

    Raises
    ------
    InputError
        None does; the message names them all.
    """
    tried = places(load, name)
    for place in tried:
        if place.exists():
            return place
    raise not_found(flag, name, tried)


def not_found(flag: str, name: str, tried: list[Path]) -> InputError:
    """The error for a name that no place holds."""
    return InputError(
        f"{name} ({flag}) does not exist.",
        expected="a file or folder",
        found="nothing at " + ", ".join(str(place) for place in tried),
        advice="Give the whole path, or set load_dataset_dir.",
    )


def looks_like_path(name: str) -> bool:
    """Whether a name means a file rather than a column.

    Examples
    --------
    >>> looks_like_path("labels.csv"), looks_like_path("cell_type")
    (True, False)
    """
    return "/" in name or Path(name).suffix.lower() in {".csv", ".tsv", ".txt", ".gz"}
