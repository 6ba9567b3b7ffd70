"""Sets of values, and published flags that do nothing."""

from __future__ import annotations

from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "paper": {
        "graph_AE_use_GAT": True,
        "graph_AE_normalize_embed": "sum1",
        "run_LTMG": True,
        "mixed_precision": False,
    },
    "default": {
        "total_epoch": 3,
        "ari_threshold": 1.0,
        "graph_change_threshold": 0.0,
        "ensemble": True,
        "imputation_target": "auto",
        "keep_zeros": 0.01,
        "preprocess_library_size": True,
        "validation_share": 0.02,
        "selection": "validation",
        "feature_AE_objective": "denoise",
        "feature_AE_huber_delta": 0.3,
        "feature_AE_activation": "elu",
        "feature_AE_layer_dropout": 0.5,
        "feature_AE_count_weight": 0.1,
        "feature_AE_gene_dispersion": True,
        "feature_AE_batch_size": 512,
        "feature_AE_cycle_steps": 100,
        "feature_AE_max_steps": 300,
        "feature_AE_patience": 6,
        "cluster_AE_batch_size": 512,
        "cluster_AE_max_steps": 30,
        "cluster_AE_patience": 2,
        "cluster_AE_only_if_better": True,
        "graph_AE_epoch": 30,
        "graph_AE_use_GAT": True,
        "graph_AE_graph_embed": "expression",
        "graph_AE_graph_construction": "jaccard",
        "graph_AE_n_components": 20,
        "graph_AE_neighborhood_factor": 0.12,
        "graph_AE_neighborhood_max": 15,
        "graph_AE_pair_samples": 200_000,
        "graph_AE_tolerance": 1e-3,
        "clustering_method": "consensus",
        "clustering_embed": "expression",
        "clustering_resolution": 0.15,
        "deconv_method": "shares",
    },
}
"""Values laid over the published defaults. Every departure from ``paper`` is one named parameter."""

REFUSED: dict[str, str] = {
    "use_CCC": "cell-cell communication was never implemented in the published program and is not part of this one.",
    "deconv_opt3_regu_strength_3": "it has no effect in the published program and was left out.",
}
"""Published flags that do nothing, with the sentence that refuses them."""

REMOVED: dict[tuple[str, str], str] = {
    ("deconv_method", "exact"): "It lowered the error as much with the genes of the bulk shuffled, so it was removed. "
    "Use shares, or published for the same four problems.",
}
"""Values that a parameter once took, with what to use instead."""
