"""Which of a run's answers (matrices of cells × genes) its files hold, and how they are stored, a block at a time."""

from __future__ import annotations

from pathlib import Path

from scgnn2_engine.data.blocks import BLOCK_ROWS, as_blocks, row_blocks
from scgnn2_engine.params import OutputParams
from scgnn2_engine.results.result import Result

CSV_UP_TO = 10_000_000
"""Values up to which ``imputed.csv`` is written unless ``output_csv`` says otherwise; they take 90 MB of text."""

LAYERS_UP_TO = 20_000_000
"""Values up to which ``result.h5ad`` holds every answer; above, the layers are compressed (by a fifth)."""

_GENES_IN_CHUNK = 64  # with a block of cells 256 KB: a gene is read without the others


def writes_csv(n_values: int, output: OutputParams) -> bool:
    """Whether ``imputed.csv`` is written.

    Examples
    --------
    >>> writes_csv(10_000_000, OutputParams()), writes_csv(10_000_001, OutputParams())
    (True, False)
    """
    return output.csv == "yes" or (output.csv == "auto" and n_values <= CSV_UP_TO)


def stored_answers(result: Result, output: OutputParams) -> tuple[list[str], str]:
    """Which answers ``result.h5ad`` holds.

    Returns
    -------
    names
        Names of ``result.matrices``, ``imputed`` first.
    said
        A sentence on those that were asked for and are not known, or that are left out for their size; empty else.
    """
    others = [name for name in result.matrices if name != "imputed"]
    asked = [name.strip() for name in output.layers.split(",") if name.strip()]
    if asked in ([], ["auto"]):
        n_obs, n_vars = result.prepared.n_obs, result.prepared.n_vars
        kept = others if n_obs * n_vars <= LAYERS_UP_TO else [name for name in others if name == "value"]
        left_out = [name for name in others if name not in kept]
        said = (
            f"Not in result.h5ad for their size ({n_obs * n_vars:,} values each): {', '.join(left_out)}. "
            f"output_layers = all stores them."
        )
        return ["imputed", *kept], said if left_out else ""
    if asked == ["all"]:
        return ["imputed", *others], ""
    unknown = [name for name in asked if name not in result.matrices]
    said = f"Not in result.h5ad: {', '.join(unknown)}. This run computed {', '.join(result.matrices)}."
    return ["imputed", *(name for name in others if name in asked)], said if unknown else ""


def add_answers(path: Path, result: Result, names: list[str]) -> None:
    """Add answers as layers ``scgnn2_<name>`` to an h5ad that is there; no more than a block of rows is in memory.

    Parameters
    ----------
    path
        An h5ad of the result's cells and genes.
    result, names
        Where they come from, and which of its ``matrices``.
    """
    import h5py
    from anndata.io import write_elem

    with h5py.File(path, "r+") as file:
        if "layers" not in file:
            write_elem(file, "layers", {})
        matrices = {name: as_blocks(result.matrices[name]) for name in names}
        stored = {}
        for name, matrix in matrices.items():
            n_obs, n_vars = matrix.shape
            storage = {}
            if n_obs * n_vars > LAYERS_UP_TO:
                chunks = (min(BLOCK_ROWS, n_obs), min(_GENES_IN_CHUNK, n_vars))
                storage = {"chunks": chunks, "compression": "gzip", "compression_opts": 1, "shuffle": True}
            stored[name] = file["layers"].create_dataset(f"scgnn2_{name}", matrix.shape, matrix.dtype, **storage)
            stored[name].attrs["encoding-type"], stored[name].attrs["encoding-version"] = "array", "0.2.0"
        for rows in row_blocks(result.prepared.n_obs):  # all answers of a block together: they rest on each other
            for name, matrix in matrices.items():
                stored[name][rows] = matrix[rows]
