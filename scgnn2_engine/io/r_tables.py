"""Tables as .RData, for R users, through the optional package pyreadr."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scgnn2_engine.errors import MissingPackageError


def require_pyreadr() -> Any:
    """The package pyreadr.

    Raises
    ------
    MissingPackageError
        It is not installed; the message names the extra that brings it.
    """
    try:
        return importlib.import_module("pyreadr")
    except ImportError as error:
        raise MissingPackageError(
            "Writing .RData needs the package pyreadr.",
            found="it is not installed",
            advice='Install it with: pip install "scgnn2[r]", or leave output_rdata off.',
        ) from error


def write_rdata(path: str | Path, frame: pd.DataFrame) -> None:
    """Write one data frame, named ``df``, to a compressed .RData file.

    float32 becomes double, R's only kind of real number.
    """
    singles = [name for name, kind in frame.dtypes.items() if kind == np.float32]
    converted = frame.astype(dict.fromkeys(singles, np.float64))
    require_pyreadr().write_rdata(str(path), converted, df_name="df", compress="gzip")
