"""LTMG: expression states from left-truncated Gaussian mixtures.

:func:`ltmg_states` reproduces the R package's states entry by entry; ``noise`` is R's random stream, ``values`` the
transform and cut, ``mixture`` the batched fits, ``states`` the choice of components.
"""

from scgnn2_engine.data.ltmg.states import Mode, iterate_ltmg_states, ltmg_states

__all__ = ["Mode", "iterate_ltmg_states", "ltmg_states"]
