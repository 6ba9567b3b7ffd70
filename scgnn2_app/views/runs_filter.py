"""Which runs of the table are shown: by words, and by any parameter or score."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from scgnn2_app.charts.across_runs import SCORE_WORDS
from scgnn2_app.views.runs_table import text_of
from scgnn2_engine.errors import InputError
from scgnn2_engine.params import every_parameter

if TYPE_CHECKING:
    from scgnn2_app.runs.workspace import RunInfo

_COMPARED = re.compile(r"(\w+)(<=|>=|!=|=|<|>)(\S+)")
_ORDER: dict[str, Callable[[Any, Any], Any]] = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
_KEYS = frozenset({*SCORE_WORDS, *(stage.flag(name) for stage, name in every_parameter())})


def filtered(runs: Sequence[RunInfo], query: str) -> list[RunInfo]:
    """The runs of which all is true that the query says.

    Parameters
    ----------
    runs
        In any order, which is kept.
    query
        Words, each in the name, note, state or data of a run, and comparisons of a parameter or a score without
        spaces, such as ``alpha>=0.2`` or ``clustering_method=Leiden``. A run without that score is not shown.

    Raises
    ------
    InputError
        A comparison names no parameter and no score, or orders what is no number.
    """
    wanted = []
    for term in query.split():
        found = _COMPARED.fullmatch(term)
        wanted.append(_comparison(*found.groups()) if found else _word(term.lower()))
    return [run for run in runs if all(test(run) for test in wanted)]


def _word(word: str) -> Callable[[RunInfo], bool]:
    return lambda run: word in f"{run.title} {run.note} {run.state} {run.source.text}".lower()


def _comparison(key: str, sign: str, text: str) -> Callable[[RunInfo], bool]:
    if key not in _KEYS:
        near = difflib.get_close_matches(key, sorted(_KEYS), n=1)
        raise InputError(
            f"There is no parameter and no score {key!r}.",
            expected="one as the flags and tables name it",
            advice=f"Did you mean {near[0]}?" if near else "",
        )
    number = _number(text)
    if number is None and sign not in ("=", "!="):
        raise InputError(f"{key}{sign}{text} compares with no number.", expected="a number, or = or !=")

    def test(run: RunInfo) -> bool:
        value = run.scores.get(key) if key in SCORE_WORDS else run.params.get(key)
        if value is None:
            return False
        own = _number(value)
        if number is not None and own is not None:
            return bool(_ORDER[sign](own, number))
        return sign in ("=", "!=") and bool(_ORDER[sign](str(text_of(value)).lower(), text.lower()))

    return test


def _number(value: Any) -> float | None:
    if isinstance(value, bool | list):
        return None
    try:
        return float(value)
    except ValueError:
        return None
