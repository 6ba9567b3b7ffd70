"""scGNN 2.0 under the name of its package: ``import scgnn2``.

``scgnn2.tl.scgnn2(adata)`` and ``scgnn2.pl`` are what a scanpy user calls, ``scgnn2.fit``, ``scgnn2.read`` and the rest
the engine's own functions; all of it is :mod:`scgnn2_engine`.
"""

from __future__ import annotations

from typing import Any

import scgnn2_engine

__all__ = [*scgnn2_engine.__all__, "pl", "tl"]


def __getattr__(name: str) -> Any:
    return getattr(scgnn2_engine, name)


def __dir__() -> list[str]:
    return sorted({*dir(scgnn2_engine), *__all__})
