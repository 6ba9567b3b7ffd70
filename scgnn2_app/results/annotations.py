"""What people call the cells of a run: several annotations, kept beside the result, each change of which can be undone.

They are for display and for exports. Nothing that trains, selects or scores reads the file.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from scgnn2_engine.errors import InputError, OutputError
from scgnn2_engine.io.atomic import whole_file
from scgnn2_engine.plots.style import natural_order

FILE = "annotations.json"
MOST_UNDONE = 30
MOST_LABELS = 200
LONGEST = 80
LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Annotation:
    """Names of cells: (n_obs,) ``labels``, ``""`` where a cell has none, and ``colours`` chosen for labels."""

    labels: npt.NDArray[np.str_]
    colours: Mapping[str, str] = field(default_factory=dict)

    def named(self, cells: npt.NDArray[np.int64], label: str) -> Annotation:
        """The same with another label for some cells; ``""`` takes theirs away."""
        labels = self.labels.astype(object)
        labels[cells] = label
        return replace(self, labels=labels.astype(np.str_))

    def renamed(self, old: str, new: str) -> Annotation:
        """The same with another name for a label; one that is there already takes the cells in."""
        colours = {new if name == old else name: colour for name, colour in self.colours.items()}
        return Annotation(self.named(np.flatnonzero(self.labels == old), new).labels, colours)

    def coloured(self, label: str, colour: str) -> Annotation:
        """The same with another colour for a label."""
        return replace(self, colours={**self.colours, label: colour})

    @property
    def names(self) -> list[str]:
        """Its labels, as people sort them."""
        return natural_order(name for name in np.unique(self.labels).tolist() if name)


Named = dict[str, Annotation]


@dataclass(frozen=True)
class State:
    """All annotations of a run.

    Attributes
    ----------
    revision
        How many changes were made.
    named
        Name to annotation.
    last
        What the last change that can be undone did; ``""`` where there is none.
    overtaken
        After a change: what another page had done since this one last looked, ``""`` for nothing.
    """

    revision: int = 0
    named: Named = field(default_factory=dict)
    last: str = ""
    overtaken: str = ""


class AnnotationFile:
    """The annotations in a run's folder; every page reads and changes the same ones.

    Parameters
    ----------
    folder
        Of the run.
    obs_names
        (n_obs,) names of its cells, by which a file of other cells is told.

    Examples
    --------
    >>> import tempfile
    >>> kept = AnnotationFile(Path(tempfile.mkdtemp()), np.array(["a", "b", "c"]))
    >>> types = Annotation(np.array(["0", "0", "1"]))
    >>> state = kept.change("began types", lambda named: {**named, "types": types}, seen=0)
    >>> rename = lambda named: {**named, "types": named["types"].renamed("0", "T cells")}
    >>> kept.change("named 0 T cells", rename, seen=state.revision).named["types"].labels.tolist()
    ['T cells', 'T cells', '1']
    >>> kept.undo(seen=2).named["types"].names
    ['0', '1']
    """

    def __init__(self, folder: Path, obs_names: npt.NDArray[np.str_]) -> None:
        self._path, self._n_obs = folder / FILE, len(obs_names)
        self._cells = zlib.crc32("\n".join(obs_names.tolist()).encode("utf-8"))

    @property
    def stamp(self) -> tuple[int, int]:
        """Another one after every change."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino

    def read(self) -> State:
        """All annotations as they are.

        Raises
        ------
        InputError
            The file is damaged or of other cells.
        """
        return self._state(self._content())

    def change(self, what: str, make: Callable[[Named], Named], *, seen: int) -> State:
        """Change the annotations as they are by now, so that of two pages none loses what the other did.

        Parameters
        ----------
        what
            The change in words, for whoever undoes it or is overtaken by it.
        make
            All annotations to all annotations.
        seen
            The revision that the user looked at.

        Raises
        ------
        InputError
            The file is damaged, or a name cannot be kept.
        OutputError
            The file cannot be written, or another page writes it for very long.
        """
        with self._alone():
            content = self._content()
            before = self._state(content)
            after = make(dict(before.named))
            check(after)
            changed = [name for name in {**before.named, **after} if before.named.get(name) is not after.get(name)]
            entry = {"what": what, "before": {name: content["named"].get(name) for name in changed}}
            named = {
                name: _packed(one) if before.named.get(name) is not one else content["named"][name]
                for name, one in after.items()
            }
            return self._write(content, named, [*content["history"], entry], seen)

    def undo(self, *, seen: int) -> State:
        """Take the last change back, of whichever page; nothing happens where there is none."""
        with self._alone():
            content = self._content()
            if not content["history"]:
                return self._state(content)
            *history, last = content["history"]
            named = {**content["named"], **last["before"]}
            named = {name: one for name, one in named.items() if one is not None}
            return self._write(content, named, history, seen)

    def _write(self, content: dict[str, Any], named: dict[str, Any], history: list[Any], seen: int) -> State:
        others = [str(one["what"]) for one in content["history"]][-1:] if content["revision"] != seen else []
        new = {"revision": content["revision"] + 1, "cells": self._cells, "named": named,
               "history": history[-MOST_UNDONE:]}  # fmt: skip
        with whole_file(self._path) as temporary:
            temporary.write_text(json.dumps(new), encoding="utf-8")
        return replace(self._state(new), overtaken=others[0] if others else "")

    def _alone(self) -> Any:
        try:
            return FileLock(self._path.with_suffix(".lock")).acquire(timeout=LOCK_SECONDS)
        except (Timeout, OSError) as error:
            raise OutputError(f"{self._path} cannot be changed: {error}.", advice="Try again.") from error

    def _content(self) -> dict[str, Any]:
        if not self._path.is_file():
            return {"revision": 0, "cells": self._cells, "named": {}, "history": []}
        try:
            content: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
            if content["cells"] != self._cells:
                raise ValueError("it is of other cells")
            return {name: content[name] for name in ("revision", "cells", "named", "history")}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"The annotations in {self._path} cannot be read: {error}.",
                expected=f"the file that this program writes, of these {self._n_obs} cells",
                advice="Move it away to begin anew.",
            ) from error

    def _state(self, content: dict[str, Any]) -> State:
        last = content["history"][-1]["what"] if content["history"] else ""
        try:
            named = {name: _unpacked(one, self._n_obs) for name, one in content["named"].items()}
        except (ValueError, KeyError, TypeError, IndexError, zlib.error) as error:
            raise InputError(f"The annotations in {self._path} are damaged: {error}.") from error
        return State(int(content["revision"]), named, str(last))


