"""Cell and gene names: unique, and never empty."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Names = npt.NDArray[np.str_]
SHOWN = 5


def listed(names: Iterable[object], shown: int = SHOWN) -> str:
    """Join the first few names, and say how many more there are, for a message.

    Examples
    --------
    >>> listed(["a", "b", "c"], shown=2)
    'a, b and 1 more'
    """
    every = [str(name) for name in names]
    rest = len(every) - shown
    return ", ".join(every[:shown]) + (f" and {rest} more" if rest > 0 else "")


def unique_names(names: Iterable[object], kind: str) -> tuple[Names, list[str]]:
    """Make names unique by appending ``-1``, ``-2`` to all but the first of each.

    Parameters
    ----------
    names
        Names as read.
    kind
        ``"cell"`` or ``"gene"``, for the notice and for what was left empty.

    Returns
    -------
    names, notes
        (n,) unique names in the same order, and a sentence for each thing that was changed.

    Examples
    --------
    >>> unique_names(["a", "b", "a", "a-1"], "gene")
    (array(['a', 'b', 'a-2', 'a-1'], dtype='<U3'), ['1 duplicated gene name made unique by a suffix: a.'])
    """
    raw = [str(name) for name in names]
    notes = []
    empty = sum(not name for name in raw)
    if empty:
        raw = [name or f"unnamed_{kind}" for name in raw]
        notes.append(f"{empty} {kind}s without a name are called unnamed_{kind}.")
    given = set(raw)
    if len(given) == len(raw):
        return np.asarray(raw, dtype=np.str_), notes
    taken: set[str] = set()
    suffix: dict[str, int] = {}
    unique, renamed = [], []
    for name in raw:
        candidate = name
        while candidate in taken or (candidate != name and candidate in given):
            suffix[name] = suffix.get(name, 0) + 1
            candidate = f"{name}-{suffix[name]}"
        if candidate != name:
            renamed.append(name)
        taken.add(candidate)
        unique.append(candidate)
    plural = "names" if len(renamed) > 1 else "name"
    notes.append(
        f"{len(renamed)} duplicated {kind} {plural} made unique by a suffix: {listed(dict.fromkeys(renamed))}."
    )
    return np.asarray(unique, dtype=np.str_), notes
