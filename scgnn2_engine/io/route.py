"""From a path, an AnnData or the ``--load_*`` flags to one Dataset."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io.assemble import finish, from_table
from scgnn2_engine.io.formats import check_choice, format_of, readable
from scgnn2_engine.io.locations import (
    benchmark_file,
    benchmark_folder,
    in_folder,
    locate,
    looks_like_path,
    not_found,
    places,
)
from scgnn2_engine.io.names import SAMPLE
from scgnn2_engine.io.samples.given import Data, Sample, samples_of
from scgnn2_engine.params import LoadParams, RunParams

if TYPE_CHECKING:
    from anndata import AnnData

_SOURCES = ("load_use_benchmark", "load_sc_dataset", "load_from_10X", "load_seurat_object", "load_rdata")
_MASK_SEED = 1  # of the published masked copy, from which the published LTMG_<p>.csv were computed


def read(
    path: Data,
    load: LoadParams | None = None,
    *,
    max_memory: float = 0.0,
    as_stored: bool = False,
    small_negatives: bool = False,
) -> Dataset:
    r"""Read an expression matrix from a file or folder, or join several; what each is, is decided by its content.

    Parameters
    ----------
    path
        A file or folder of any format that ``docs/formats.md`` lists. Several samples, as a list or as a mapping of
        names, and those of a folder that holds several, are joined by gene
        (:func:`scgnn2_engine.io.samples.joining.joined`).
    load
        How to read it: ``orientation`` of tables, ``layer``, ``object`` of an R file, ``sample`` of a folder,
        ``scale``. Defaults decide by evidence.
    max_memory
        GiB the matrix may take; 0 takes what is free.
    as_stored
        Leave logarithms to other bases than e as they are; else they are brought to ln(1 + x).
    small_negatives
        Count values as 0 that lie a little below it, as results of other tools do; else they are refused.

    Returns
    -------
    Dataset
        (n_obs, n_vars), rows are cells; float32, CSR where at least 60 % are zeros. ``notes`` and ``warnings`` say
        what was detected, ``facts`` says it to programs.

    Raises
    ------
    InputError
        The file is missing, damaged, of another kind, a pickle, or holds values that cannot be used; ``load_layer``
        or ``load_object`` is given and it has no such parts; an R file holds several objects and none is chosen.
    InsufficientMemoryError
        The matrix is expected not to fit.

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
    return _of_samples(samples_of(path, load), max_memory, as_stored, small_negatives)


def _of_samples(
    samples: list[Sample], max_memory: float, as_stored: bool = False, small_negatives: bool = False
) -> Dataset:
    found = {sample.name: _one(sample, max_memory, as_stored, small_negatives) for sample in samples}
    if len(samples) == 1:
        return found[samples[0].name]
    if {"counts", "logged"} <= {data.scale for data in found.values()}:  # counts came back from some of them only
        as_logged = [replace(sample, load=sample.load.replace(recover_counts=False)) for sample in samples]
        found = {sample.name: _one(sample, max_memory, as_stored, small_negatives) for sample in as_logged}
    from scgnn2_engine.io.samples.joining import joined

    return joined(found, max_memory)


