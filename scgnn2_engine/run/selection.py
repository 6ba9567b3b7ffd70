"""Which iteration a run returns: a pure function of scores, blind to ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from scgnn2_engine.errors import ParameterError

Rule = Literal["last", "validation"]


def select_iteration(scores: Sequence[Mapping[str, Any]], rule: Rule) -> int:
    """The iteration whose state is returned.

    Parameters
    ----------
    scores
        One mapping for each complete iteration, in order, with its 1-based ``"iteration"``, and for the rule
        ``"validation"`` its ``"validation_error"``.
    rule
        ``"last"``, or ``"validation"``: the smallest error at the held-out entries, the earliest of equals.

    Returns
    -------
    The value of its ``"iteration"``.

    Raises
    ------
    ParameterError
        The rule is unknown, there is no iteration, or ``"validation"`` finds no held-out error.

    Examples
    --------
    >>> rows = [{"iteration": 1, "validation_error": 0.3}, {"iteration": 2, "validation_error": 0.4}]
    >>> select_iteration(rows, "validation"), select_iteration(rows, "last")
    (1, 2)
    """
    if rule not in ("last", "validation"):
        raise ParameterError(f"There is no selection {rule!r}.", expected="last or validation", found=repr(rule))
    if not scores:
        raise ParameterError(
            "There is no iteration to select from.",
            expected="at least one complete iteration",
            found="none",
            advice="Set total_epoch to at least 1.",
        )
    if rule == "last":
        return int(scores[-1]["iteration"])
    scored = [row for row in scores if np.isfinite(row.get("validation_error", np.nan))]
    if not scored:
        raise ParameterError(
            "selection = validation rests on held-out entries, but no iteration has a score for them.",
            expected="validation_share > 0",
            found="no finite validation_error",
            advice="Set validation_share, or selection = last.",
        )
    return int(min(scored, key=lambda row: float(row["validation_error"]))["iteration"])
