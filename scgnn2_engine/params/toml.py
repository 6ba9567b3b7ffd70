"""Parameters as TOML: flat keys, as on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scgnn2_engine.errors import ParameterError


def read_toml(path: str | Path) -> dict[str, Any]:
    """The flat keys of a TOML file.

    Raises
    ------
    ParameterError
        The file is missing or not TOML, or holds tables (keys are flat, as on the command line).
    """
    import tomllib

    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"The parameter file {path} cannot be read: {error.strerror}.") from error
    except RecursionError as error:
        raise ParameterError(
            f"The parameter file {path} holds lists within lists, too deep to read.",
            expected="flat keys with a value each",
            advice="scgnn2 params --toml prints a complete file.",
        ) from error
    except ValueError as error:  # no TOML, no UTF-8, or a number of thousands of digits
        raise ParameterError(
            f"The parameter file {path} is not TOML: {error}.", advice="scgnn2 params --toml prints a complete one."
        ) from error
    tables = [key for key, value in values.items() if isinstance(value, dict)]
    if tables:
        raise ParameterError(
            f"The parameter file {path} holds the table [{tables[0]}].",
            expected=f"flat keys such as {tables[0]}_epoch = 200",
            advice="scgnn2 params --toml prints a complete file.",
        )
    return values


def toml_value(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, str):
        # JSON and TOML escape alike, but for the delete character, which only TOML refuses.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
