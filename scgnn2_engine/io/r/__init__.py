"""R: its files read and written without it, and objects exchanged with a running R.

:func:`from_r` and :func:`seurat_bytes` need no R for objects that come and go as the bytes of R's ``serialize``.
:func:`to_seurat`, :func:`to_sce`, and :func:`from_r` of a variable in R, need R and the optional package rpy2 (extra
``[r]``).
"""

from scgnn2_engine.io.r.session import from_r, seurat_bytes, to_sce, to_seurat

__all__ = ["from_r", "seurat_bytes", "to_sce", "to_seurat"]
