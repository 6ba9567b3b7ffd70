"""What a benchmark compares: presets, variants of them, and baselines."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from scgnn2_engine.errors import ParameterError
from scgnn2_engine.evaluate.baselines import COUNTING, FILLING, GROUPING, missing_package
from scgnn2_engine.params import PRESETS, RunParams, every_parameter, find_parameter

Kind = Literal["preset", "baseline"]
Protocol = Literal["mask", "clusters", "thinning", "tasks"]

PROTOCOLS: tuple[Protocol, ...] = ("mask", "clusters", "thinning", "tasks")
UNLESS_ASKED = PROTOCOLS[:3]
"""Those of a benchmark that names none: tasks take a run more."""
MASK_SHARE = 0.1
WITHOUT_EFFECT = ("output_", "evaluate_")
OWN_FLAGS = {
    "seed": "--seeds",
    "preset": "--methods",
    "max_seconds": "--max_seconds",
}
"""Parameters that a benchmark sets by other flags of its own."""

LONGEST_NAME = 80
VARIANT = re.compile(rf"[A-Za-z0-9_][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}")
"""Names that can stand in the name of a file, and between commas."""


@dataclass(frozen=True)
class Method:
    """One line of the table.

    Attributes
    ----------
    name
        As in the table.
    kind
        ``preset`` runs scGNN 2.0.
    values
        Every parameter of the run, the seed left out; of a baseline those of the preparation.
    """

    name: str
    kind: Kind
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def protocols(self) -> tuple[Protocol, ...]:
        """What it can be scored by: a baseline imputes, denoises or clusters, a run does all."""
        if self.kind == "preset":
            return PROTOCOLS
        kinds = zip(PROTOCOLS, (FILLING, GROUPING, COUNTING, FILLING), strict=True)
        return tuple(protocol for protocol, names in kinds if self.name in names)


def choose_methods(
    names: Sequence[str] | None = None,
    *,
    variants: Mapping[str, Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
    max_seconds: float = 0.0,
) -> tuple[tuple[Method, ...], tuple[str, ...]]:
    """The methods of the given names, with their parameters.

    Parameters
    ----------
    names
        Presets, baselines and variants; None takes all of them, MAGIC only where it is installed. Where none of them
        is a variant, all variants are taken too.
    variants
        By name, the parameters laid over a preset (``preset``, else ``default``), as of :func:`read_variants`.
    settings
        Parameters laid over every preset, under those of a variant. ``preprocess_*`` and ``dropout_prob`` (the share
        that is hidden, 0.1 without it) hold for the baselines too.
    max_seconds
        Time budget of one run of scGNN 2.0; 0 sets none.

    Returns
    -------
    methods, notes
        In the order asked for; and what was left out.

    Raises
    ------
    ParameterError
        A name is unknown or given to two methods, a variant's cannot stand in the name of a file, or a parameter is
        unknown or out of range.
    """
    settings, variants = dict(settings or {}), dict(variants or {})
    RunParams(max_seconds=max_seconds)  # refused where only baselines are asked for too
    for name in variants:
        _check_name(name)
    for key in (*settings, *(key for values in variants.values() for key in values if key != "preset")):
        _check_key(key)
    presets: dict[str, Mapping[str, Any]] = {name: {"preset": name} for name in sorted(PRESETS)}
    baselines = tuple(dict.fromkeys((*FILLING, *COUNTING, *GROUPING)))
    taken = sorted(set(variants) & {*presets, *baselines})
    if taken:
        raise ParameterError(f"A variant cannot be called {taken[0]}.", expected="a name that no method has")
    runs = presets | variants
    known = (*runs, *baselines)
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise ParameterError(f"There is no method {unknown[0]!r}.", expected=f"of {', '.join(known)}")
    notes = []
    if names is None:
        lacking = {name: missing_package(name) for name in known}
        names = [name for name in known if not lacking[name]]
        notes = [f"{name} is left out: {why}" for name, why in lacking.items() if why]
    elif not set(names) & set(variants):  # who gives variants wants them
        names = [*names, *variants]
    baseline = _preparation(settings)
    return tuple(
        Method(name, "preset", _run_values({**settings, **runs[name]}, max_seconds))
        if name in runs
        else Method(name, "baseline", baseline)
        for name in dict.fromkeys(names)
    ), tuple(notes)


def read_variants(path: str | Path) -> dict[str, dict[str, Any]]:
    """The variants of a TOML file: a table for each, ``preset`` and any parameters in it.

    Raises
    ------
    ParameterError
        The file is missing, is not TOML, or holds something other than tables.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"The file of variants {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"The file of variants {path} is not TOML: {error}.") from error
    loose = [key for key, value in tables.items() if not isinstance(value, dict)]
    if loose or not tables:
        raise ParameterError(
            f"The file of variants {path} needs a table for each variant.",
            expected='[no_graph], and below it preset = "default" and parameters',
            found=f"{loose[0]} outside a table" if loose else "no tables",
        )
    return tables


def run_params(method: Method, seed: int, **values: Any) -> RunParams:
    """The parameters of one run, or of the preparation before a baseline."""
    return RunParams(**{**method.values, **_without_evaluation(), "seed": seed, **values})


def _without_evaluation() -> dict[str, bool | int]:
    """Nothing of what a run measures at its own end: the benchmark does that itself."""
    of_runs = [(owner, name) for owner, name in every_parameter() if owner.group == "evaluate"]
    return {owner.flag(name): type(owner.param[name].default)() for owner, name in of_runs}


def _check_name(name: str) -> None:
    if not VARIANT.fullmatch(name):
        raise ParameterError(
            f"A variant cannot be called {name!a}.",
            expected=f"at most {LONGEST_NAME} letters (a to z), digits and . _ -, a letter, digit or _ first",
            advice="Its name stands in the names of files.",
        )


def _check_key(key: str) -> None:
    find_parameter(key)
    if key in OWN_FLAGS:
        raise ParameterError(f"{key} cannot be set here.", advice=f"Use {OWN_FLAGS[key]}.")
    if key.startswith("load_"):
        raise ParameterError(f"{key} cannot differ from method to method.", advice=f"Use --set {key}=VALUE.")
    if key.startswith(WITHOUT_EFFECT) or key == "given_cell_type_labels":
        raise ParameterError(f"{key} has no effect in a benchmark.", advice="Leave it out.")


def _run_values(values: Mapping[str, Any], max_seconds: float) -> dict[str, Any]:
    whole = RunParams(**{"dropout_prob": MASK_SHARE, "max_seconds": max_seconds, **values}).to_dict()
    return {
        key: value for key, value in whole.items() if key != "seed" and not key.startswith((*WITHOUT_EFFECT, "load_"))
    }


def _preparation(settings: Mapping[str, Any]) -> dict[str, Any]:
    """How the baselines see the data: chosen and scaled as in preset default, but nothing held out.

    A baseline has no use for held-out entries, so it would only be poorer for them.
    """
    ours = {key: value for key, value in RunParams().to_dict().items() if key.startswith("preprocess_")}
    given = {key: value for key, value in settings.items() if key.startswith("preprocess_") or key == "dropout_prob"}
    scaled = {"preprocess_library_size": True, "dropout_prob": MASK_SHARE}
    return {"preset": "paper", "run_LTMG": False, **ours, **scaled, **given}
