"""Arguments that fail with our own errors, and flags made from the declared parameters."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

import param

from scgnn2_engine.errors import ParameterError
from scgnn2_engine.params import LoadParams, RunParams, allowed_range, every_parameter, unknown_parameter


class Parser(argparse.ArgumentParser):
    """An argument parser that raises our own errors and suggests the nearest flag."""

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the arguments as a :class:`ParameterError`."""
        raise ParameterError(f"{message[0].upper()}{message[1:]}.", advice=f"{self.prog} --help lists what there is.")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As of the parent, but an unknown flag is answered with the nearest ones."""
        known, unknown = self.parse_known_args(args, namespace)
        for word in unknown:
            if word.startswith("--"):
                raise unknown_parameter(word[2:].split("=")[0].removeprefix("no-"))
        if unknown:
            raise ParameterError(f"{unknown[0]!r} is one argument too many.", advice=f"{self.prog} --help")
        return known


def add_parameter_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for each declared parameter, in the groups of the declaration."""
    sections: dict[str, Any] = {}
    default, paper = (RunParams(preset=preset).to_dict() for preset in ("default", "paper"))
    for owner, name in every_parameter():
        if owner.title not in sections:
            sections[owner.title] = parser.add_argument_group(owner.title)
        key = owner.flag(name)
        unset = as_written(default[key]) or "none"
        if key != "preset" and paper[key] != default[key]:
            unset += f", with --preset paper {as_written(paper[key]) or 'none'}"
        _add_flag(sections[owner.title], key, owner.param[name], f"{allowed_range(owner, name)}; default: {unset}")


def add_reading_flags(parser: argparse.ArgumentParser, **named: str) -> None:
    """Flags that say how a command reads its files: ``--layer``, also ``--load_layer``, and so on.

    Parameters
    ----------
    parser
        Of the command; :func:`given_reading` takes what it parsed.
    **named
        Names of :class:`LoadParams`, and what the help says of them; empty: what is declared there.
    """
    for name, text in named.items():
        declared = LoadParams.param[name]
        choices = declared.objects if isinstance(declared, param.Selector) else None
        said = (text or declared.doc or "").replace("%", "%%")
        parser.add_argument(f"--{name}", f"--load_{name}", choices=choices, default=declared.default, help=said)
    parser.set_defaults(reading=tuple(named))


def given_reading(arguments: argparse.Namespace) -> LoadParams:
    """What the flags of :func:`add_reading_flags` say."""
    return LoadParams(**{name: getattr(arguments, name) for name in arguments.reading})


def as_written(value: Any) -> str:
    """A value as the help and the table of parameters write it.

    Examples
    --------
    >>> [as_written(value) for value in (True, [500, 200], 0.1, "")]
    ['on', '500 200', '0.1', '']
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _add_flag(section: Any, key: str, declared: Any, accepts: str) -> None:
    text = f"{declared.doc} ({accepts})".replace("%", "%%")
    options: dict[str, Any] = {"dest": f"param:{key}", "default": None, "help": text}
    if isinstance(declared, param.Boolean):
        section.add_argument(f"--{key}", action=argparse.BooleanOptionalAction, **options)
    elif isinstance(declared, param.List):
        section.add_argument(f"--{key}", nargs=2, metavar=("FIRST", "THEN"), **options)
    else:
        section.add_argument(f"--{key}", metavar=name_of_value(declared), **options)


def name_of_value(declared: Any) -> str:
    """The placeholder of a flag's value in the help."""
    if isinstance(declared, param.Integer):
        return "N"
    if isinstance(declared, param.Number):
        return "X"
    return "CHOICE" if isinstance(declared, param.Selector) else "TEXT"


def parse_value(key: str, declared: Any, text: Any) -> Any:
    """The value that the words of a flag stand for; what is not a number is left for the parameter to refuse."""
    if isinstance(text, list):
        return [_number(int, word) for word in text]
    if isinstance(declared, param.Integer):
        return _number(int, text)
    if isinstance(declared, param.Number):
        return _number(float, text)
    return text


def _number(kind: type, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        return text


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for owner, name in every_parameter():
        key = owner.flag(name)
        words = getattr(arguments, f"param:{key}", None)
        if words is not None:
            values[key] = parse_value(key, owner.param[name], words)
    return values


def given_params(arguments: argparse.Namespace) -> RunParams:
    """The parameters of the file named by ``--config``, if any, with the flags laid over them."""
    given = _given(arguments)
    return RunParams.from_toml(arguments.config, **given) if arguments.config else RunParams(**given)


def given_data(arguments: argparse.Namespace, params: RunParams) -> tuple[Any, RunParams]:
    """What DATA means: one path, several, ``demo`` (of which the labels are known), or nothing."""
    data: Any = arguments.data if len(arguments.data) > 1 else next(iter(arguments.data), None)
    if data == "demo":  # a file of that name is ./demo
        from scgnn2_engine.io.demo import LABEL_COLUMN, demo

        data = demo()
        if not params.load.cell_type_labels:
            params = params.replace(load_cell_type_labels=LABEL_COLUMN)
    return data, params
