"""The noise of R's ``set.seed(123); rnorm(n)``, bit for bit in its uniforms, to rounding in its normals.

R's default generator is the Mersenne Twister with normals by inversion. NumPy has the same twister, so only the
seeding and the step from 32-bit words to normals are written here.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

SEED = 123
WORD = 2.3283064365386963e-10  # 1 / 2**32: a 32-bit word to [0, 1)
EDGE = 0.5 * 2.328306437080797e-10  # R keeps its uniforms this far from 0 and 1
COARSE = 134217728.0  # 2**27: one normal takes 27 bits of one uniform and all of the next


def seeded_twister(seed: int = SEED) -> np.random.MT19937:
    """The twister in the state in which R's ``set.seed(seed)`` leaves it."""
    words = []
    for step in range(50 + 625):
        seed = (69069 * seed + 1) % 2**32
        if step >= 50:
            words.append(seed)
    twister = np.random.MT19937()
    twister.state = {
        "bit_generator": "MT19937",
        "state": {"key": np.array(words[1:], dtype=np.uint64), "pos": 624},
    }
    return twister


class NormalStream:
    """Standard normals in R's order.

    Parameters
    ----------
    seed
        What R's ``set.seed`` is given.

    Examples
    --------
    >>> NormalStream(123).take(4).round(8).tolist()
    [-0.56047565, -0.23017749, 1.55870831, 0.07050839]
    """

    def __init__(self, seed: int = SEED) -> None:
        self._twister = seeded_twister(seed)

    def take(self, n: int, wanted: npt.NDArray[np.intp] | None = None) -> npt.NDArray[np.float64]:
        """The next ``n`` normals, or only those at the positions ``wanted`` among them; the stream moves by ``n``."""
        words = np.asarray(self._twister.random_raw(2 * n), dtype=np.uint64).reshape(n, 2)
        if wanted is not None:
            words = words[wanted]
        uniforms = np.clip(words * WORD, EDGE, 1.0 - EDGE)
        return np.asarray(ndtri((np.floor(COARSE * uniforms[:, 0]) + uniforms[:, 1]) / COARSE), dtype=np.float64)
