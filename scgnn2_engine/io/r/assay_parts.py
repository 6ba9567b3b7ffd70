"""What happens when a part of a Seurat assay cannot be read: the active assay's stops, another's is named and left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rdata.parser import RObject

from scgnn2_engine.errors import InputError
from scgnn2_engine.io.names import listed
from scgnn2_engine.io.r import values as r

_FAILURES = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
_OWN = ("Assay", "Assay5")
_KNOWN = {
    *("counts", "data", "scale.data", "key", "assay.orig", "var.features", "meta.features", "misc", "class"),
    *("layers", "cells", "features", "default", "meta.data"),
}


class _UnreadableError(InputError):
    """Names the part of the assay already."""


class Parts:
    """The parts of one assay as they are read.

    Parameters
    ----------
    name
        What the Seurat object calls the assay.
    required
        Whether all of it must be readable.
    """

    def __init__(self, name: str, required: bool) -> None:
        self.name = name
        self.required = required
        self.lost: list[str] = []

    @contextmanager
    def reading(self, part: str = "", mend: str = "") -> Iterator[None]:
        """Go on after a failure where the assay is not required.

        Parameters
        ----------
        part
            What is read, empty for the whole.
        mend
            How it is put right in R.
        """
        try:
            yield
        except _UnreadableError:
            raise
        except _FAILURES as error:
            what = f"{part} of assay {self.name}" if part else f"assay {self.name}"
            if self.required:
                raise _unreadable(what, mend, error) from error
            self.lost.append(f"{what} ({_reason(error)})")


def _reason(error: Exception) -> str:
    if isinstance(error, InputError):
        return f"expected {error.expected}, found {error.found}"
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


def _unreadable(what: str, mend: str, error: Exception) -> _UnreadableError:
    given = error if isinstance(error, InputError) else InputError("", found=_reason(error))
    mend = mend or "build the assay again (CreateAssayObject)"
    return _UnreadableError(
        f"{what[0].upper()}{what[1:]} cannot be read." + (f" {given.problem}" if given.problem else ""),
        expected=given.expected
        or "numbers, features x cells, under the names of the features and of the object's cells",
        found=given.found,
        advice=given.advice
        or f"In R, {mend}, or choose another assay (DefaultAssay(object) <- NAME), and save the object again.",
    )


def other_class(name: str, obj: RObject) -> list[str]:
    """What a class that extends Assay holds besides, such as SCTAssay or Signac's ChromatinAssay, as phrases."""
    kind = r.class_of(obj)
    if kind in _OWN:
        return []
    held = [slot for slot, value in r.attributes(obj).items() if slot not in _KNOWN and not r.is_empty(value)]
    return [f"the class {kind} of assay {name} (it becomes Assay{f', without {listed(held)}' if held else ''})"]
