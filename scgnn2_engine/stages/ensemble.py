"""The mean of several trained autoencoders, one more with every iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scgnn2_engine.types import Floats

Matrix32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ensemble:
    """Sums over the members so far.

    Attributes
    ----------
    n_members
        How many there are.
    value, log_rate
        (n_obs, n_vars) float32 sums of what they say; ``log_rate`` is None where the data are not counts.
    """

    n_members: int = 0
    value: Matrix32 | None = None
    log_rate: Matrix32 | None = None

    def with_member(self, value: Floats, log_rate: Floats | None) -> Ensemble:
        """One member more; the sums are new arrays.

        Examples
        --------
        >>> two = Ensemble().with_member(np.ones((1, 2)), None).with_member(np.zeros((1, 2)), None)
        >>> two.n_members, two.mean_value().tolist()
        (2, [[0.5, 0.5]])
        """
        return Ensemble(
            self.n_members + 1, _plus(self.value, value), None if log_rate is None else _plus(self.log_rate, log_rate)
        )

    def mean_value(self) -> Matrix32:
        """(n_obs, n_vars) mean of the members' values."""
        if self.value is None:
            raise ValueError("expected at least one member, found none")
        return self.value / np.float32(self.n_members)

    def mean_log_rate(self) -> Matrix32 | None:
        """(n_obs, n_vars) mean of the members' log rates, None where there are none."""
        return None if self.log_rate is None else self.log_rate / np.float32(self.n_members)


def _plus(total: Matrix32 | None, member: Floats) -> Matrix32:
    return np.array(member, np.float32) if total is None else np.add(total, member, dtype=np.float32)
