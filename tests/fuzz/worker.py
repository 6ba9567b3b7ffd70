"""Read damaged files, one after another, in this process: ``python worker.py SOURCE FIRST LAST [--whole]``.

Prints a line of JSON before each and one after it, so that who started this knows which one ended it.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sources import SOURCES

from scgnn2_engine.errors import ScgnnError
from scgnn2_engine.io import convert, read

LIMIT = 6 * 1024**3
"""Bytes of address space that a reader may take."""


def seen(path: Path) -> dict[str, Any]:
    """What is read of a file, to be compared."""
    data = read(path, max_memory=2.0)
    x = data.expression
    dense = x if isinstance(x, np.ndarray) else x.toarray()
    return {
        "shape": dense.shape,
        "values": dense.tolist(),
        "names": [data.obs_names.tolist(), data.var_names.tolist()],
        "columns": [] if data.obs is None else sorted(map(str, data.obs.columns)),
        "said": sorted({*data.notes[1:], *data.warnings}),
    }


def compare(whole: dict[str, Any], damaged: dict[str, Any], what: str, *, checksums: bool) -> str:
    """``same``, ``said``, ``values`` (another file, or values without a checksum), or ``silent``."""
    if what.startswith("values"):
        return "values"
    different = [key for key in ("shape", "values", "names", "columns") if whole[key] != damaged[key]]
    if not different:
        return "same"
    if set(damaged["said"]) - set(whole["said"]):
        return "said"
    unseen = {"names"} if checksums else {"names", "values"}  # letters of a name have no checksum
    return "values" if set(different) <= unseen and whole["shape"] == damaged["shape"] else "silent"


def one(name: str, seed: int, whole: dict[str, Any], original: Path, *, convert_it: bool) -> dict[str, Any]:
    """Damage a copy of a file by a seed, and read it."""
    source, rng = SOURCES[name], np.random.default_rng([seed, sum(name.encode())])
    mutation = source.mutations[int(rng.integers(len(source.mutations)))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, original.name)
        (shutil.copytree if original.is_dir() else shutil.copyfile)(original, path)
        try:
            what = mutation(rng, path)
        except (OSError, TypeError, ValueError) as error:  # what it wanted to write, the format has no room for
            return {"seed": seed, "how": mutation.__name__, "what": str(error), "outcome": "skipped", "detail": ""}
        result = {"seed": seed, "how": mutation.__name__, "what": what}
        try:
            outcome = compare(whole, seen(path), what, checksums=source.checksums)
            detail = ""
        except ScgnnError as error:
            outcome, detail = "refused", str(error)
        except BaseException as error:
            outcome, detail = "foreign", "".join(traceback.format_exception(error)[-3:])
        if convert_it and outcome != "foreign":
            try:
                convert(path, Path(folder, "out.h5ad"))
            except ScgnnError:
                pass
            except BaseException as error:
                outcome, detail = "foreign", "convert: " + "".join(traceback.format_exception(error)[-3:])
        return {**result, "outcome": outcome, "detail": detail.replace(folder, "")}


def main() -> None:
    """Read the damaged files of seeds FIRST to LAST of a source."""
    name, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    answers, sys.stdout = sys.stdout, io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        original = SOURCES[name].make(Path(folder))
        whole = seen(original)
        for seed in range(first, last):
            print(json.dumps({"begins": seed}), file=answers, flush=True)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                result = one(name, seed, whole, original, convert_it="--whole" in sys.argv)
            print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
