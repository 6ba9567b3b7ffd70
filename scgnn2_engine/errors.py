"""The exception tree.

Every error says what is wrong, what was expected, what was found and what to do. The parts stay available as
attributes so that a screen can lay them out, and each class carries the exit code of the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class ScgnnError(Exception):
    """Root of all errors raised on purpose by this package.

    Parameters
    ----------
    problem
        One sentence: what is wrong, and where (file, row, column, parameter).
    expected, found, advice
        What would have been right, what was there instead, and what the user can do.

    Examples
    --------
    >>> str(ScgnnError("k is too large.", expected="k < 10", found="k = 12", advice="Choose a smaller k."))
    'k is too large. Expected: k < 10. Found: k = 12. Choose a smaller k.'
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, problem: str, *, expected: str = "", found: str = "", advice: str = "") -> None:
        self.problem = problem
        self.expected = expected
        self.found = found
        self.advice = advice
        parts = [problem]
        if expected:
            parts.append(f"Expected: {expected}.")
        if found:
            parts.append(f"Found: {found}.")
        if advice:
            parts.append(advice)
        super().__init__(" ".join(parts))

    def __reduce__(self) -> tuple[Any, ...]:
        # The default calls the class with the message alone, and so cannot bring back keyword-only arguments: an
        # error raised in a worker process would arrive in pieces, or not at all.
        return _revive, (type(self), str(self), dict(vars(self)))


def _revive(kind: type[ScgnnError], message: str, parts: dict[str, Any]) -> ScgnnError:
    error = kind.__new__(kind, message)
    error.__dict__.update(parts)
    return error


class ParameterError(ScgnnError, ValueError):
    """A parameter or flag is unknown, out of range, or does not go with another one."""

    exit_code = 2


class InputError(ScgnnError, ValueError):
    """A file or matrix cannot be read, or cannot be used as it is."""

    exit_code = 3


class OutputError(ScgnnError):
    """A result cannot be written: it exists already, the folder is not writable, or the disk is full."""

    exit_code = 4


class PartialOutputError(OutputError):
    """Some files of a result could not be written; all the others are in their place.

    Parameters
    ----------
    not_written
        Name of each missing file to the reason.

    Attributes
    ----------
    not_written
        The same.

    Examples
    --------
    >>> error = PartialOutputError({"seurat.rds": "no room for it"})
    >>> error.problem, error.not_written
    ('Not written: seurat.rds (no room for it).', {'seurat.rds': 'no room for it'})
    """

    exit_code = 8

    def __init__(self, not_written: Mapping[str, str]) -> None:
        self.not_written = dict(not_written)
        super().__init__(
            f"Not written: {'; '.join(f'{name} ({why})' for name, why in self.not_written.items())}.",
            advice="Everything else is in the folder; its run.json names what is missing, under not_written.",
        )


class InsufficientMemoryError(ScgnnError):
    """The run would need more memory than the machine has; raised before anything starts."""

    exit_code = 5


class TrainingError(ScgnnError):
    """Training broke down (a loss became NaN or infinite).

    Attributes
    ----------
    stage, iteration, epoch
        Where it happened; ``iteration`` is 0 before the loop, ``epoch`` is 1-based.
    """

    exit_code = 6

    def __init__(self, problem: str, *, stage: str, iteration: int, epoch: int, advice: str = "") -> None:
        self.stage = stage
        self.iteration = iteration
        self.epoch = epoch
        super().__init__(problem, advice=advice)


class MissingPackageError(ScgnnError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    exit_code = 7
