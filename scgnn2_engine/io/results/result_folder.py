"""The output folder of a run: what belongs to it, whether it is free, and whether the disk has room.

A folder is complete when it holds ``run.json``, which arrives last. ``events.jsonl`` and ``intermediate/`` are written
while the run goes on, everything else at its end.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from scgnn2_engine.errors import OutputError
from scgnn2_engine.io.atomic import STAGING_PREFIX, output_error, remove_files, whole_file
from scgnn2_engine.io.results.answers import LAYERS_UP_TO, writes_csv
from scgnn2_engine.io.results.result_tables import BULK_TABLES, EVALUATION_TABLES, TABLES
from scgnn2_engine.params import RunParams

RECORD = "run.json"
RESULT = "result.h5ad"
MODEL = "model.npz"
EVENTS = "events.jsonl"
SEURAT, SEURAT_SCRIPT = "seurat.rds", "to_seurat.R"
PREPROCESSED = "preprocessed_data"
PREPROCESSED_EXPRESSION = f"{PREPROCESSED}/original_top_expression.csv"
INTERMEDIATE = "intermediate"
CHECKPOINT, CHECKPOINT_OF = "checkpoint", "of.npz"
FIGURES = tuple(
    f"figures/{name}.{kind}"
    for name in ("graph", "heatmap", "sankey", "curves", "diagnostics")
    for kind in ("html", "png")
)
INTERMEDIATE_FILES = (
    "imputed.csv",
    "labels.csv",
    "graph_embedding.csv",
    "graph_edgeList.csv",
    "feature_embedding.csv",
    "clustering_embedding.csv",
    "feature_weights.npz",
)
SPARE_BYTES = 16 * 2**20


def claim_directory(directory: str | Path, overwrite: bool = False, *, expected_bytes: int = 0) -> Path:
    """Make sure, before a run starts, that its result can be written where it shall go.

    Nothing is removed: a run whose input turns out to be unusable leaves an earlier result as it was. What must go is
    removed by :func:`clear_directory` when the run begins to train, and by :func:`write`.

    Parameters
    ----------
    directory
        The output folder; made if it is not there.
    overwrite
        Allow a folder that holds an earlier result.
    expected_bytes
        Size of what will be written (:func:`expected_size`); the free disk must hold it.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    OutputError
        The folder holds a result already, cannot be written to, or its disk has too little room.

    Examples
    --------
    >>> import tempfile
    >>> claim_directory(tempfile.mkdtemp()).is_dir()
    True
    """
    directory = Path(directory)
    found = result_files(directory)
    if found and not overwrite:
        raise earlier_result(directory, found)
    with whole_file(directory / f"{STAGING_PREFIX}probe") as probe:
        probe.write_text("may this user write here?")
    (directory / f"{STAGING_PREFIX}probe").unlink()
    require_room(directory, expected_bytes)
    return directory


def clear_directory(directory: str | Path) -> None:
    """Remove from a claimed folder what a new run streams into or draws again.

    These are an earlier run's ``events.jsonl``, ``intermediate/`` and figures; its tables stay until :func:`write`
    replaces them, so a run that fails loses none of them.

    Raises
    ------
    OutputError
        A file cannot be removed.

    Examples
    --------
    >>> import tempfile
    >>> clear_directory(tempfile.mkdtemp())
    """
    directory = Path(directory)
    try:
        remove_files(directory, files_made_outside_write(directory))
        for abandoned in directory.glob(f"{STAGING_PREFIX}*"):
            shutil.rmtree(abandoned)
    except OSError as error:
        raise output_error(directory, error) from error


def interrupted_run(directory: str | Path) -> bool:
    """Whether a folder holds a run that was interrupted and can go on (:mod:`scgnn2_engine.run.checkpoint`)."""
    return (Path(directory) / CHECKPOINT / CHECKPOINT_OF).exists()


def result_files(directory: str | Path) -> tuple[str, ...]:
    """What makes a folder that of an earlier result; the log of a run that came to nothing does not."""
    others = files_made_outside_write(Path(directory))
    return earlier_files(directory) + tuple(name for name in others if name != EVENTS)


def expected_size(n_obs: int, n_vars: int, params: RunParams, *, n_iterations: int = 0, n_stored: int = 0) -> int:
    """Bytes a result will take on disk, from above.

    Parameters
    ----------
    n_obs, n_vars
        Cells and genes that are kept (before filtering: as read, with at most ``preprocess_top_gene_select`` genes).
    params
        The ``output_*`` switches.
    n_iterations
        Iterations whose states will be written with ``output_intermediate``.
    n_stored
        Non-zero entries of all genes of the input, where they are kept beside the chosen ones.

    Examples
    --------
    >>> round(expected_size(6940, 2000, RunParams()) / 2**20)
    464
    """
    entries = n_obs * n_vars
    tables, text = 200 * 12 * n_obs, 10 * entries  # embeddings, names and edges of a cell; "0.123456," per value
    total = tables + (text if writes_csv(entries, params.output) else 0)
    total += 20 * entries + 40 * 31 * n_obs  # h5ad: X, counts (8 bytes each at most) and the imputed values
    total += 8 * n_stored
    if params.feature_AE.objective == "denoise":  # rate, expected and zeros_kept, or the value alone
        every = 12 if params.feature_AE.count_weight > 0 else 8
        total += (every if entries <= LAYERS_UP_TO or params.output.layers != "auto" else 4) * entries
    if params.output.preprocessed:
        total += 12 * entries
    if params.output.rdata:
        total += 9 * entries + 200 * 12 * n_obs
    if params.output.seurat:
        total += 9 * entries + 8 * n_stored + 40 * 31 * n_obs + 400 * (n_obs + n_vars)
    if params.output.intermediate:
        total += n_iterations * (tables + text)
    return total + SPARE_BYTES


def earlier_files(directory: str | Path) -> tuple[str, ...]:
    """The files of an earlier result in a folder, those written at the end of a run, relative to it."""
    directory = Path(directory)
    known = [f"{name}.{kind}" for name in TABLES + BULK_TABLES + EVALUATION_TABLES for kind in ("csv", "RData")]
    known += [RESULT, MODEL, SEURAT, SEURAT_SCRIPT, RECORD, PREPROCESSED_EXPRESSION]
    states = sorted(directory.glob(f"{PREPROCESSED}/LTMG_*.csv"))
    states += sorted(path for path in directory.glob("labels_*.csv") if path.stem.removeprefix("labels_").isdigit())
    return tuple(name for name in known if (directory / name).is_file()) + tuple(
        path.relative_to(directory).as_posix() for path in states
    )


def files_made_outside_write(directory: Path) -> tuple[str, ...]:
    """What a run streams into its folder or draws there, as far as it is there."""
    folders = sorted(directory.glob(f"{INTERMEDIATE}/iteration_*"))
    names = [EVENTS, *FIGURES]
    names += [f"{INTERMEDIATE}/{folder.name}/{name}" for folder in folders for name in INTERMEDIATE_FILES]
    return tuple(name for name in names if (directory / name).is_file())


def earlier_result(directory: Path, found: tuple[str, ...]) -> OutputError:
    """The refusal to write over an earlier result."""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return OutputError(
        f"{directory} holds an earlier result.",
        expected="a new or empty folder",
        found=", ".join(found[:3]) + more,
        advice="Choose another output_dir, or add --overwrite (overwrite=True) to replace it.",
    )


def require_room(directory: str | Path, expected_bytes: int) -> None:
    """Refuse to go on when the disk of a folder has too little room for what will be written there.

    Raises
    ------
    OutputError
        Less than ``expected_bytes`` is free.

    Examples
    --------
    >>> import tempfile
    >>> require_room(tempfile.mkdtemp(), 1000)
    """
    free = shutil.disk_usage(directory).free
    if free < max(expected_bytes, SPARE_BYTES):
        raise OutputError(
            f"The disk of {directory} has too little room.",
            expected=f"{max(expected_bytes, SPARE_BYTES) / 2**20:,.0f} MiB free",
            found=f"{free / 2**20:,.0f} MiB",
            advice="Free some space or choose another output_dir.",
        )
