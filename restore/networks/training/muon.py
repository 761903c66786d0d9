"""Muon: gradient descent whose steps are orthogonal matrices (Jordan et al. 2024).

The momentum of a weight, laid out as a matrix of outputs by all else, is replaced by about the
nearest matrix with singular values of one, so that no direction waits for a few strong ones. The
scale of a step is that of Liu et al. 2025 (arXiv:2502.16982, section 2.2), for which a learning
rate of AdamW fits.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

RMS = 0.2  # of a step at a learning rate of one, as AdamW's steps have it
QUINTIC = (3.4445, -4.7750, 2.0315)  # coefficients of the iteration, by Jordan
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """For weights of two axes and more; the first is that of outputs. ValueError for others."""

    def __init__(
        self,
        weights: Iterable[Tensor],
        learning_rate: float,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ):
        weights = list(weights)
        if any(weight.ndim < 2 for weight in weights):
            raise ValueError("Muon is for weights of two axes and more")
        kept = {"lr": learning_rate, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(weights, kept)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._descend(weight, weight.grad, group)

    def _descend(self, weight: Tensor, gradient: Tensor, group: dict) -> None:
        state = self.state[weight]
        mean = state.setdefault("momentum", torch.zeros_like(weight))
        mean.lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(mean, group["momentum"]).reshape(len(weight), -1)
        size = RMS * max(ahead.shape) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.sub_(group["lr"] * size * orthogonal(ahead).reshape(weight.shape))


def orthogonal(matrix: Tensor) -> Tensor:
    """About U V' of matrix = U S V': singular values from 0.7 to 1.2 where they are not tiny.

    Five steps of a quintic Newton-Schulz iteration, in bfloat16.
    """
    first, third, fifth = QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.T
        x = first * x + (third * square + fifth * (square @ square)) @ x
    return (x.T if tall else x).to(matrix.dtype)
