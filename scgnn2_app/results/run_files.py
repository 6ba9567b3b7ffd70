"""The files in a run's folder: its record, its tables, the elements of its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from scgnn2_app.runs import snapshots
from scgnn2_app.runs.records import read_job, title_of
from scgnn2_app.runs.snapshots import RESULT
from scgnn2_app.sources.source import Source
from scgnn2_engine.errors import InputError
from scgnn2_engine.io.results.saved import read_losses, read_metrics

RECORD = "run.json"


def _csv(name: str) -> cached_property[pd.DataFrame | None]:
    """A table of the run's folder; None where it wrote none."""

    def read(run: RunFiles) -> pd.DataFrame | None:
        path = run.folder / name
        if not path.is_file():
            return None
        try:
            return pd.read_csv(path)
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read as a table: {error}.") from error

    return cached_property(read)


class RunFiles:
    """The folder of a run, finished or under way; each file is read when it is first asked for.

    Parameters
    ----------
    folder
        The ``--output_dir`` of a run, or the folder of a run in a workspace.

    Attributes
    ----------
    folder
        Likewise.
    finished
        Whether there is a ``result.h5ad``; without it there are snapshots of the iterations.

    Raises
    ------
    InputError
        The folder holds neither a result nor snapshots.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.finished = (self.folder / RESULT).is_file()
        self._h5ad = self.folder / (RESULT if self.finished else f"{snapshots.FOLDER}/{snapshots.DATA}")
        if not self._h5ad.is_file():
            raise InputError(
                f"{self.folder} is not the folder of a run.",
                expected=f"{RESULT}, which a finished run leaves, or the snapshots of one under way",
                advice="Make one with: scgnn2 run demo --output_dir outputs/demo",
            )

    @property
    def name(self) -> str:
        """The name the run was given, as it is now; without one what its folder is called."""
        return str(self._job().get("name") or self.folder.resolve().name)

    @property
    def title(self) -> str:
        """What the run bar calls it; a run of the command line is called by its folder."""
        try:
            job = read_job(self.folder)
        except InputError:
            return self.name
        return title_of(job.name, job.source, job.created)

    @property
    def source_text(self) -> str:
        """What the data is called; of a run of the command line the file that it read, empty where that is unknown."""
        source = self._source
        return Path(str(self.record.get("data", {}).get("source", ""))).name if source is None else source.text

    # --- tables ------------------------------------------------------------------------------------------------------

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """The content of ``run.json``, empty while the run is under way."""
        try:
            record: Mapping[str, Any] = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise InputError(f"{self.folder / RECORD} is damaged: {error}.", expected="a record of a run") from error
        return record

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row for each iteration, empty while the run is under way."""
        return read_metrics(self.folder) if self.finished else pd.DataFrame({"iteration": []})

    @cached_property
    def losses(self) -> pd.DataFrame:
        """The loss of every epoch, empty while the run is under way."""
        columns = ["stage", "iteration", "cluster", "epoch", "name", "value"]
        return read_losses(self.folder) if self.finished else pd.DataFrame(columns=columns)

    evaluation = _csv("evaluation.csv")  # the scores beside the baselines
    evaluation_clusters = _csv("evaluation_clusters.csv")  # the clusterings beside the baselines
    diagnostics = _csv("diagnostics.csv")
    diagnostics_genes = _csv("diagnostics_genes.csv")  # what the imputation did to every gene
    deconvolution = _csv("deconvolution.csv")  # share of each cluster in the bulk

    # --- files -------------------------------------------------------------------------------------------------------

    def _job(self) -> Mapping[str, Any]:
        """What was asked for, as it is now; empty for a run of the command line."""
        try:
            job = json.loads((self.folder / "job.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return job if isinstance(job, dict) else {}

    @property
    def _source(self) -> Source | None:
        source = self._job().get("source")
        return None if source is None else Source.from_dict(source)

    def _file(self) -> h5py.File:
        try:
            return h5py.File(self._h5ad, "r")
        except OSError as error:
            raise InputError(f"{self._h5ad} cannot be read: {error}.", expected="an h5ad of scgnn2 run") from error

    def _element(self, name: str) -> Any:
        from anndata.io import read_elem

        with self._file() as file:
            if name not in file:
                raise InputError(f"{self._h5ad} lacks {name}.", expected="an h5ad of scgnn2 run")
            return read_elem(file[name])

    def _saved(self, name: str, default: Any) -> Any:
        with self._file() as file:
            found = file.get(f"uns/scgnn2/{name}")
            value = default if found is None else found[()]
        return value.decode() if isinstance(value, bytes) else value

    def _must_be_finished(self, what: str) -> None:
        if not self.finished:
            raise InputError(
                f"There is not yet {what} of this run.", expected="a finished run", found="one that is under way"
            )