def check(named: Named) -> None:
    """See that annotations can be kept and exported.

    Raises
    ------
    InputError
        A name or label is empty, too long or of more than one line, or there are too many labels.

    Examples
    --------
    >>> check({"a/b": Annotation(np.array(["x"]))})
    Traceback (most recent call last):
    scgnn2_engine.errors.InputError: 'a/b' cannot be the name of an annotation...
    """
    for name, one in named.items():
        if not name.strip() or len(name) > LONGEST or not name.isprintable() or "/" in name:
            raise InputError(
                f"{name[:LONGEST]!r} cannot be the name of an annotation.",
                expected=f"1 to {LONGEST} characters on one line, without /",
            )
        labels = one.names
        if len(labels) > MOST_LABELS:
            raise InputError(
                f"The annotation {name} has {len(labels):,} labels.", expected=f"at most {MOST_LABELS}",
                advice="Choose a column of groups, not of values.",
            )  # fmt: skip
        for label in labels:
            if len(label) > LONGEST or not label.isprintable():
                raise InputError(f"{label[:LONGEST]!r} cannot be a label.", expected=f"up to {LONGEST} characters")


def _packed(one: Annotation) -> dict[str, Any]:
    names, codes = np.unique(one.labels, return_inverse=True)
    packed = base64.b64encode(zlib.compress(codes.astype("<u2").tobytes())).decode("ascii")
    colours = {name: colour for name, colour in one.colours.items() if name in names}
    return {"labels": names.tolist(), "cells": packed, "colours": colours}


def _unpacked(found: dict[str, Any], n_obs: int) -> Annotation:
    codes = np.frombuffer(zlib.decompressobj().decompress(base64.b64decode(found["cells"]), 2 * n_obs), "<u2")
    if len(codes) != n_obs:
        raise ValueError(f"{len(codes)} cells instead of {n_obs}")
    return Annotation(np.asarray(found["labels"], dtype=np.str_)[codes], dict(found["colours"]))
