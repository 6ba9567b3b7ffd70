"""Adam (Kingma & Ba 2015), with or without an L1 penalty on all parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim.adam import adam as adam_step

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
    # The function that torch.optim.Adam calls: its own bookkeeping imports torch's compiler (2 s, 700 modules).
    means, squares = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    counts = [torch.zeros((), device=parameter.device) for parameter in parameters]
    nothing = torch.zeros((), device=parameters[0].device)

    @torch.no_grad()
    def step(learning_rate: float) -> Tensor:
        penalty = _add_l1_gradient(parameters, l1_weight) if l1_weight else nothing
        with_gradient = [place for place, parameter in enumerate(parameters) if parameter.grad is not None]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        moved, first, second, made = (
            [values[place] for place in with_gradient] for values in (parameters, means, squares, counts)
        )
        adam_step(
            moved,
            gradients,
            first,
            second,
            [],
            made,
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=learning_rate,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )
        for parameter in parameters:
            parameter.grad = None
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
