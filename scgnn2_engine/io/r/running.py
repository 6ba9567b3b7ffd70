"""A running R, reached through rpy2: bytes of ``serialize`` go in and out, and R's state stays as it is."""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from scgnn2_engine.errors import InputError, MissingPackageError, ScgnnError
from scgnn2_engine.io.names import listed

# An error comes back as its message, so that neither R nor rpy2 prints it.
_CALL = """function(f, x) tryCatch(
  suppressWarnings(suppressMessages(list(f(x)))),
  error = function(e) conditionMessage(e)
)"""
_SERIALISE = "function(x) serialize(x, NULL)"
_UNSERIALISE = "function(f) function(x) f(unserialize(x))"
_FIND = """function(name) if (exists(name, envir = globalenv(), inherits = FALSE))
  serialize(get(name, envir = globalenv()), NULL) else ls(globalenv())"""


def is_of_r(obj: object) -> bool:
    """Whether it is an object that rpy2 made, of either of its interfaces; rpy2 itself is not loaded for this."""
    return any(kind.__module__.startswith("rpy2.") for kind in type(obj).__mro__)


def bytes_of(obj: Any) -> bytes:
    """What R's ``serialize`` makes of an object of rpy2, or of the variable of that name in R's global environment.

    Raises
    ------
    InputError
        There is no such variable, or R cannot serialise it.
    MissingPackageError
        rpy2 or R is not installed.
    ScgnnError
        This is not the main thread.
    """
    rinterface = running_r()
    if not isinstance(obj, str):
        return raw_bytes(_called(rinterface, _SERIALISE, obj))
    found = _called(rinterface, _FIND, rinterface.StrSexpVector([obj]))
    if isinstance(found, rinterface.ByteSexpVector):
        return raw_bytes(found)
    raise InputError(
        f"R has no variable {obj!r}.",
        expected="the name of a variable in R's global environment, or the object itself",
        found=listed(found, 12) or "no variables",
    )


def made_in_r(code: str, data: bytes | bytearray) -> Any:
    """What an R function, given as its text, makes of the object that these bytes are.

    Raises
    ------
    InputError
        R refuses; the message is R's.
    MissingPackageError
        rpy2 or R is not installed.
    ScgnnError
        This is not the main thread.
    """
    rinterface = running_r()
    function = _evaluated(rinterface, _UNSERIALISE)(_evaluated(rinterface, code))
    return _called(rinterface, function, rinterface.ByteSexpVector.from_object(data))


def as_robject(obj: Any) -> Any:
    """An S4 object as rpy2's high-level interface shows it.

    rpy2's own conversion would ask R for the definition of its class, which R need not have.
    """
    with _quiet():
        return importlib.import_module("rpy2.robjects.methods").RS4(obj)


def running_r() -> Any:
    """Load rpy2's low-level interface and start R, or use the R that is running.

    Raises
    ------
    MissingPackageError
        rpy2 or R is not installed.
    ScgnnError
        This is not the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ScgnnError(
            "R can be used from the main thread only.",
            found=f"the thread {threading.current_thread().name}",
            advice="Call it from the main thread, or hand over the bytes of R's serialize(object, NULL).",
        )
    with _quiet():
        try:
            rinterface = importlib.import_module("rpy2.rinterface")
            rinterface.initr()
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] != "rpy2":
                raise _without_r(error) from error
            raise MissingPackageError(
                "Objects in R's memory are reached through the optional package rpy2.",
                found="it is not installed",
                advice='Install it: pip install "scgnn2[r]". Files (.rds, .RData) need neither rpy2 nor R.',
            ) from error
        except (ImportError, ValueError, OSError, RuntimeError, AttributeError) as error:
            raise _without_r(error) from error
    return rinterface


def _without_r(error: BaseException) -> MissingPackageError:
    return MissingPackageError(
        "rpy2 is installed, but finds no R that it can start.",
        expected="R 4.0 or newer, with R on the PATH or its folder in R_HOME",
        found=" ".join(str(error).split()) or type(error).__name__,
        advice="Install R (on Debian and Ubuntu: apt-get install r-base-core). Files (.rds, .RData) need no R.",
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """While rpy2 looks for R it logs each of its attempts, and R each variable of the environment that it sets."""
    logger = logging.getLogger("rpy2")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _called(rinterface: Any, function: Any, argument: Any) -> Any:
    if isinstance(function, str):
        function = _evaluated(rinterface, function)
    found = _evaluated(rinterface, _CALL)(function, argument)
    if isinstance(found, rinterface.ListSexpVector):
        return found[0]
    raise InputError("R refuses.", found=" ".join(str(found[0]).split()))


def _evaluated(rinterface: Any, code: str) -> Any:
    return rinterface.baseenv["eval"](rinterface.parse(code), rinterface.baseenv)


def raw_bytes(vector: Any) -> bytes:
    """The bytes of R's raw vector."""
    return np.asarray(vector).tobytes()
