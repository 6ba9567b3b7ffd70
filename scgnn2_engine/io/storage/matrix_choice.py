"""Which of several matrices of one data set is read, and why; and whether another one holds the counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from scgnn2_engine.errors import InputError

DESCRIPTIONS = ("seurat", "experiment")
"""What of ``uns`` is carried through a run: how an object of R was built."""

LOOKED_AT = 10_000
"""Stored values by which counts are told from other matrices."""


@dataclass(frozen=True)
class Choice:
    """Which matrix of an AnnData is read: ``"X"``, ``"raw"`` or the name of a layer, and the reason for it.

    ``alternatives`` are the others, ``layers`` the names of all layers.
    """

    name: str
    reason: str
    alternatives: tuple[str, ...]
    layers: tuple[str, ...]

    @property
    def label(self) -> str:
        """How a message calls it."""
        return self.label_of(self.name)

    @property
    def is_raw(self) -> bool:
        """Whether it is ``.raw``, which has genes of its own."""
        return self.name == "raw" and "raw" not in self.layers

    def label_of(self, name: str) -> str:
        """How a message calls one of the matrices."""
        return f"layers[{name!r}]" if name in self.layers else (".raw" if name == "raw" else "X")

    @property
    def flags(self) -> dict[str, str]:
        """The flags that take the other matrices, each with how a message calls that."""
        return {f"--load_layer {name}": self.label_of(name) for name in self.alternatives}

    @property
    def negative_advice(self) -> str:
        """What to do when this matrix is scaled."""
        if not self.alternatives:
            return (
                "It looks scaled, and the data holds no other matrix: start from the unscaled one (in a Seurat object, "
                'make the assay with counts the active one: DefaultAssay(object) <- "RNA").'
            )
        return f"It looks scaled; take another matrix of this data: {' or '.join(self.flags)}."


def choose_matrix(
    layers: Iterable[str], *, has_raw: bool, has_x: bool = True, asked: str = "", x_name: str = ""
) -> Choice:
    """Choose a matrix: the layer asked for, else ``layers['counts']``, else ``.raw``, else ``X``.

    Parameters
    ----------
    layers
        Names of the layers.
    has_raw, has_x
        Whether there is a ``.raw``, and an ``X``.
    asked
        ``load_layer``: the name of a layer, ``"raw"`` or ``"X"``; empty chooses.
    x_name
        What ``X`` is called in the object of R that it comes from; that name is understood too.

    Raises
    ------
    InputError
        The layer asked for is not there, or there is no matrix at all.

    Examples
    --------
    >>> choose_matrix(["counts", "scaled"], has_raw=True).label
    "layers['counts']"
    """
    named = list(layers)
    every = [*named, *(["raw"] if has_raw else []), *(["X"] if has_x else [])]
    asked = "X" if asked and asked == x_name and asked not in named else asked
    if asked:
        if asked not in every:
            known = [f"X ({x_name})" if name == "X" and x_name not in ("", *named) else name for name in every]
            raise InputError(
                f"There is no layer {asked!r}.",
                expected=f"one of {', '.join(known) or 'none'}",
                advice="Name another one with --load_layer (of scgnn2 evaluate and convert: --layer), or leave it out.",
            )
        name, why = asked, "as asked (load_layer)"
    elif "counts" in named:
        name, why = "counts", "the layer of that name"
    elif has_raw:
        name, why = "raw", "there is no layer 'counts'"
    elif has_x:
        name, why = "X", "there is neither a layer 'counts' nor a .raw"
    else:
        raise InputError(
            "The AnnData holds no matrix to read.",
            expected="X, .raw or layers['counts']",
            found=f"layers {', '.join(named) or 'none'}",
            advice=(
                f"Name one that holds expression: --load_layer {named[0]}."
                if named
                else "Write the file again with its expression in X; a file of annotation alone cannot be read."
            ),
        )
    others = tuple(other for other in every if other not in (name, "scale.data"))
    return Choice(name, why, others, tuple(named))


def counts_elsewhere(choice: Choice, taken: Any, others: Mapping[str, Callable[[], npt.NDArray[Any]]]) -> str:
    """A sentence where another matrix holds counts and the chosen one does not; empty else.

    Parameters
    ----------
    choice
        Which matrix is read.
    taken
        It, in memory.
    others
        The others by name, each as a function that returns the first of its stored values.
    """
    if _are_counts(first_values(taken)):
        return ""
    for name, values in others.items():
        if _are_counts(values()):
            return (
                f"Matrix {choice.label} holds no counts, but {choice.label_of(name)} holds whole numbers: if these are "
                f"the counts, --load_layer {name} takes them. Rates, and the shares of bulk, need counts."
            )
    return ""


def first_values(matrix: Any) -> npt.NDArray[Any]:
    """Some of the stored values of a matrix, which lies in memory or in a file; all of them where they are few."""
    if hasattr(matrix, "group"):  # a sparse matrix of an AnnData that is backed by a file
        matrix = matrix.group
    if hasattr(matrix, "keys"):  # a sparse matrix in a file
        return np.asarray(matrix["data"][:LOOKED_AT])
    if sp.issparse(matrix):
        return np.asarray(matrix.data[:LOOKED_AT])
    return np.asarray(matrix[: max(1, LOOKED_AT // max(1, matrix.shape[1]))]).ravel()


def _are_counts(values: npt.NDArray[Any]) -> bool:
    """Whether values are whole numbers, and none is negative."""
    values = values[values != 0]
    return bool(len(values)) and bool((values > 0).all()) and bool((values == np.rint(values)).all())


def name_of_x(uns: Mapping[str, Any]) -> str:
    """What ``X`` is called in the object of R that an AnnData comes from; empty where it comes from none."""
    return str(next((found["X"] for key in DESCRIPTIONS if "X" in (found := mapping_in(uns, key))), ""))


def mapping_in(uns: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The first of some entries of ``uns`` that holds a mapping, as this package leaves them; empty without.

    Examples
    --------
    >>> mapping_in({"seurat": "4.1", "experiment": {"X": "data"}}, "seurat", "experiment")
    {'X': 'data'}
    """
    return next((uns[key] for key in keys if isinstance(uns.get(key), Mapping)), {})
