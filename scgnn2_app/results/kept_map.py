"""A map of the cells that takes its time is made once and kept in the folder of its run."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scgnn2_engine.errors import ScgnnError
from scgnn2_engine.io import whole_file
from scgnn2_engine.plots import umap_positions


def kept_map(folder: Path, embedding: npt.NDArray[np.float32], seed: int) -> npt.NDArray[np.float32]:
    """(n_obs, 2) places of the cells; read where they were kept, else computed and kept where the folder takes it.

    Parameters
    ----------
    folder
        The run's.
    embedding
        (n_obs, d) of which the map is; that of another embedding or seed is another file.
    seed
        Of the map.
    """
    of = hashlib.sha256(np.ascontiguousarray(embedding).tobytes() + str((embedding.shape, seed)).encode()).hexdigest()
    path = folder / "maps" / f"{of[:32]}.npy"
    with suppress(OSError, ValueError, EOFError):
        kept = np.load(path, allow_pickle=False)
        if kept.shape == (len(embedding), 2) and kept.dtype == np.float32:
            return np.asarray(kept)
    made = np.asarray(umap_positions(embedding, seed=seed), dtype=np.float32)
    with suppress(OSError, ScgnnError):
        path.parent.mkdir(exist_ok=True)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, made, allow_pickle=False)
    return made
