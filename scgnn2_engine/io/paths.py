"""A path as a user writes it."""

from __future__ import annotations

from pathlib import Path

from scgnn2_engine.errors import InputError


def expanded(path: str | Path) -> Path:
    """The path with ``~`` and ``~user`` for the folder they stand for; it need not be there.

    Raises
    ------
    InputError
        There is no such user, or the system takes this for no path: it is too long, or may not be looked at.

    Examples
    --------
    >>> expanded("data/cells.h5ad").parts
    ('data', 'cells.h5ad')
    >>> expanded("~nobody-of-that-name/cells.h5ad")
    Traceback (most recent call last):
    scgnn2_engine.errors.InputError: There is no user of that name here: ~nobody-of-that-name. Write the whole path.
    """
    path = Path(path)
    try:
        found = path.expanduser()
        found.exists()  # raises where the system refuses the very name
    except RuntimeError as error:
        raise InputError(
            f"There is no user of that name here: {path.parts[0]}.", advice="Write the whole path."
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{str(path)[:100]!r} cannot be looked at: {reason}.", expected="a path") from error
    return found
