"""Where the data of a run comes from, and what is known about it before anything is trained."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.demo import LABEL_COLUMN, demo
from scgnn2_engine.io.locations import places
from scgnn2_engine.io.paths import expanded
from scgnn2_engine.params import RunParams

NAMED_ROOT = "a folder named with --root"
Kind = Literal["demo", "path", "upload", "memory", "flags"]

DATA_FILES = ("load_sc_dataset", "load_from_10X", "load_seurat_object", "load_rdata")
NAMING_DATA = (*DATA_FILES, "load_dataset_dir", "load_dataset_name", "load_use_benchmark")
"""The parameters that name the data of a run."""

READING = (*DATA_FILES, "load_cell_type_labels", "load_bulk_dataset", "load_LTMG")
"""The parameters that name files a run will read, beside the folder ``load_dataset_dir``/``load_dataset_name``."""


@dataclass(frozen=True)
class Source:
    """The data of a run, as it can be written down.

    Attributes
    ----------
    kind
        ``"demo"``: the 700 cells that come with scanpy. ``"path"``: a file or folder of the server. ``"upload"``: a
        file that came through the browser. ``"memory"``: an AnnData that was saved for the run
        (:func:`keep_anndata`). ``"flags"``: the ``load_*`` parameters name it.
    path
        Absolute path; empty for ``demo`` and ``flags``.
    labels
        A csv of cell names and labels, or the name of an obs column; read for display only.
    bulk
        A bulk expression file, used where ``use_bulk`` is on.
    title
        What to call it on a screen; empty: the name of the file.

    Examples
    --------
    >>> Source.demo().text
    'demo (700 blood cells)'
    >>> Source.at("/data/pbmc.h5ad", labels="cell_type").text
    'pbmc.h5ad'
    """

    kind: Kind
    path: str = ""
    labels: str = ""
    bulk: str = ""
    title: str = ""

    @classmethod
    def demo(cls) -> Source:
        """The demo data with its labels."""
        return cls("demo")

    @classmethod
    def at(cls, path: str | Path, *, labels: str = "", bulk: str = "") -> Source:
        """A file or folder of this machine."""
        return cls("path", str(expanded(path).resolve()), labels, bulk)

    @classmethod
    def named(cls, text: str) -> Source:
        """What a user of the command line means: ``demo``, or a path (of a file of that name ``./demo``)."""
        return cls.demo() if text == "demo" else cls.at(text)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Source:
        """The inverse of :meth:`to_dict`."""
        return cls(**{str(key): value for key, value in values.items()})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @property
    def text(self) -> str:
        """What to call it on a screen."""
        if self.title:
            return self.title
        return {"demo": "demo (700 blood cells)", "flags": "files named by load_*"}.get(
            self.kind, Path(self.path).name or self.path
        )

    def with_labels(self, labels: str) -> Source:
        """The same data with another file or column of labels."""
        return replace(self, labels=labels)

    def with_bulk(self, bulk: str) -> Source:
        """The same data with another bulk file."""
        return replace(self, bulk=bulk)


def named_files(source: Source, params: Mapping[str, Any]) -> dict[str, str]:
    """The labels and bulk that come with the data, by flag; those that the parameters name themselves win.

    Examples
    --------
    >>> named_files(Source.demo(), {}), named_files(Source.demo(), {"load_cell_type_labels": "phase"})
    ({'load_cell_type_labels': 'bulk_labels'}, {})
    """
    labels = source.labels or (LABEL_COLUMN if source.kind == "demo" else "")
    came = {"load_cell_type_labels": labels, "load_bulk_dataset": source.bulk}
    return {flag: name for flag, name in came.items() if name and not params.get(flag)}


def opened(source: Source, params: RunParams) -> tuple[Any, RunParams]:
    """What :func:`scgnn2_engine.iterate` takes: the data, and the parameters with the labels and bulk of the source."""
    data: Any = demo() if source.kind == "demo" else None if source.kind == "flags" else source.path
    named: dict[str, Any] = named_files(source, params.to_dict())
    return data, params.replace(**named) if named else params


def label_name(source: Source, params: Mapping[str, Any]) -> str:
    """The column or file of the known labels, as the run was given it; ``""`` without."""
    given = params.get("load_cell_type_labels")
    return str(given or named_files(source, params).get("load_cell_type_labels", ""))


def keep_anndata(data: Any, folder: str | Path, *, title: str = "") -> tuple[Source, str]:
    """Save an AnnData of this process where the processes of the runs can read it.

    Parameters
    ----------
    data
        AnnData (n_obs, n_vars), rows are cells; it stays as it is, also where it is backed by a file. Or what else
        :func:`scgnn2_engine.fit` takes from memory: a Dataset, or several samples.
    folder
        Where to: :attr:`Workspace.data`. The file is there whole or not at all.
    title
        What to call it on a screen.

    Returns
    -------
    source
        Where it is.
    said
        A sentence on what the runs do not see as it is in the data; empty where they see all of it.

    Raises
    ------
    InputError
        It is nothing of that, or cannot be read.
    OutputError
        The file cannot be written.
    """
    from anndata import AnnData

    from scgnn2_engine.io import dataset_to_anndata, not_in_anndata, read_dataset, whole_file
    from scgnn2_engine.io.storage.storing import write_h5ad

    adata, left = data, list[str]()
    if not isinstance(data, AnnData):
        dataset = read_dataset(RunParams(), data)
        adata, left = dataset_to_anndata(dataset), not_in_anndata(dataset)
    path = Path(folder) / f"{secrets.token_hex(8)}.h5ad"
    with whole_file(path) as temporary:
        said = write_h5ad(adata, temporary)
    phrases = [*said.phrases, *left]
    sentence = f"Not as in the data for the runs: {'; '.join(phrases)}." if phrases else ""
    source = Source("memory", str(path), title=title or f"AnnData, {adata.n_obs} cells × {adata.n_vars} genes")
    return source, sentence


def require_allowed(source: Source, params: RunParams, roots: Sequence[Path], *, shown: Sequence[Path] = ()) -> None:
    """Refuse a run that would read a file outside the folders a server may read.

    Parameters
    ----------
    source, params
        What the run would be; the labels, bulk and every ``load_*`` parameter that names a file are looked at.
    roots
        The folders whose files may be read, links resolved.
    shown
        Those of them that a message may name: a user is not told where the server keeps its own files.

    Raises
    ------
    InputError
        A file lies elsewhere. The message does not tell whether it exists.
    """
    load = params.load
    if load.dataset_dir or load.dataset_name:
        require_inside(expanded(load.dataset_dir) / load.dataset_name, roots, shown=shown)
    names = [source.path, source.labels, source.bulk, *(str(params.to_dict().get(key, "")) for key in READING)]
    for name in filter(None, names):
        for place in places(load, name):
            # A name that is no path of anything is a column of obs, or is missing: the reader will say so.
            if place.exists() or place.is_absolute() or ".." in place.parts:
                require_inside(place, roots, shown=shown)


def require_inside(path: str | Path, roots: Sequence[Path], *, shown: Sequence[Path] | None = None) -> Path:
    """The path with all links resolved, if it lies in one of the folders.

    Parameters
    ----------
    path
        Of a file or folder, which need not exist.
    roots
        The folders.
    shown
        Those of them that the message may name; None: all.

    Raises
    ------
    InputError
        It does not.
    """
    resolved = expanded(path).resolve()
    if any(resolved.is_relative_to(root.resolve()) for root in roots):
        return resolved
    raise InputError(
        f"{path} is outside the folders this server may read.",
        expected="a path inside " + (", ".join(map(str, roots if shown is None else shown)) or NAMED_ROOT),
        advice="Choose a file there, upload it, or start the server with --root for its folder.",
    )