def _one(sample: Sample, max_memory: float, as_stored: bool, small_negatives: bool) -> Dataset:
    data, load = sample.data, sample.load
    if isinstance(data, Dataset):
        return data
    if not isinstance(data, Path):
        return from_anndata(data, load)
    form = format_of(data)
    check_choice(data, form, load)
    found = form.read(data, load, max_memory, negatives=small_negatives)
    dataset = finish(found, load, as_stored=as_stored, small_negatives=small_negatives)
    return replace(dataset, facts={"format": form.title, **dataset.facts})


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
        It is not an AnnData; the chosen matrix holds negative values (it is scaled; the others are named), NaN or
        infinity.

    Examples
    --------
    >>> import anndata, numpy as np
    >>> from_anndata(anndata.AnnData(np.array([[1.0, 0.0], [2.0, 5.0]], dtype=np.float32))).facts["matrix"]
    'X'
    """
    from anndata import AnnData

    from scgnn2_engine.io.readers.h5ad import found_in_anndata

    if not isinstance(adata, AnnData):
        raise InputError(
            "Expression cannot be read from this object.",
            expected=f"a path ({readable()}), an AnnData (cells x genes) or a Dataset",
            found=f"{type(adata).__module__}.{type(adata).__qualname__}",
            advice="Wrap a data frame or an array whose rows are cells: sc2.from_anndata(anndata.AnnData(df)).",
        )
    load = load or RunParams().load
    return finish(found_in_anndata(adata, layer=load.layer, genes_only=True), load)


def read_dataset(params: RunParams, data: Data | None = None) -> Dataset:
    """Read all that a run needs: the matrix, and the labels, LTMG states and bulk expression that belong to it.

    Parameters
    ----------
    params
        The ``load_*`` parameters, ``given_cell_type_labels``, ``run_LTMG``, ``dropout_prob``, ``seed``, ``use_bulk``
        and ``max_memory`` are read. File names are looked for in ``load_dataset_dir``/``load_dataset_name``, in
        ``load_dataset_dir``, then as they stand. Of the benchmark's folder the labels are read only with
        ``given_cell_type_labels``, and ``LTMG_<dropout_prob>.csv`` only without ``run_LTMG``, which computes the states
        instead; ``load_cell_type_labels`` and ``load_LTMG`` are always read, ``load_bulk_dataset`` with ``use_bulk``.
    data
        The matrix, or several samples that are joined (:func:`read`), where no ``load_*`` parameter names it.

    Raises
    ------
    ParameterError
        No source of the matrix, or more than one, is given; ``use_bulk`` without bulk expression.
    InputError
        ``data`` is something else; a file cannot be read, or does not belong to the rest; ``given_cell_type_labels``
        without labels.
    """
    load = params.load
    if params.use_bulk and not load.bulk_dataset and not (isinstance(data, Dataset) and data.bulk is not None):
        raise ParameterError(
            "use_bulk needs bulk expression.",
            expected="load_bulk_dataset FILE, or a Dataset with bulk",
            found="neither",
            advice="Name the file with load_bulk_dataset, or leave use_bulk off.",
        )
    dataset = _matrix(params, data)
    folder = benchmark_folder(load) if load.use_benchmark else None
    dataset = _with_labels(dataset, params, folder)
    dataset = _with_states(dataset, params, folder)
    if load.batch_key:
        from scgnn2_engine.io.batches import with_batches

        dataset = with_batches(dataset, load.batch_key, load.cell_type_labels)
    return _with_bulk(dataset, params)


def _matrix(params: RunParams, data: Data | None) -> Dataset:
    load = params.load
    flags = (load.use_benchmark, load.sc_dataset, load.from_10X, load.seurat_object, load.rdata)
    given = [name for name, value in zip(_SOURCES, flags, strict=True) if value]
    if data is not None:
        given.insert(0, "the data itself")
    if len(given) != 1:
        raise ParameterError(
            "Nothing says where the expression matrix is." if not given else "The expression matrix is given twice.",
            expected=f"one source: a path or an AnnData ({readable()}), or one of {', '.join(_SOURCES)}",
            found=" and ".join(given) or "none",
        )
    if load.use_benchmark:
        path = benchmark_file(benchmark_folder(load), "original_top_expression.csv")
        from scgnn2_engine.io.readers.text import read_table

        return finish(from_table(read_table(path, params.max_memory), str(path), load, "genes-by-cells"), load)
    if data is None:
        flag, name = next((flag, str(value)) for flag, value in zip(_SOURCES, flags, strict=True) if value)
        path = locate(load, name, flag)
        _check_kind(flag, path)
        return read(path, load, max_memory=params.max_memory)
    return _of_samples(samples_of(data, load, lambda name: locate(load, name, "data")), params.max_memory)


def _check_kind(flag: str, path: Path) -> None:
    """Each published flag takes its own kind of file; ``load_sc_dataset`` takes any."""
    kind = format_of(path).name
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
        tried = places(load, name)
        path = next((place for place in tried if place.is_file()), None)
        if path is None and (dataset.obs is None or name not in dataset.obs.columns) and looks_like_path(name):
            raise not_found("load_cell_type_labels", name, tried)
    else:
        path = in_folder(folder, "top_cell_labels.csv") if folder and params.given_cell_type_labels else None
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
        format_of(path)  # refuses what is empty or a pickle
        from scgnn2_engine.io.labels import read_labels

        samples = () if dataset.obs is None or SAMPLE not in dataset.obs else tuple(map(str, dataset.obs[SAMPLE]))
        truth, notes, warnings = read_labels(path, dataset.obs_names, samples)
    else:
        from scgnn2_engine.io.labels import labels_in_obs

        truth, notes, warnings = labels_in_obs(dataset, name)
    return _reported(replace(dataset, truth=truth), notes, warnings, labels=truth.source)


def _with_states(dataset: Dataset, params: RunParams, folder: Path | None) -> Dataset:
    load = params.load
    path = None
    if load.LTMG:
        path = locate(load, load.LTMG, "load_LTMG")
    elif folder is not None and not params.run_LTMG:  # run_LTMG computes them instead
        path = in_folder(folder, f"LTMG_{float(params.dropout_prob)}.csv")
        if path is not None and params.dropout_prob > 0 and params.seed != _MASK_SEED:
            # the states were computed on one mask; under another they tell which hidden entries were expressed
            ignored = (
                f"{path.name} belongs to the mask of seed {_MASK_SEED}, this run hides other entries (seed "
                f"{params.seed}): its states are not used. run_LTMG computes those of this mask."
            )
            return _reported(dataset, [], [ignored])
    if path is None:
        return dataset
    from scgnn2_engine.io.states import read_states

    format_of(path)
    states, notes, warnings = read_states(path, dataset.obs_names, dataset.var_names, max_memory=params.max_memory)
    return _reported(replace(dataset, states=states), notes, warnings, states=str(path))


def _with_bulk(dataset: Dataset, params: RunParams) -> Dataset:
    load = params.load
    if not load.bulk_dataset:
        return dataset
    if not params.use_bulk:
        ignored = (
            f"load_bulk_dataset {load.bulk_dataset} is ignored, because use_bulk is off: only with it is bulk used."
        )
        return _reported(dataset, [], [ignored])
    from scgnn2_engine.io.bulk import read_bulk

    path = locate(load, load.bulk_dataset, "load_bulk_dataset")
    ids = None if dataset.var is None or "gene_ids" not in dataset.var else dataset.var["gene_ids"].to_numpy()
    bulk, notes, warnings = read_bulk(
        path, dataset.var_names, gene_ids=ids, samples=load.bulk_samples, max_memory=params.max_memory
    )
    return _reported(replace(dataset, bulk=bulk), notes, warnings, bulk=str(path))


def _reported(dataset: Dataset, notes: Iterable[str], warnings: Iterable[str], **facts: str) -> Dataset:
    return replace(
        dataset,
        notes=(*dataset.notes, *notes),
        warnings=(*dataset.warnings, *warnings),
        facts={**dataset.facts, **facts},
    )
