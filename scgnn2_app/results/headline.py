"""What to know of a run first, in words: how far it is, how many groups it finds, whether it is any good."""

from __future__ import annotations

from pathlib import Path

from scgnn2_app.results.diagnosis import WORDS, counted, findings
from scgnn2_app.results.history import RunHistory
from scgnn2_app.results.run_data import RunData
from scgnn2_engine.messages import iteration_said


def headline(history: RunHistory) -> str:
    """How large, how far, and what the returned or else the newest iteration found.

    Examples
    --------
    >>> history = RunHistory(n_obs=700, n_vars=765, scores=[{"iteration": 2, "cluster_count": 5}])
    >>> headline(history)
    '700 cells × 765 genes. Iteration 2: 5 clusters.'
    """
    parts = [f"{history.n_obs:,} cells × {history.n_vars:,} genes."] if history.n_obs else []
    if history.scores:
        newest = history.scores[-1]
        shown = next((row for row in history.scores if row["iteration"] == history.selected), newest)
        what = "returned" if history.selected is not None else ""
        said = iteration_said({name: value for name, value in shown.items() if name != "iteration"})
        parts.append(f"Iteration {shown['iteration']}{f', {what}' if what else ''}: {said}.")
    return " ".join(parts)


def verdict(folder: Path) -> str:
    """How many of the diagnostics of a finished run are good, and which are not.

    Raises
    ------
    InputError
        The folder holds no result.
    """
    found = findings(RunData(folder))
    if not any(one.verdict for one in found):
        return ""
    count = counted(found)
    counts = ", ".join(f"{count[kind]} {WORDS[kind]}" for kind in ("good", "look", "poor") if count[kind])
    poor = [one.name for one in found if one.verdict == "poor"]
    named = f" ({', '.join(poor)})" if poor else ""
    return f"Is it any good? {counts}{named}. What that means stands under Diagnostics."
