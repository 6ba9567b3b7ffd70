"""All parameters of a run, and where each is declared."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import param

from scgnn2_engine.errors import ParameterError
from scgnn2_engine.params.autoencoders import ClusterAEParams, FeatureAEParams
from scgnn2_engine.params.bulk import (
    DeconvOpt1Params,
    DeconvOpt2Params,
    DeconvOpt3Params,
    DeconvParams,
    DeconvTuneParams,
)
from scgnn2_engine.params.clustering import ClusteringParams
from scgnn2_engine.params.fields import ADVANCED, ESSENTIAL, StageParams, choice, count, share, switch
from scgnn2_engine.params.graph import GATParams, GraphAEParams
from scgnn2_engine.params.loading import LoadParams
from scgnn2_engine.params.output import EvaluateParams, OutputParams
from scgnn2_engine.params.preprocessing import LTMGParams, PreprocessParams
from scgnn2_engine.params.presets import PRESETS, REFUSED, REMOVED
from scgnn2_engine.params.toml import read_toml, toml_value
from scgnn2_engine.params.values import allowed_range, plain_value, refuse_odd_numbers, shown


class RunParams(StageParams):
    """All parameters of a run.

    Parameters
    ----------
    preset
        ``"default"`` or ``"paper"``: a set of values laid over the published defaults.
    **values
        Flat keys as on the command line without the dashes (``feature_AE_learning_rate=1e-3``, ``seed=2``); they win
        over the preset.

    Raises
    ------
    ParameterError
        A key is unknown (the nearest names are listed) or a value is out of its range (the range is named).

    Examples
    --------
    >>> params = RunParams(preset="paper", feature_AE_epoch=[50, 30])
    >>> params.feature_AE.epoch, params.graph_AE.use_GAT
    ([50, 30], True)
    >>> RunParams.from_dict(params.to_dict()) == params
    True
    """

    title = "Run"

    preset = choice(
        "default",
        ["default", "paper"],
        "paper: scGNN 2.0 as published, its defects left out. default: the same three autoencoders trained to fill "
        "gaps, library-size normalisation, an ensemble over the iterations, clusters by consensus, early stops and "
        "the choice of the iteration on held-out entries.",
        ESSENTIAL,
    )
    seed = param.Integer(
        1, bounds=(0, 2**32 - 1), doc="Seed of every random draw; LTMG's noise keeps its own.", precedence=ESSENTIAL
    )
    device = choice(
        "auto",
        ["auto", "cpu", "cuda", "mps"],
        "Where the networks run; auto takes cuda, then mps, then cpu.",
        ESSENTIAL,
    )
    mixed_precision = switch(
        "Multiply matrices in bfloat16 where that is faster: on CUDA and on processors with AMX. Without effect on the "
        "numbers elsewhere.",
        default=True,
    )
    threads = count(0, "Threads to use; 0 takes all processors this process may use.", low=0, soft=(0, 16))
    max_memory = param.Number(
        0.0,
        bounds=(0.0, None),
        precedence=ADVANCED,
        doc="Refuse runs expected to need more than this many GiB; 0 takes the free memory.",
    )
    max_seconds = param.Number(
        0.0,
        bounds=(0.0, None),
        precedence=ESSENTIAL,
        doc="Time budget in seconds: the run ends cleanly with the best state so far; 0 sets none.",
    )
    total_epoch = count(31, "Largest number of iterations of the loop.", soft=(1, 50), precedence=ESSENTIAL)
    ari_threshold = share(
        0.95,
        "Stop when the adjusted Rand index between the clusters of two successive "
        "iterations is above this (the published program compared with the truth); 1 never "
        "stops on it.",
    )
    graph_change_threshold = param.Number(
        0.01,
        bounds=(0.0, None),
        softbounds=(0.0, 0.1),
        precedence=ADVANCED,
        doc="Stop when the smoothed graph changes by less than this share of the first graph's Laplacian.",
    )
    alpha = share(0.5, "Weight of the first graph's Laplacian in the smoothed graph.")
    dropout_prob = share(
        0.0,
        "Benchmark only: share of the non-zero entries hidden before training, to score the "
        "imputation. Your own data should keep 0.",
        precedence=ESSENTIAL,
        open_high=True,
    )
    validation_share = share(
        0.0,
        "Share of the non-zero entries held out of training, on which early stops and the "
        "choice of the iteration rest.",
        high=0.5,
    )
    selection = choice(
        "last",
        ["last", "validation"],
        "Iteration that is returned: the last, or the one with the smallest error on the held-out "
        "entries (needs validation_share > 0).",
    )
    ensemble = switch(
        "Train the feature autoencoder of every iteration afresh, and return the mean of all of them (objective "
        "denoise only)."
    )
    imputation_target = choice(
        "value",
        ["value", "expected", "auto"],
        "What the imputed expression is. value: the value a gene has where it is seen, as published. expected: "
        "what to expect of it, zeros included: a typical amount, less than the mean (objective denoise only). "
        "auto: expected where a third or more of the non-zero entries share one value, as in sparse UMI "
        "counts, whose values say no more than that a gene is seen; else, and with bulk, "
        "value.",
        ESSENTIAL,
    )
    keep_zeros = share(
        0.0,
        "Leave a zero at 0 where too few of the cell's neighbours see the gene: fewer than the largest number (at most "
        "half of them) that no more than this share of the seen entries fall short of. 0 fills every zero.",
        high=0.5,
    )
    run_LTMG = switch(
        "Compute the LTMG states, unless load_LTMG gives them; off, those of the benchmark folder are loaded. Without "
        "any, all entries weigh the same.",
        precedence=ESSENTIAL,
    )
    use_bulk = switch("Deconvolve the bulk expression over the clusters and fuse it into the imputation.")
    given_cell_type_labels = switch("A label file is given: report the agreement with it (display only).")

    groups: ClassVar[tuple[type[StageParams], ...]] = (
        LoadParams,
        PreprocessParams,
        LTMGParams,
        FeatureAEParams,
        GraphAEParams,
        GATParams,
        ClusteringParams,
        ClusterAEParams,
        DeconvParams,
        DeconvOpt1Params,
        DeconvOpt2Params,
        DeconvOpt3Params,
        DeconvTuneParams,
        EvaluateParams,
        OutputParams,
    )

    load: LoadParams
    preprocess: PreprocessParams
    LTMG: LTMGParams
    feature_AE: FeatureAEParams
    graph_AE: GraphAEParams
    gat: GATParams
    clustering: ClusteringParams
    cluster_AE: ClusterAEParams
    deconv: DeconvParams
    deconv_opt1: DeconvOpt1Params
    deconv_opt2: DeconvOpt2Params
    deconv_opt3: DeconvOpt3Params
    deconv_tune: DeconvTuneParams
    evaluate: EvaluateParams
    output: OutputParams

    def __init__(self, preset: str = "default", **values: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # param carries no types
        for group in self.groups:
            setattr(self, group.group, group())
        self._set("preset", preset)
        for key, value in {**PRESETS[self.preset], **values}.items():
            self._set(key, value)
        self.validate()

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in {group.group for group in self.groups}:
            super().__setattr__(name, value)
            return
        if name in self.__dict__:
            raise ParameterError(
                f"The group {name} cannot be replaced.", advice=f"Set its parameters, or use replace({name}_... = ...)."
            )
        object.__setattr__(self, name, value)

    def _set(self, key: str, value: Any) -> None:
        owner, name = find_parameter(key)
        target = self if owner is RunParams else getattr(self, owner.group)
        value = plain_value(value)
        try:
            refuse_odd_numbers(target.param[name], value)
            setattr(target, name, value)
        except (ValueError, TypeError) as error:
            raise ParameterError(
                f"{key} cannot be {shown(value)}.",
                expected=allowed_range(owner, name),
                found=shown(value),
                advice=REMOVED.get((key, value if isinstance(value, str) else shown(value)), ""),
            ) from error

    def validate(self) -> None:
        """Check what one parameter alone cannot tell.

        Raises
        ------
        ParameterError
            Two parameters do not go together.
        """
        if any(epochs < 1 for epochs in self.feature_AE.epoch):
            raise ParameterError(
                "feature_AE_epoch is too small.",
                expected="two whole numbers of at least 1",
                found=str(self.feature_AE.epoch),
            )
        for key, needs in (
            ("selection", self.selection == "validation"),
            ("feature_AE_patience", self.feature_AE.patience > 0),
            ("cluster_AE_patience", self.cluster_AE.patience > 0),
            ("cluster_AE_only_if_better", self.cluster_AE.only_if_better),
        ):
            if needs and self.validation_share == 0:
                raise ParameterError(
                    f"{key} rests on held-out entries, but there are none.",
                    expected="validation_share > 0",
                    found="validation_share = 0",
                    advice="Set validation_share (0.02 holds 2 % out), or choose selection = last and patience 0.",
                )

    def to_dict(self) -> dict[str, Any]:
        """Flat key to value, in the order of declaration; lists are copies."""
        values: dict[str, Any] = {}
        for owner, name in every_parameter():
            source = self if owner is RunParams else getattr(self, owner.group)
            value = getattr(source, name)
            values[owner.flag(name)] = list(value) if isinstance(value, list) else value
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build and validate from flat keys; missing ones come from the preset named in ``values``."""
        return cls(**dict(values))

    @classmethod
    def from_toml(cls, path: str | Path, **overrides: Any) -> RunParams:
        """Read a TOML file of flat keys; ``overrides`` win over it.

        Raises
        ------
        ParameterError
            The file is missing, is not TOML, or holds an unknown key or a value out of range.
        """
        return cls.from_dict({**read_toml(path), **overrides})

    def snapshot(self) -> RunParams:
        """A validated copy without watchers, whose values can no longer be set."""
        copy = self.from_dict(self.to_dict())
        for target in (copy, *(getattr(copy, group.group) for group in self.groups)):
            for name in target.own_names():
                target.param[name].constant = True
        return copy

    def replace(self, **values: Any) -> Self:
        """A copy with some values changed."""
        return self.from_dict({**self.to_dict(), **values})

    def changed(self) -> dict[str, Any]:
        """The values that differ from what the preset gives."""
        base = RunParams(preset=self.preset).to_dict()
        return {key: value for key, value in self.to_dict().items() if value != base[key]}

    def to_toml(self, *, documented: bool = True) -> str:
        """Every parameter as TOML, with its sentence and range as a comment when ``documented``."""
        lines: list[str] = []
        values = self.to_dict()
        for group in sections():
            lines += [f"# {'=' * 4} {group.title}", ""]
            for name in group.own_names():
                key = group.flag(name)
                if documented:
                    lines += [f"# {sentence}" for sentence in (group.param[name].doc, allowed_range(group, name))]
                lines.append(f"{key} = {toml_value(values[key])}")
                if documented:
                    lines.append("")
            lines.append("")
        return "\n".join(lines).rstrip() + "\n"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunParams) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable, compared by value

    def __repr__(self) -> str:
        arguments = [f"preset={self.preset!r}", *(f"{key}={value!r}" for key, value in self.changed().items())]
        return f"RunParams({', '.join(arguments)})"

    __str__ = __repr__


