"""A conditional network as a prior: p(x | condition), with classifier-free guidance on request."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from ..prior import Prior, are_priors

# D(x, sigma, condition) = E[x0 | x, condition]
ConditionalDenoiser = Callable[[Tensor, float | Tensor, Any], Tensor]


def conditioned(
    prior: Prior, denoise: ConditionalDenoiser, condition: Any, *, guidance: float = 1.0
) -> Prior:
    """The prior of D(x, sigma, condition), the condition bound once and for all.

    prior: without the condition; its range, shape, law and network are the conditional's too.
    condition: handed on as it is; a tensor follows the device of x, and its precision if real.
    `tuned` finds one near it that fits a measurement.
    guidance: w of D_u + w (D_c - D_u), with D_u the prior's own (Ho & Salimans 2022,
    arXiv:2207.12598). 1 is p(x | condition), by one network call; any other takes two, and is no
    stated prior: each level leans towards p(x | condition)^w p(x)^(1 - w), sharper for w > 1.
    """
    are_priors(prior)

    def told(x: Tensor, sigma: float | Tensor) -> Tensor:
        return denoise(x, sigma, _beside(condition, x))

    def guided(x: Tensor, sigma: float | Tensor) -> Tensor:
        free = prior.denoise(x, sigma)
        return free + guidance * (told(x, sigma) - free)

    return replace(
        prior,
        denoise=told if guidance == 1 else guided,
        footprint=(1 if guidance == 1 else 2) * prior.footprint,
        card={**prior.card, "guidance": guidance},
        offers=frozenset(),
    )


def _beside(condition: Any, x: Tensor) -> Any:
    """A tensor on the device of x, and in its precision where it is real."""
    if not isinstance(condition, Tensor):
        return condition
    return condition.to(x.device, x.dtype if condition.is_floating_point() else condition.dtype)
