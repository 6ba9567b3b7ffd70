"""What a file or folder is, and what a run on it would cost, without running."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scgnn2_engine.data.costs import BASIS, expected_seconds
from scgnn2_engine.data.dataset import Dataset
from scgnn2_engine.io import read_dataset, stored_entries
from scgnn2_engine.io.memory import GIB, available_memory
from scgnn2_engine.io.names import SAMPLE, listed
from scgnn2_engine.params import RunParams
from scgnn2_engine.run.memory import expected_memory

if TYPE_CHECKING:
    from scgnn2_engine.io.samples.given import Data

_SHOWN = 3


@dataclass(frozen=True)
class Inspection:
    """What was found in a file, folder or object.

    Attributes
    ----------
    source, format
        What was read, and what it is.
    n_obs, n_vars
        Cells and genes as read, before any is filtered out.
    n_kept
        Genes that a run would train on at most.
    orientation, matrix, scale
        What its rows were, which of its matrices was read, and on which scale that is; the reasons are among ``notes``.
    zeros
        Share of the entries that are zero.
    alternatives
        The other matrices in it: by the flag that reads one, what it is.
    samples
        Cells of each sample, where several were joined.
    cells, genes, identifiers
        The first names of cells and genes, and the first identifiers where they stand beside the names.
    obs, var
        What is known of cells and genes, by name.
    memory, memory_free
        Bytes that a run is expected to need at its peak, and bytes that are free now.
    seconds
        What a run may take, if it stops early and if it does not. Rough.
    notes, warnings
        What was decided while reading, and what should be looked at before a run.
    """

    source: str
    format: str
    n_obs: int
    n_vars: int
    n_kept: int
    orientation: str
    matrix: str
    scale: str
    zeros: float
    alternatives: Mapping[str, str]
    samples: Mapping[str, int]
    cells: tuple[str, ...]
    genes: tuple[str, ...]
    identifiers: tuple[str, ...]
    obs: tuple[str, ...]
    var: tuple[str, ...]
    memory: int
    memory_free: int
    seconds: tuple[float, float]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def about(self) -> list[tuple[str, str]]:
        """What is known without the costs, as words and what they mean: ``("scale", "counts: all values …")``."""
        genes = listed(self.genes, _SHOWN) + (f" ({listed(self.identifiers, _SHOWN)})" if self.identifiers else "")
        samples = ", ".join(f"{name} {n_obs} cells" for name, n_obs in self.samples.items())
        lines = [
            ("format", self.format),
            ("size", f"{self.n_obs:,} cells x {self.n_vars:,} genes, {self.zeros:.1%} zeros"),
            ("cells", listed(self.cells, _SHOWN) + " …" * (self.n_obs > _SHOWN)),
            ("genes", genes + " …" * (self.n_vars > _SHOWN)),
            ("orientation", self._why("Orientation ", self.orientation)),
            ("scale", self._why("Scale ", self.scale)),
            ("matrix", self._why("Matrix ", self.matrix)),
            *((flag, f"reads {what} instead") for flag, what in self.alternatives.items()),
            ("samples", samples and f"{samples} (--load_sample reads one of them)"),
            ("of cells", listed(self.obs, 12)),
            ("of genes", listed(self.var, 12)),
        ]
        return [(word, text) for word, text in lines if text]

    @property
    def other_notes(self) -> list[str]:
        """The notes that :attr:`about` does not hold already."""
        return [note for note in self.notes if not note.startswith(("Orientation ", "Scale ", "Matrix "))]

    def _why(self, beginning: str, value: str) -> str:
        return next((note.removeprefix(beginning) for note in self.notes if note.startswith(beginning)), value)

    @property
    def text(self) -> str:
        """All of it as lines for a terminal."""
        few, most = (_duration(seconds) for seconds in self.seconds)
        cost = [
            ("memory", f"about {self.memory / GIB:.1f} GiB for a run; {self.memory_free / GIB:.1f} GiB are free"),
            ("time", f"about {few if few == most else f'{few} to {most}'} for a run ({BASIS})"),
        ]
        rows = [*self.about, *cost]
        width = max(len(word) for word, _ in rows) + 2
        lines = [self.source, *(f"  {word:<{width}}{text}" for word, text in rows)]
        for title, sentences in (("notes", self.other_notes), ("look at", self.warnings)):
            lines += [title] * bool(sentences) + [f"  - {sentence}" for sentence in sentences]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def inspect(data: Data | None = None, params: RunParams | None = None) -> Inspection:
    r"""Read what a run would read, and say what it is.

    Parameters
    ----------
    data, params
        As for :func:`scgnn2_engine.fit`.

    Raises
    ------
    InputError, ParameterError, InsufficientMemoryError
        It cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "tiny.csv")
    ...     _ = file.write_text("gene,cell_1,cell_2\nActb,3,0\nGapdh,5,1\n")
    ...     found = inspect(file)
    >>> found.n_obs, found.orientation, found.scale
    (2, 'genes-by-cells', 'counts')
    """
    params = params or RunParams()
    return inspection_of(read_dataset(params, data), params)


def inspection_of(dataset: Dataset, params: RunParams) -> Inspection:
    """Say what a data set is that has been read."""
    x: Any = dataset.expression
    n_kept = dataset.n_vars
    if params.preprocess.top_gene_select > 0:
        n_kept = min(n_kept, params.preprocess.top_gene_select)
    size = int(x.nbytes) if isinstance(x, np.ndarray) else int(x.data.nbytes + x.indices.nbytes + x.indptr.nbytes)
    stored = stored_entries(x)
    facts, obs, var = dataset.facts, dataset.obs, dataset.var
    samples: dict[str, int] = {}
    if "samples" in facts and obs is not None:
        samples = {str(name): int(n_obs) for name, n_obs in obs[SAMPLE].value_counts(sort=False).items()}
    return Inspection(
        source=str(facts.get("source", "")),
        format=str(facts.get("format", "AnnData")),
        n_obs=dataset.n_obs,
        n_vars=dataset.n_vars,
        n_kept=n_kept,
        orientation=str(facts.get("orientation", "")),
        matrix=str(facts.get("matrix", "")),
        scale=dataset.scale,
        zeros=1 - stored / max(1, dataset.n_obs * dataset.n_vars),
        alternatives={str(flag): str(what) for flag, what in facts.get("alternatives", {}).items()},
        samples=samples,
        cells=tuple(map(str, dataset.obs_names[:_SHOWN])),
        genes=tuple(map(str, dataset.var_names[:_SHOWN])),
        identifiers=tuple(map(str, var["gene_ids"][:_SHOWN])) if var is not None and "gene_ids" in var else (),
        obs=() if obs is None else tuple(map(str, obs.columns)),
        var=() if var is None else tuple(map(str, var.columns)),
        memory=expected_memory(dataset.n_obs, n_kept, params, input_bytes=size, n_nonzero=stored),
        memory_free=available_memory(),
        seconds=expected_seconds(dataset.n_obs, n_kept, params),
        notes=dataset.notes,
        warnings=dataset.warnings,
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
