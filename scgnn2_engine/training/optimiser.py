"""Adam (Kingma & Ba 2015), with or without an L1 penalty on all parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Step = Callable[[float], Tensor]
"""From a learning rate to Σ|parameters| before the step (0 if unweighted); parameters move, gradients are cleared."""


def adam(network: nn.Module, l1_weight: float = 0.0) -> Step:
    """Adam on all parameters of a network that are not frozen, betas 0.9 and 0.999, epsilon 1e-8.

    Parameters
    ----------
    l1_weight
        Weight of the sum of the absolute values of all parameters, biases included. Its gradient is added here, so
        that no array of the parameters' size is made for it.

    Examples
    --------
    >>> line = torch.nn.Linear(3, 1)
    >>> step = adam(line)
    >>> line(torch.ones(1, 3)).sum().backward()
    >>> step(0.1).item(), line.weight.grad is None
    (0.0, True)
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if l1_weight and parameters[0].device.type == "cpu":
        return _one_pass(parameters, l1_weight)
    optimiser = torch.optim.Adam(parameters, fused=True)
    nothing = torch.zeros((), device=parameters[0].device)

    def step(learning_rate: float) -> Tensor:
        penalty = _add_l1_gradient(parameters, l1_weight) if l1_weight else nothing
        optimiser.param_groups[0]["lr"] = learning_rate
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return penalty

    return step


@torch.no_grad()
def _add_l1_gradient(parameters: list[nn.Parameter], l1_weight: float) -> Tensor:
    for parameter in parameters:
        assert parameter.grad is not None
        parameter.grad.add_(parameter.sign(), alpha=l1_weight)
    return torch.stack([torch.linalg.vector_norm(parameter, 1) for parameter in parameters]).sum()


def _one_pass(parameters: list[nn.Parameter], l1_weight: float) -> Step:
    from scgnn2_engine.training.adam_l1 import update

    flat = [parameter.detach().view(-1).numpy() for parameter in parameters]
    means = [torch.zeros(parameter.numel()).numpy() for parameter in parameters]
    squares = [torch.zeros(parameter.numel()).numpy() for parameter in parameters]
    n_steps = 0

    def step(learning_rate: float) -> Tensor:
        nonlocal n_steps
        n_steps += 1
        penalty = 0.0
        for parameter, weights, mean, square in zip(parameters, flat, means, squares, strict=True):
            assert parameter.grad is not None
            gradient = parameter.grad.reshape(-1).numpy()
            penalty += update(
                weights, gradient, mean, square, step=n_steps, learning_rate=learning_rate, l1_weight=l1_weight
            )
            parameter.grad = None
        return torch.tensor(penalty)

    return step
