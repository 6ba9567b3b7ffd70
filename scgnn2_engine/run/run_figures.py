"""The figures of ``scgnn2 plot``: from an output folder, or from label files, to HTML and PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scgnn2_engine.data.dataset import Floats, Matrix, Scale
from scgnn2_engine.errors import InputError, ParameterError
from scgnn2_engine.io.atomic import refuse_existing
from scgnn2_engine.io.results.saved import (
    SavedExpression,
    read_edges,
    read_embedding,
    read_labels,
    read_losses,
    read_metrics,
    read_saved_expression,
)
from scgnn2_engine.io.results.saved_prepared import read_map
from scgnn2_engine.plots import cell_graph, curves, error_heatmap, sankey, save_both, umap_positions

MOST_NAMED = 3


def plot_graph(
    folder: str | Path,
    output: str | Path | None = None,
    *,
    edgescale: float = 0.03,
    node_size: float = 5.0,
    labels: str | Path | None = None,
    seed: int = 1,
    overwrite: bool = False,
) -> list[Path]:
    """Draw the cell graph of a finished run.

    Parameters
    ----------
    folder
        Output folder of the run.
    output
        Path without suffix; by default ``figures/graph`` in the folder, which is replaced.
    edgescale, node_size
        As for :func:`scgnn2_engine.plots.cell_graph`; both above 0.
    labels
        Another label file (matched by cell name) to colour the cells by.
    seed
        Of the map, where ``result.h5ad`` holds none.
    overwrite
        Replace a figure at ``output``.

    Returns
    -------
    list of Path
        The .html and the .png.

    Raises
    ------
    ParameterError
        A size is not above 0.
    InputError
        The folder lacks a file of a finished run, or the labels are of other cells.
    OutputError
        ``output`` exists and ``overwrite`` is off, or cannot be written.
    MissingPackageError
        Bokeh, colorcet or Matplotlib is not installed.
    """
    for name, value in (("edgescale", edgescale), ("node_size", node_size)):
        if not (np.isfinite(value) and value > 0):
            raise ParameterError(f"{name} cannot be {value}.", expected="a number above 0", found=str(value))
    stem = _stem(folder, output, "graph", overwrite)
    embedding = read_embedding(folder)
    names = embedding.index.to_numpy(str)
    edges, weights = read_edges(folder, names)
    groups = _matched(read_labels(folder if labels is None else labels, set(names)), names, str(labels or folder))
    positions = _saved_map(Path(folder), names)
    if positions is None:
        positions = umap_positions(embedding.to_numpy(), seed)
    return save_both(
        cell_graph(positions, edges, weights, groups, obs_names=names, edgescale=edgescale, node_size=node_size), stem
    )


def plot_heatmap(
    folder: str | Path, output: str | Path | None = None, *, truth: str | Path | None = None, overwrite: bool = False
) -> list[Path]:
    """Draw the imputation error of a finished run, or without ``truth`` what the imputation changed.

    Parameters
    ----------
    folder
        Output folder of the run.
    output, overwrite
        As for :func:`plot_graph`; by default ``figures/heatmap``.
    truth
        The true expression: anything :func:`scgnn2_engine.read` takes. Cells and genes are matched by name; it must
        hold all of the result's.

    Returns
    -------
    list of Path
        The .html and the .png.

    Raises
    ------
    InputError, OutputError, MissingPackageError
        As for :func:`plot_graph`; also when the truth lacks a cell or gene.
    """
    stem = _stem(folder, output, "heatmap", overwrite)
    saved = read_saved_expression(folder)
    reference, scale = (saved.observed, saved.scale) if truth is None else _truth(truth, saved)
    picture = error_heatmap(
        saved.imputed,
        reference,
        saved.labels,
        scale=scale,
        reference_is_truth=truth is not None or saved.hidden_entries > 0,
    )
    return save_both(picture, stem)


def plot_sankey(
    file_list: Sequence[str | Path], output: str | Path | None = None, *, overwrite: bool = False
) -> list[Path]:
    """Draw how the groups of two or more label files flow into each other.

    Parameters
    ----------
    file_list
        Files of cell names and labels, or output folders, in the order of the columns. They are read as
        ``load_cell_type_labels`` is: of several columns the one called ``cell_type``, ``label`` or the like holds
        the labels. Cells are matched by name; those that are not in every file are left out, and the title says how
        many.
    output, overwrite
        As for :func:`plot_graph`; by default ``sankey`` in the folder of the first.

    Returns
    -------
    list of Path
        The .html and the .png.

    Raises
    ------
    InputError
        There are fewer than two files, one cannot be read, or no cell is in all of them.
    OutputError, MissingPackageError
        As for :func:`plot_graph`.
    """
    if len(file_list) < 2:
        raise InputError("A Sankey diagram compares label files.", expected="two or more", found=str(len(file_list)))
    first = Path(file_list[0])
    stem = _stem(first if first.is_dir() else first.parent, output, "sankey", overwrite, inside="")
    cells = {cell for path in file_list for cell in read_labels(path).index}
    label_sets = [read_labels(path, cells) for path in file_list]
    shared = label_sets[0].index
    for labels in label_sets[1:]:
        shared = shared[shared.isin(labels.index)]
    if shared.empty:
        raise InputError(
            "The label files have no cell in common.",
            expected="the same cell names in each",
            found="; ".join(
                f"{path}: {', '.join(labels.index[:2])} …" for path, labels in zip(file_list, label_sets, strict=True)
            ),
            advice="Check that the first column holds the cell names.",
        )
    everywhere = {cell for labels in label_sets for cell in labels.index}
    left_out = len(everywhere) - len(shared)
    title = "Flow of cells between groups" + (f" ({left_out:,} not in every file left out)" if left_out else "")
    columns = {
        name: labels.loc[shared].to_numpy(str) for name, labels in zip(_set_names(file_list), label_sets, strict=True)
    }
    return save_both(sankey(columns, title=title), stem)


def plot_curves(folder: str | Path, output: str | Path | None = None, *, overwrite: bool = False) -> list[Path]:
    """Draw the losses and scores of a finished run.

    Parameters
    ----------
    folder
        Output folder of the run.
    output, overwrite
        As for :func:`plot_graph`; by default ``figures/curves``.

    Returns
    -------
    list of Path
        The .html and the .png.

    Raises
    ------
    InputError, OutputError, MissingPackageError
        As for :func:`plot_graph`.
    """
    stem = _stem(folder, output, "curves", overwrite)
    return save_both(curves(read_losses(folder), read_metrics(folder)), stem)


def _stem(
    folder: str | Path, output: str | Path | None, name: str, overwrite: bool, *, inside: str = "figures"
) -> Path:
    """Where a figure goes, without suffix; only a place that the user chose can be refused."""
    if output is None:
        return Path(folder) / inside / name
    stem = Path(output)
    stem = stem.with_suffix("") if stem.suffix in {".html", ".png"} else stem
    for suffix in (".html", ".png"):
        refuse_existing(Path(f"{stem}{suffix}"), overwrite=overwrite)
    return stem


def _matched(labels: Any, names: Any, source: str) -> Any:
    missing = [name for name in names if name not in labels.index]
    if missing:
        raise InputError(
            f"{source} has no label for {len(missing)} of {len(names)} cells.",
            expected="a label for every cell of the run",
            found=f"none for {_some(missing)}",
            advice="Give the label file of the same cells.",
        )
    return labels.loc[names].to_numpy(str)


def _saved_map(folder: Path, names: Any) -> Floats | None:
    """The map in ``result.h5ad``, if there is one of these cells."""
    positions = read_map(folder) if (folder / "result.h5ad").is_file() else None
    return positions if positions is not None and len(positions) == len(names) else None


def _truth(path: str | Path, saved: SavedExpression) -> tuple[Matrix, Scale]:
    from scgnn2_engine.io import read
    from scgnn2_engine.params import LoadParams

    data = read(path, LoadParams(recover_counts=saved.scale == "counts"))
    rows, columns = (
        _positions(path, kind, have, wanted)
        for kind, have, wanted in (("cell", data.obs_names, saved.obs_names), ("gene", data.var_names, saved.var_names))
    )
    return data.expression[rows][:, columns], data.scale


def _positions(path: str | Path, kind: str, have: Any, wanted: Any) -> Any:
    place = {str(name): index for index, name in enumerate(have)}
    missing = [str(name) for name in wanted if str(name) not in place]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the result's {len(wanted)} {kind}s.",
            expected=f"every {kind} of the result",
            found=f"no {_some(missing)}",
            advice="Give the true expression of the same cells and genes.",
        )
    return np.array([place[str(name)] for name in wanted])


def _set_names(paths: Sequence[str | Path]) -> list[str]:
    """A short name for every file: its folder for a run's labels.csv, else its own; numbered where they are alike."""
    names = [Path(path).resolve().parent.name if Path(path).name == "labels.csv" else Path(path).stem for path in paths]
    return [name if names.count(name) == 1 else f"{number}. {name}" for number, name in enumerate(names, start=1)]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(map(str, names[:MOST_NAMED])) + more
