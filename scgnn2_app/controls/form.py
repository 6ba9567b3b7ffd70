"""The parameters as they are being edited: a plain dictionary, checked as a whole after every change.

Widgets write here, never into a :class:`RunParams`: a linked Param object carries its watchers into every copy and
changes one value at a time. A run takes the snapshot that :meth:`ParameterForm.params` builds from the dictionary.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import param

from scgnn2_engine.errors import ParameterError
from scgnn2_engine.params import PRESETS, RunParams, find_parameter


class ParameterForm(param.Parameterized):
    """The parameters of the next run.

    Attributes
    ----------
    values
        Every parameter by its flat key. Replaced, never changed in place.
    problem
        The engine's sentence about what is wrong with them, ``""`` if nothing is.

    Examples
    --------
    >>> form = ParameterForm()
    >>> form.set("seed", 7)
    >>> form.changed(), form.problem
    ({'seed': 7}, '')
    >>> form.set("preprocess_cell_cutoff", 3)
    >>> form.problem
    'preprocess_cell_cutoff cannot be 3. Expected: a number from 0 to 1.0. Found: 3.'
    """

    values = param.Dict({}, doc="Every parameter by its flat key.")
    problem = param.String("", doc="What is wrong, in the engine's words.")

    def __init__(self, params: RunParams | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # param carries no types
        self._become((params or RunParams()).to_dict())

    def set(self, key: str, value: Any) -> None:
        """Change one value; a preset changes every value that stood as the old preset had it."""
        find_parameter(key)
        if key == "preset":
            self.use_preset(value)
        elif self.values[key] != value or type(self.values[key]) is not type(value):
            self._become({**self.values, key: value})

    def update(self, values: Mapping[str, Any]) -> None:
        """Change several values in one step.

        Raises
        ------
        ParameterError
            A key is unknown.
        """
        for key in values:
            find_parameter(key)
        if preset := values.get("preset"):
            self.use_preset(preset)
        self._become({**self.values, **values})

    def use_preset(self, preset: str) -> None:
        """Lay the user's changes over another preset.

        Raises
        ------
        ParameterError
            There is no such preset.
        """
        self._become({**base(preset), **self.changed(), "preset": preset})

    def reset(self, keys: Iterable[str] | None = None) -> None:
        """Take the preset's values again, of the keys or of all."""
        wanted = base(self.preset)
        chosen = wanted if keys is None else {key: wanted[key] for key in keys}
        self._become({**self.values, **chosen})

    def load(self, params: RunParams) -> None:
        """Take over all parameters of a run."""
        self._become(params.to_dict())

    def load_toml(self, text: str) -> None:
        """Take over a TOML file of flat keys; what it leaves out comes from its preset.

        Raises
        ------
        ParameterError
            It is not TOML, or holds tables, an unknown key or a value out of range; nothing is changed.
        """
        try:
            found = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ParameterError(
                f"This is not TOML: {error}.", advice='A complete file comes from "TOML" under "Copy as".'
            ) from error
        for key, value in found.items():
            if isinstance(value, dict):
                raise ParameterError(
                    f"The file holds the table [{key}].", expected=f"flat keys such as {key}_epoch = 200"
                )
        self.load(RunParams.from_dict(found))

    def params(self) -> RunParams:
        """A checked copy for a run.

        Raises
        ------
        ParameterError
            A value is out of range or does not go with another; also in :attr:`problem`.
        """
        return RunParams.from_dict(self.values)

    @property
    def preset(self) -> str:
        """The preset that the others are compared with."""
        return str(self.values["preset"])

    def changed(self) -> dict[str, Any]:
        """The values that differ from the preset's."""
        wanted = base(self.preset)
        return {key: value for key, value in self.values.items() if value != wanted[key]}

    def _become(self, values: dict[str, Any]) -> None:
        problem = ""
        try:
            RunParams.from_dict(values)
        except ParameterError as error:
            problem = str(error)
        self.param.update(values=values, problem=problem)


@cache
def _base(preset: str) -> dict[str, Any]:
    return RunParams(preset=preset).to_dict()


def base(preset: str) -> dict[str, Any]:
    """Every value as a preset has it.

    Raises
    ------
    ParameterError
        There is no such preset.
    """
    if preset not in PRESETS:
        raise ParameterError(
            f"There is no preset {preset!r}.", expected="one of " + ", ".join(PRESETS), found=repr(preset)
        )
    return {key: list(value) if isinstance(value, list) else value for key, value in _base(preset).items()}
