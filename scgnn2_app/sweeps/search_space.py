"""What a sweep varies: parameters with their ranges or choices, made from the declarations of the engine."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import param

from scgnn2_engine.errors import ParameterError
from scgnn2_engine.params import RunParams, every_parameter, find_parameter

FIXED = ("preset", "device", "threads", "max_memory", "max_seconds", "given_cell_type_labels")
"""Parameters that are no question of quality."""

NOT_THE_METHOD = ("load", "evaluate", "output")
"""Groups of parameters that say what is read, scored and written."""

STEPS = 4
"""Points of a range on a grid, where nothing else is said."""

Value = bool | int | float | str
_MOST_POINTS = 10_000


@dataclass(frozen=True)
class Axis:
    """A parameter that a sweep varies.

    Attributes
    ----------
    key
        Its flat key.
    choices
        What to choose from; empty for a range. A parameter of two numbers is written ``"500 300"``.
    low, high
        Ends of the range, both included; ignored with ``choices``.
    log
        Spread over orders of magnitude.
    integer
        Whole numbers only.
    steps
        Points of the range on a grid; 0 takes :data:`STEPS`.
    """

    key: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False
    steps: int = 0

    @classmethod
    def of(cls, key: str) -> Axis:
        """The axis that a parameter's declaration suggests: all its choices, or its usual range.

        Raises
        ------
        ParameterError
            There is no such parameter, or it is a text or a pair of numbers, which need choices.

        Examples
        --------
        >>> Axis.of("graph_AE_learning_rate").text
        'graph_AE_learning_rate=1e-05:0.1:log'
        >>> Axis.of("graph_AE_use_GAT").choices
        (False, True)
        """
        declared = _declared(key)
        if isinstance(declared, param.Boolean):
            return cls(key, (False, True))
        if isinstance(declared, param.Selector):
            return cls(key, tuple(declared.objects))
        if not isinstance(declared, param.Number):
            raise ParameterError(f"{key} has no range.", expected=f"choices, such as {key}=A,B")
        low, high = _usual_range(declared)
        log = low > 0 and high / low >= 1000
        return cls(key, low=low, high=high, log=log, integer=isinstance(declared, param.Integer))

    @classmethod
    def parse(cls, text: str) -> Axis:
        """An axis from ``key=low:high``, ``key=low:high:log``, ``key=A,B,C`` or ``key`` alone (:meth:`of`).

        Raises
        ------
        ParameterError
            The text is none of these, or a value is out of the parameter's range.

        Examples
        --------
        >>> axis = Axis.parse("graph_AE_embedding_size=8:32")
        >>> (axis.low, axis.high, axis.integer)
        (8, 32, True)
        >>> Axis.parse("preprocess_library_size=true,false").choices
        (True, False)
        """
        key, equals, values = text.partition("=")
        key = key.strip().removeprefix("--")
        if not equals:
            return cls.of(key)
        declared = _declared(key)
        if ":" in values and isinstance(declared, param.Number) and not isinstance(declared, param.Boolean):
            axis = cls._range(key, declared, values.split(":"))
        else:
            axis = cls(key, tuple(_choice(key, declared, word.strip()) for word in values.split(",")))
        axis.validate()
        return axis

    @classmethod
    def _range(cls, key: str, declared: Any, words: list[str]) -> Axis:
        integer = isinstance(declared, param.Integer)
        kind: Any = int if integer else float
        try:
            low, high = kind(words[0]), kind(words[1])
            rest = set(words[2:])
            steps = next((int(word) for word in rest if word.isdigit()), 0)
        except (ValueError, IndexError) as error:
            raise _not_an_axis(key) from error
        if rest - {"log", str(steps)}:
            raise _not_an_axis(key)
        return cls(key, low=low, high=high, log="log" in rest, integer=integer, steps=steps)

    @property
    def text(self) -> str:
        """The inverse of :meth:`parse`."""
        if self.choices:
            return f"{self.key}={','.join(str(choice) for choice in self.choices)}"
        ends = f"{self.key}={self.low:g}:{self.high:g}"
        return ends + (":log" if self.log else "") + (f":{self.steps}" if self.steps else "")

    def validate(self) -> None:
        """Check the ends or the choices against the declaration.

        Raises
        ------
        ParameterError
            A value is out of range, there are no two different ones, or the parameter cannot be varied.
        """
        _declared(self.key)
        if not self.choices and not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ParameterError(
                f"{self.key} has no range.", expected="low:high, low below high", found=f"{self.low:g}:{self.high:g}"
            )
        if self.choices and len(set(self.choices)) != len(self.choices):
            raise ParameterError(f"{self.key} has a choice twice.", found=self.text)
        if self.log and not self.choices and self.low <= 0:
            raise ParameterError(f"{self.key} cannot be spread over orders of magnitude from {self.low:g}.")
        for value in self.choices or (self.low, self.high):
            # Against its own range only: with the others it may still not go together, which the trial then says.
            _check(self.key, self.decode(value))

    def decode(self, value: Any) -> Any:
        """What the parameter takes for a value of this axis.

        Examples
        --------
        >>> Axis("feature_AE_epoch", ("500 300",)).decode("500 300")
        [500, 300]
        """
        if isinstance(_declared(self.key), param.List):
            return [int(word) for word in str(value).split()]
        return int(value) if self.integer else value

    def points(self) -> tuple[Value, ...]:
        """Its values on a grid.

        Examples
        --------
        >>> Axis("graph_AE_embedding_size", low=8, high=64, log=True, integer=True).points()
        (8, 16, 32, 64)
        """
        if self.choices:
            return self.choices
        n_points = self.steps or STEPS
        spread = (np.geomspace if self.log else np.linspace)(self.low, self.high, n_points)
        if self.integer:
            return tuple(dict.fromkeys(round(point) for point in spread.tolist()))
        # Rounded to be read, but never out of the range.
        return tuple(min(max(float(f"{point:.6g}"), self.low), self.high) for point in spread.tolist())

    def distribution(self) -> Any:
        """The same for Optuna."""
        from optuna import distributions

        if self.choices:
            return distributions.CategoricalDistribution(self.choices)
        if self.integer:
            return distributions.IntDistribution(int(self.low), int(self.high), log=self.log)
        return distributions.FloatDistribution(self.low, self.high, log=self.log)


def may_vary() -> Iterator[str]:
    """The parameters that a sweep can vary, in the order of their declaration."""
    for owner, name in every_parameter():
        key = owner.flag(name)
        if key not in FIXED and owner.group not in NOT_THE_METHOD:
            yield key


def grid(axes: Sequence[Axis]) -> list[dict[str, Value]]:
    """Every combination of the points of all axes, the last axis fastest.

    Raises
    ------
    ParameterError
        There are more than 10,000.

    Examples
    --------
    >>> grid([Axis.parse("seed=1,2"), Axis.parse("alpha=0:1:2")])[1]
    {'seed': 1, 'alpha': 1.0}
    """
    size = math.prod(len(axis.points()) for axis in axes)
    if size > _MOST_POINTS:
        raise ParameterError(
            f"The grid has {size:,} points.",
            expected=f"at most {_MOST_POINTS:,}",
            advice="Take fewer parameters or values, or the strategy random or tpe.",
        )
    return [
        dict(zip((axis.key for axis in axes), values, strict=True))
        for values in itertools.product(*(axis.points() for axis in axes))
    ]


def laid_over(base: RunParams, axes: Iterable[Axis], values: Mapping[str, Any]) -> RunParams:
    """The parameters of a trial.

    Raises
    ------
    ParameterError
        They do not go together.
    """
    return base.replace(**{axis.key: axis.decode(values[axis.key]) for axis in axes})


def _declared(key: str) -> Any:
    owner, name = find_parameter(key)
    if key in FIXED or owner.group in NOT_THE_METHOD:
        raise ParameterError(
            f"{key} cannot be swept.",
            expected="a parameter of the method",
            advice="Set it for all trials with --set, or make a sweep of its own for each value.",
        )
    return owner.param[name]


def _usual_range(declared: Any) -> tuple[Any, Any]:
    ends = []
    for soft, hard, default in zip(
        declared.softbounds or (None, None),
        declared.bounds or (None, None),
        (declared.default / 10, declared.default * 10),
        strict=True,
    ):
        ends.append(next(end for end in (soft, hard, default) if end is not None))
    if isinstance(declared, param.Integer):
        return round(ends[0]), round(ends[1])
    low_open, high_open = (not inclusive for inclusive in declared.inclusive_bounds)
    low = ends[0] + (ends[1] - ends[0]) / 100 if low_open and ends[0] == declared.bounds[0] else ends[0]
    high = ends[1] - (ends[1] - ends[0]) / 100 if high_open and ends[1] == declared.bounds[1] else ends[1]
    return float(low), float(high)


def _choice(key: str, declared: Any, word: str) -> Value:
    if isinstance(declared, param.Boolean):
        if word.lower() not in ("true", "false"):
            raise ParameterError(f"{key} cannot be {word!r}.", expected="true or false")
        return word.lower() == "true"
    try:
        if isinstance(declared, param.Integer):
            return int(word)
        if isinstance(declared, param.Number):
            return float(word)
        if isinstance(declared, param.List):
            return " ".join(str(int(part)) for part in word.split())
    except ValueError as error:
        if isinstance(declared, param.List):
            raise ParameterError(
                f"{key} cannot be {word!r}.", expected="whole numbers, or several choices: 500 300,200 100"
            ) from error
        kind = "a whole number" if isinstance(declared, param.Integer) else "a number"
        raise ParameterError(
            f"{key} cannot be {word!r}.", expected=f"{kind}, several (A,B,C), or a range (low:high, low:high:log)"
        ) from error
    return word


def _check(key: str, value: Any) -> None:
    owner, name = find_parameter(key)
    holder = RunParams()
    target = holder if owner is RunParams else getattr(holder, owner.group)
    try:
        setattr(target, name, value)
    except (ValueError, TypeError) as error:
        from scgnn2_engine.params import allowed_range

        raise ParameterError(f"{key} cannot be {value!r}.", expected=allowed_range(owner, name)) from error


def _not_an_axis(key: str) -> ParameterError:
    return ParameterError(
        f"What {key} shall be is not clear.", expected=f"{key}=low:high, {key}=low:high:log or {key}=A,B,C"
    )
