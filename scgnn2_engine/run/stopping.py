"""When the loop stops: a pure function of scores, blind to ground truth."""

from __future__ import annotations

from scgnn2_engine.events import StopReason


def stop_reason(
    *, graph_change: float, graph_change_threshold: float, ari_between: float, ari_threshold: float
) -> StopReason | None:
    """Which rule, if any, ends the loop after an iteration.

    Parameters
    ----------
    graph_change
        Change of the smoothed graph as a share of the first graph's Laplacian, see
        :func:`scgnn2_engine.graph.neighbours.graph_change`.
    graph_change_threshold
        Stop below this change; 0 never stops on it.
    ari_between
        Agreement with the previous iteration's clusters, NaN where there is none.
    ari_threshold
        Stop above this agreement; 1 never stops on it.

    Returns
    -------
    ``"graph_change"``, ``"ari_between_iterations"`` or None: go on. The published program compared with the
    ground truth here; this one cannot, it is not given any.

    Examples
    --------
    >>> stop_reason(graph_change=0.3, graph_change_threshold=0.01, ari_between=0.97, ari_threshold=0.95)
    'ari_between_iterations'
    """
    if graph_change < graph_change_threshold:
        return "graph_change"
    if ari_between > ari_threshold:
        return "ari_between_iterations"
    return None
