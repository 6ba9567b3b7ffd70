"""What to say of parameters that do not do what somebody who set them will expect."""

from __future__ import annotations

from typing import Any

from scgnn2_engine.params import PRESETS, RunParams


def of_another_preset(params: RunParams) -> dict[str, Any]:
    """Where the parameters are of another preset than they say: which, and how many of those that differ.

    A file of all parameters holds the values of the preset it was written with: whoever changes the line ``preset`` in
    it alone has not changed anything.

    Examples
    --------
    >>> of_another_preset(RunParams(preset="paper", seed=3))
    {}
    >>> of_another_preset(RunParams.from_dict({**RunParams().to_dict(), "preset": "paper"}))["other"]
    'default'
    """
    values = params.to_dict()
    mine = RunParams(preset=params.preset).to_dict()
    for name in PRESETS:
        theirs = RunParams(preset=name).to_dict()
        differing = [key for key in mine if mine[key] != theirs[key] and key != "preset"]
        taken = [key for key in differing if values[key] == theirs[key]]
        if len(taken) > len(differing) / 2:
            counted = {"preset": params.preset, "other": name, "n": len(taken), "of": len(differing)}
            return {**counted, "key": taken[0], "value": values[taken[0]]}
    return {}


def without_effect(params: RunParams) -> dict[str, str]:
    """Parameters that were set to something no method uses so, and why.

    Examples
    --------
    >>> list(without_effect(RunParams(LTMG_mode="per_gene")))
    ['LTMG_mode']
    """
    idle = {}
    if params.LTMG.mode != "reference" and not params.run_LTMG:
        idle["LTMG_mode"] = "LTMG is off (run_LTMG)"
    clusters = params.clustering
    if clusters.n_clusters and clusters.method != "consensus":
        idle["clustering_n_clusters"] = "it cuts the tree of clustering_method = consensus"
    if clusters.use_flexible_k and (clusters.louvain_only or clusters.method in ("Leiden", "consensus")):
        idle["clustering_use_flexible_k"] = "the number of clusters is that of the communities"
    return idle
