"""From a path, an AnnData or the ``--load_*`` flags to one Dataset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io.assemble import finish, from_table
from scgnn2_engine.io.bulk import read_bulk
from scgnn2_engine.io.h5ad import found_in_anndata, read_h5ad
from scgnn2_engine.io.kinds import READABLE, kind_of
from scgnn2_engine.io.labels import labels_in_obs, read_labels
from scgnn2_engine.io.r_objects import read_rdata
from scgnn2_engine.io.states import read_states
from scgnn2_engine.io.tenx import read_tenx_folder, read_tenx_h5
from scgnn2_engine.io.text import read_table
from scgnn2_engine.params import LoadParams, RunParams
from scgnn2_engine.types import Dataset

if TYPE_CHECKING:
    from anndata import AnnData

_SOURCES = ("load_use_benchmark", "load_sc_dataset", "load_from_10X", "load_seurat_object", "load_rdata")
_MASK_SEED = 1  # of the published masked copy, from which the published LTMG_<p>.csv were computed


def read(path: str | Path, load: LoadParams | None = None, *, max_memory: float = 0.0) -> Dataset:
    r"""Read an expression matrix from a file or folder; what it is, is decided by its content.

    Parameters
    ----------
    path
        csv or tsv (plain or gzip), a 10x folder (v2, v3) or .h5, an .h5ad, or an R file with a data frame or matrix.
    load
        How to read it: ``orientation`` of text, ``layer`` of AnnData, ``scale``. Defaults decide by evidence.
    max_memory
        GiB the matrix may take; 0 takes what is free.

    Returns
    -------
    Dataset
        (n_obs, n_vars), rows are cells; float32, CSR where at least 60 % are zeros. ``notes`` and ``warnings`` say
        what was detected, ``facts`` says it to programs.

    Raises
    ------
    InputError
        The file is missing, damaged, of another kind, a pickle, or holds values that cannot be used.
    InsufficientMemoryError
        The matrix is expected not to fit.
    MissingPackageError
        An R file, without the optional package that reads it.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "tiny.csv")
    ...     _ = file.write_text("gene,cell_1,cell_2\nActb,3,0\nGapdh,5,1\n")
    ...     data = read(file)
    >>> data.expression.tolist(), data.facts["orientation"]
    ([[3.0, 5.0], [0.0, 1.0]], 'genes-by-cells')
    """
    load = load or RunParams().load
    path = Path(path).expanduser()
    kind = kind_of(path)
    if kind == "h5ad":
        found = read_h5ad(path, layer=load.layer, max_memory=max_memory)
    elif kind == "10x folder":
        found = read_tenx_folder(path, max_memory=max_memory)
    elif kind == "10x h5":
        found = read_tenx_h5(path, max_memory=max_memory)
    elif kind == "rdata":
        found = from_table(read_rdata(path, max_memory=max_memory), str(path), load)
    else:
        found = from_table(read_table(path, max_memory=max_memory), str(path), load)
    return finish(found, load)


def from_anndata(adata: AnnData, load: LoadParams | None = None) -> Dataset:
    """Take the matrix, names and cell annotation of an AnnData, which stays as it is.

    Parameters
    ----------
    adata
        Rows are cells. The matrix is ``load.layer``, else ``layers['counts']``, else ``.raw``, else ``X``.
    load
        How to read it; only ``layer`` and ``scale`` matter here.

    Raises
    ------
    InputError
        The chosen matrix holds negative values (it is scaled; the others are named), NaN or infinity.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> from_anndata(anndata.AnnData(np.array([[1.0, 0.0], [2.0, 5.0]], dtype=np.float32))).facts["matrix"]
    'X'
    """
    load = load or RunParams().load
    return finish(found_in_anndata(adata, layer=load.layer), load)


def read_dataset(params: RunParams, data: str | Path | AnnData | Dataset | None = None) -> Dataset:
    """Read all that a run needs: the matrix, and the labels, LTMG states and bulk expression that belong to it.

    Parameters
    ----------
    params
        The ``load_*`` parameters, ``given_cell_type_labels``, ``dropout_prob`` (which of the benchmark's LTMG files)
        and ``max_memory`` are read. File names are looked for in ``load_dataset_dir``/``load_dataset_name``, in
        ``load_dataset_dir``, then as they stand.
    data
        The matrix, where no ``load_*`` parameter names it.

    Raises
    ------
    ParameterError
        No source of the matrix, or more than one, is given.
    InputError
        Something cannot be read, or does not belong together; ``given_cell_type_labels`` without labels.
    """
    load = params.load
    dataset = _matrix(params, data)
    folder = _benchmark_folder(load) if load.use_benchmark else None
    dataset = _with_labels(dataset, params, folder)
    dataset = _with_states(dataset, params, folder)
    if load.bulk_dataset:
        path = _locate(load, load.bulk_dataset, "load_bulk_dataset")
        bulk, notes, warnings = read_bulk(path, dataset.var_names, max_memory=params.max_memory)
        dataset = _reported(replace(dataset, bulk=bulk), notes, warnings, bulk=str(path))
    return dataset


def _matrix(params: RunParams, data: str | Path | AnnData | Dataset | None) -> Dataset:
    load = params.load
    flags = (load.use_benchmark, load.sc_dataset, load.from_10X, load.seurat_object, load.rdata)
    given = [name for name, value in zip(_SOURCES, flags, strict=True) if value]
    if data is not None:
        given.insert(0, "the data itself")
    if len(given) != 1:
        raise ParameterError(
            "Nothing says where the expression matrix is." if not given else "The expression matrix is given twice.",
            expected=f"one source: a path or an AnnData ({READABLE}), or one of {', '.join(_SOURCES)}",
            found=" and ".join(given) or "none",
        )
    if load.use_benchmark:
        path = _benchmark_file(_benchmark_folder(load), "original_top_expression.csv")
        return read(path, _rows_as(load, "genes-by-cells"), max_memory=params.max_memory)
    if data is None:
        flag, name = next((flag, str(value)) for flag, value in zip(_SOURCES, flags, strict=True) if value)
        path = _locate(load, name, flag)
        _check_kind(flag, path)
        return read(path, load, max_memory=params.max_memory)
    if isinstance(data, Dataset):
        return data
    if isinstance(data, (str, Path)):
        return read(_locate(load, str(data), "data"), load, max_memory=params.max_memory)
    return from_anndata(data, load)


def _check_kind(flag: str, path: Path) -> None:
    """Each published flag takes its own kind of file; ``load_sc_dataset`` takes any."""
    kind = kind_of(path)
    wanted = {
        "load_from_10X": ("10x folder", "10x h5"),
        "load_rdata": ("rdata",),
        "load_seurat_object": ("text", "rdata"),
    }.get(flag)
    if wanted is not None and kind not in wanted:
        raise InputError(
            f"{path} is not what {flag} reads.",
            expected=" or ".join(wanted),
            found=kind,
            advice="load_sc_dataset reads every kind of file.",
        )


def _with_labels(dataset: Dataset, params: RunParams, folder: Path | None) -> Dataset:
    load = params.load
    name = load.cell_type_labels
    if name:
        places = _places(load, name)
        path = next((place for place in places if place.is_file()), None)
        if path is None and (dataset.obs is None or name not in dataset.obs.columns) and _looks_like_path(name):
            raise _not_found("load_cell_type_labels", name, places)
    else:
        path = _in_folder(folder, "top_cell_labels.csv") if folder else None
    if path is None and not name:
        if params.given_cell_type_labels and dataset.truth is None:
            raise InputError(
                "given_cell_type_labels is set, but there are no labels.",
                expected="load_cell_type_labels FILE (or an obs column), or top_cell_labels.csv in the "
                "benchmark's folder",
                found="neither",
                advice="Give the labels, or leave the flag out.",
            )
        return dataset
    if path is not None:
        kind_of(path)  # refuses what is empty or a pickle
        truth, notes, warnings = read_labels(path, dataset.obs_names)
    else:
        truth, notes, warnings = labels_in_obs(dataset, name)
    return _reported(replace(dataset, truth=truth), notes, warnings, labels=truth.source)


def _with_states(dataset: Dataset, params: RunParams, folder: Path | None) -> Dataset:
    load = params.load
    path = None
    if load.LTMG:
        path = _locate(load, load.LTMG, "load_LTMG")
    elif folder is not None:
        path = _in_folder(folder, f"LTMG_{float(params.dropout_prob)}.csv")
        if path is not None and params.dropout_prob > 0 and params.seed != _MASK_SEED:
            # the states were computed on one mask; under another they tell which hidden entries were expressed
            ignored = (
                f"{path.name} belongs to the mask of seed {_MASK_SEED}, this run hides other entries (seed "
                f"{params.seed}): its states are not used."
            )
            return _reported(dataset, [], [ignored])
    if path is None:
        return dataset
    kind_of(path)
    states, notes, warnings = read_states(path, dataset.obs_names, dataset.var_names, max_memory=params.max_memory)
    return _reported(replace(dataset, states=states), notes, warnings, states=str(path))


def _reported(dataset: Dataset, notes: Iterable[str], warnings: Iterable[str], **facts: str) -> Dataset:
    return replace(
        dataset,
        notes=(*dataset.notes, *notes),
        warnings=(*dataset.warnings, *warnings),
        facts={**dataset.facts, **facts},
    )


def _rows_as(load: LoadParams, orientation: str) -> LoadParams:
    """Read likewise, with the orientation that a format prescribes, unless the user named one."""
    values = {load.flag(name): getattr(load, name) for name in load.own_names()}
    if load.orientation == "auto":
        values["load_orientation"] = orientation
    return RunParams(**values).load


def _benchmark_folder(load: LoadParams) -> Path:
    if not load.dataset_dir and not load.dataset_name:
        raise ParameterError(
            "load_use_benchmark needs to know the folder.",
            expected="load_dataset_dir DIR and load_dataset_name NAME",
            found="neither",
        )
    folder = Path(load.dataset_dir).expanduser() / str(load.dataset_name)
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


def _benchmark_file(folder: Path, name: str) -> Path:
    path = _in_folder(folder, name)
    if path is None:
        raise InputError(
            f"{folder} lacks {name}.",
            expected=f"{name} or {name}.gz",
            found=", ".join(sorted(entry.name for entry in folder.iterdir())) or "an empty folder",
            advice="Name the file with load_sc_dataset instead of load_use_benchmark.",
        )
    return path


def _in_folder(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _places(load: LoadParams, name: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_absolute():
        return [path]
    folders = [Path(load.dataset_dir).expanduser() / load.dataset_name] if load.dataset_name else []
    folders += [Path(load.dataset_dir).expanduser()] if load.dataset_dir else []
    return [*(folder / path for folder in folders), path]


def _locate(load: LoadParams, name: str, flag: str) -> Path:
    places = _places(load, name)
    for place in places:
        if place.exists():
            return place
    raise _not_found(flag, name, places)


def _not_found(flag: str, name: str, places: list[Path]) -> InputError:
    return InputError(
        f"{name} ({flag}) does not exist.",
        expected="a file or folder",
        found="nothing at " + ", ".join(str(place) for place in places),
        advice="Give the whole path, or set load_dataset_dir.",
    )


def _looks_like_path(name: str) -> bool:
    return "/" in name or Path(name).suffix.lower() in {".csv", ".tsv", ".txt", ".gz"}
