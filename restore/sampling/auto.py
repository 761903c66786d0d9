"""The sampler that suits a problem: by its operator, its noise, its size, and the prior's cost."""

from typing import NamedTuple

import torch

from ..measurement.measurement import Measurement
from ..measurement.noise import Gaussian
from ..measurement.operator import LinearOperator, Operator
from ..measurement.signal import norm
from ..priors.prior import Prior
from .devices import free_memory

FEW = 32  # measured numbers for which a step's pullbacks, one each, are cheap
SHARE = 0.25  # of the free memory, for the graph of one chain's network call


class Choice(NamedTuple):
    name: str  # of a registered sampler
    reason: str


def choose_sampler(measurement: Measurement, prior: Prior, device: str = "cpu") -> Choice:
    """The default sampler for the problem's class, and why.

    Black boxes come first (no derivative, no choice), then priors of latents, then likelihoods
    that are not linear with Gaussian noise, then linear ones by what the network's gradient costs.
    """
    measurement = measurement.select(0, 1)
    operator, noise = measurement.operator, measurement.noise
    gaussian = isinstance(noise, Gaussian)
    if not differentiable(operator):
        if gaussian and noise.has_density:
            return Choice("enkg", f"{operator} has no derivative, the noise is Gaussian")
        return Choice("daps-mh", f"{operator} has no derivative: inner steps call it only")
    if prior.codec is not None:
        if not measurement.noise.has_density:
            return Choice("resample", "a prior of latents, no noise: fitted to the decoder's floor")
        return Choice("latent-daps", "a prior of latents: inner steps by the likelihood's score")
    if not measurement.linear_gaussian:
        what = "the operator is not linear" if gaussian else f"the noise is {noise}"
        return Choice("daps", f"{what}: inner steps by the likelihood's own score")
    if noise.noise_free and _copies(operator):
        return Choice("repaint", "a noise-free copy of a part of the signal: holes are filled")
    if not _affordable(prior, operator, device):
        return Choice("daps", "linear, Gaussian; the network's gradient would not fit in memory")
    numbers = measurement.y[0].numel()
    if numbers <= FEW and noise.has_density:
        return Choice("tds", f"linear, Gaussian, {numbers} measured numbers: weighted particles")
    return Choice("tmpd", "linear, Gaussian, the network's gradient fits: its own covariance")


def differentiable(operator: Operator) -> bool:
    """Whether vjp answers at a random signal, and with something: rounding has a zero gradient."""
    if isinstance(operator, LinearOperator):
        return True
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, *operator.in_shape, generator=generator)
    try:
        y = operator(x)
        gradient = operator.vjp(x, torch.ones_like(y))
    except (RuntimeError, NotImplementedError):
        return False
    return bool(torch.isfinite(gradient).all() and (gradient != 0).any())


def _copies(operator: LinearOperator) -> bool:
    """Whether A^H A is a projection, of which something is left out."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(1, *operator.in_shape, generator=generator)
    once = operator.normal(x)
    whole = torch.allclose(once, x, atol=1e-4)
    return not whole and bool((norm(operator.normal(once) - once) <= 1e-4 * norm(once)).all())


def _affordable(prior: Prior, operator: Operator, device: str) -> bool:
    """Whether the network's gradient fits in memory: that of a tiled prior keeps all parts."""
    values = torch.Size(operator.in_shape).numel()
    return prior.footprint * values <= SHARE * free_memory(torch.device(device))
