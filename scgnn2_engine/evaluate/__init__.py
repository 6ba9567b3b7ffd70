"""Read results and score them; nothing in here feeds back into training, selection or stopping."""

from scgnn2_engine.evaluate.baselines import (
    CLUSTERING,
    COUNTING,
    DENOISING,
    FILLING,
    GROUPING,
    IMPUTATION,
    cluster_baseline,
    denoise_baseline,
    impute_baseline,
    missing_package,
)
from scgnn2_engine.evaluate.evaluation import evaluate_result, evaluated
from scgnn2_engine.evaluate.held_out_counts import thinning_scores
from scgnn2_engine.evaluate.metrics import (
    agreement_with_truth,
    hidden_error,
    score_iteration,
    validation_error,
)
from scgnn2_engine.evaluate.thinning import thin

__all__ = [
    "CLUSTERING",
    "COUNTING",
    "DENOISING",
    "FILLING",
    "GROUPING",
    "IMPUTATION",
    "agreement_with_truth",
    "cluster_baseline",
    "denoise_baseline",
    "evaluate_result",
    "evaluated",
    "hidden_error",
    "impute_baseline",
    "missing_package",
    "score_iteration",
    "thin",
    "thinning_scores",
    "validation_error",
]
