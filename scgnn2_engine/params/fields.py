"""The kinds of parameters, and what a group of them can do."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import param

ESSENTIAL = 1
ADVANCED = 2


class StageParams(param.Parameterized):
    """The parameters of one stage; ``group`` is the prefix of its flags."""

    group: ClassVar[str] = ""
    title: ClassVar[str] = ""

    @classmethod
    def own_names(cls) -> list[str]:
        """The declared parameters, in order of declaration."""
        return [name for name in cls.param.objects("existing") if name != "name"]

    @classmethod
    def flag(cls, name: str) -> str:
        """The flat key of a parameter: flag without dashes, TOML key, column of the table."""
        return f"{cls.group}_{name}" if cls.group else name

    def replace(self, **values: Any) -> Self:
        """A copy with some values changed."""
        return type(self)(**{**{name: getattr(self, name) for name in self.own_names()}, **values})

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in self.param:
            from scgnn2_engine.params.run_params import unknown_parameter  # which knows every group

            raise unknown_parameter(self.flag(name))
        super().__setattr__(name, value)


def count(
    default: int,
    doc: str,
    *,
    low: int = 1,
    high: int | None = None,
    soft: tuple[int, int] | None = None,
    precedence: int = ADVANCED,
) -> Any:
    """A whole number."""
    return param.Integer(default, bounds=(low, high), softbounds=soft, doc=doc, precedence=precedence)


def share(default: float, doc: str, *, precedence: int = ADVANCED, high: float = 1.0, open_high: bool = False) -> Any:
    """A share of a whole."""
    return param.Number(
        default, bounds=(0.0, high), inclusive_bounds=(True, not open_high), doc=doc, precedence=precedence
    )


def rate(default: float, *, precedence: int = ADVANCED) -> Any:
    """A learning rate."""
    return param.Number(
        default,
        bounds=(0.0, 10.0),
        inclusive_bounds=(False, True),
        softbounds=(1e-5, 1e-1),
        doc="Learning rate of Adam (no unit).",
        precedence=precedence,
    )


def text(doc: str, default: str = "", precedence: int = ADVANCED) -> Any:
    """Text."""
    return param.String(default, doc=doc, precedence=precedence)


def switch(doc: str, default: bool = False, precedence: int = ADVANCED) -> Any:
    """On or off."""
    return param.Boolean(default, doc=doc, precedence=precedence)


def choice(default: str, choices: list[str], doc: str, precedence: int = ADVANCED) -> Any:
    """One of several names."""
    return param.Selector(default=default, objects=choices, doc=doc, precedence=precedence)


def weight(default: float, doc: str) -> Any:
    """A weight in a loss."""
    return param.Number(default, bounds=(0.0, None), softbounds=(0.0, 2.0), doc=doc, precedence=ADVANCED)