def sections() -> tuple[type[StageParams], ...]:
    """All classes of parameters: the run-wide ones first, then the stages in the order of a run."""
    return (RunParams, *RunParams.groups)


def every_parameter() -> Iterator[tuple[type[StageParams], str]]:
    """All (class, name) pairs, run-wide ones first, in the order of declaration."""
    for group in sections():
        for name in group.own_names():
            yield group, name


def find_parameter(key: str) -> tuple[type[StageParams], str]:
    """The class and name behind a flat key.

    Raises
    ------
    ParameterError
        There is no such key; the nearest ones are listed.

    Examples
    --------
    >>> find_parameter("graph_AE_epoch")[1]
    'epoch'
    """
    for owner, name in every_parameter():
        if owner.flag(name) == key:
            return owner, name
    raise unknown_parameter(key)


def unknown_parameter(key: str) -> ParameterError:
    """The error for a key that does not exist, naming the nearest ones."""
    if key in REFUSED:
        return ParameterError(f"{key} is not available: {REFUSED[key]}")
    known = {owner.flag(name).lower(): owner.flag(name) for owner, name in every_parameter()}
    near = [known[match] for match in difflib.get_close_matches(key.lower(), known, n=3, cutoff=0.6)]
    advice = f"Did you mean {' or '.join(near)}?" if near else "scgnn2 params lists all of them."
    return ParameterError(f"There is no parameter {key}.", advice=advice)
