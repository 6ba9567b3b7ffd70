"""The methods: each a folder with its networks, losses and state, behind one protocol."""

from __future__ import annotations

from scgnn2_engine.methods.denoising.method import Denoising
from scgnn2_engine.methods.protocol import Before, Expression, Fit, Method, Outputs
from scgnn2_engine.methods.published.method import Published
from scgnn2_engine.params import FeatureAEParams, RunParams

METHODS: dict[str, type[Method]] = {"reconstruct": Published, "denoise": Denoising}
"""``feature_AE_objective`` to the method."""

__all__ = ["METHODS", "Before", "Expression", "Fit", "Method", "Outputs", "method_of", "register"]


def register(objective: str, method: type[Method]) -> None:
    """Add a method: ``feature_AE_objective`` takes its name from then on.

    Examples
    --------
    >>> register("reconstruct", METHODS["reconstruct"])
    """
    METHODS[objective] = method
    choices = FeatureAEParams.param["objective"].objects
    if objective not in choices:
        choices.append(objective)


def method_of(params: RunParams) -> type[Method]:
    """The method that the parameters name."""
    return METHODS[params.feature_AE.objective]
