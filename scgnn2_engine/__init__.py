"""scGNN 2.0 as a library: imputation, clustering and a cell-cell graph from single-cell expression.

The names below are the public ones; they are loaded when first used, so that the command line answers at once.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scgnn2_engine.clusters.tree import ClusterTree
    from scgnn2_engine.data.cell_graph import CellGraph
    from scgnn2_engine.data.dataset import Dataset
    from scgnn2_engine.data.filters import require_size
    from scgnn2_engine.data.prepared import Prepared
    from scgnn2_engine.data.simulation import simulate
    from scgnn2_engine.io import from_anndata, read, result_to_anndata, write
    from scgnn2_engine.io.demo import demo
    from scgnn2_engine.model.model import Model
    from scgnn2_engine.params import RunParams
    from scgnn2_engine.results.result import Result
    from scgnn2_engine.results.state import LoopState
    from scgnn2_engine.run.folder import iterate_to_folder
    from scgnn2_engine.run.inspection import inspect
    from scgnn2_engine.run.loop import fit, iterate
    from scgnn2_engine.run.memory import expected_memory

_HOMES = {
    "CellGraph": "data.cell_graph",
    "ClusterTree": "clusters.tree",
    "Dataset": "data.dataset",
    "LoopState": "results.state",
    "Model": "model.model",
    "Prepared": "data.prepared",
    "Result": "results.result",
    "RunParams": "params",
    "demo": "io.demo",
    "expected_memory": "run.memory",
    "fit": "run.loop",
    "from_anndata": "io",
    "inspect": "run.inspection",
    "iterate": "run.loop",
    "iterate_to_folder": "run.folder",
    "read": "io",
    "require_size": "data.filters",
    "result_to_anndata": "io",
    "simulate": "data.simulation",
    "write": "io",
}

__all__ = [
    "CellGraph",
    "ClusterTree",
    "Dataset",
    "LoopState",
    "Model",
    "Prepared",
    "Result",
    "RunParams",
    "demo",
    "expected_memory",
    "fit",
    "from_anndata",
    "inspect",
    "iterate",
    "iterate_to_folder",
    "read",
    "require_size",
    "result_to_anndata",
    "simulate",
    "write",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("scgnn2")
    if name in ("io", "pl", "tl"):
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
