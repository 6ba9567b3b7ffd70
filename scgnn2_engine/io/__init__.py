"""Files in and out: ``read`` and ``read_dataset`` bring a Dataset, and the writers bring a Result to disk.

Names are loaded when first used: who reads needs no writer.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scgnn2_engine.io.atomic import refuse_existing, whole_file
    from scgnn2_engine.io.conversion import convert
    from scgnn2_engine.io.exporting import dataset_to_anndata, export, not_in_anndata
    from scgnn2_engine.io.memory import stored_entries
    from scgnn2_engine.io.results.event_log import EventLog
    from scgnn2_engine.io.results.result_folder import (
        claim_directory,
        clear_directory,
        expected_size,
        interrupted_run,
        require_room,
        result_files,
    )
    from scgnn2_engine.io.results.to_anndata import result_to_anndata
    from scgnn2_engine.io.results.trial import changes_in_the_result, try_to_write
    from scgnn2_engine.io.results.writing import write, write_intermediate, write_record
    from scgnn2_engine.io.route import from_anndata, read, read_dataset
    from scgnn2_engine.io.states import read_states, write_states

_HOMES = {
    "atomic": ("refuse_existing", "whole_file"),
    "conversion": ("convert",),
    "exporting": ("dataset_to_anndata", "export", "not_in_anndata"),
    "memory": ("stored_entries",),
    "results.event_log": ("EventLog",),
    "results.result_folder": (
        "claim_directory",
        "clear_directory",
        "expected_size",
        "interrupted_run",
        "require_room",
        "result_files",
    ),
    "results.to_anndata": ("result_to_anndata",),
    "results.trial": ("changes_in_the_result", "try_to_write"),
    "results.writing": ("write", "write_intermediate", "write_record"),
    "route": ("from_anndata", "read", "read_dataset"),
    "states": ("read_states", "write_states"),
}

__all__ = [
    "EventLog",
    "changes_in_the_result",
    "claim_directory",
    "clear_directory",
    "convert",
    "dataset_to_anndata",
    "expected_size",
    "export",
    "from_anndata",
    "interrupted_run",
    "not_in_anndata",
    "read",
    "read_dataset",
    "read_states",
    "refuse_existing",
    "require_room",
    "result_files",
    "result_to_anndata",
    "stored_entries",
    "try_to_write",
    "whole_file",
    "write",
    "write_intermediate",
    "write_record",
    "write_states",
]


def __getattr__(name: str) -> Any:
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
