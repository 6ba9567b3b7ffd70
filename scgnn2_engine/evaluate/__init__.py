"""Read results and score them; nothing in here feeds back into training, selection or stopping."""

from scgnn2_engine.evaluate.metrics import (
    agreement_with_truth,
    hidden_error,
    score_iteration,
    validation_error,
)

__all__ = ["agreement_with_truth", "hidden_error", "score_iteration", "validation_error"]
