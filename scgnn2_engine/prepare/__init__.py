"""From a data set to what the loop trains on: filter, hide, normalise, LTMG.

:func:`prepare` does all of it; :func:`iterate_preprocess` and :func:`iterate_ltmg` are its two stages as generators of
events.
"""

from scgnn2_engine.prepare.filters import require_size
from scgnn2_engine.prepare.ltmg import UMI_NOTICE, iterate_ltmg_states, ltmg_states
from scgnn2_engine.prepare.memory import check_memory, expected_memory
from scgnn2_engine.prepare.preparation import iterate_ltmg, iterate_preprocess, prepare
from scgnn2_engine.prepare.shared_genes import measured_at

__all__ = [
    "UMI_NOTICE",
    "check_memory",
    "expected_memory",
    "iterate_ltmg",
    "iterate_ltmg_states",
    "iterate_preprocess",
    "ltmg_states",
    "measured_at",
    "prepare",
    "require_size",
]
