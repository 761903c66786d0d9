"""Models of p(x0 | x) ~ N(D, C), and the linear solve that all of them serve.

A model is a function (denoise, x, sigma) -> Estimate; each makes one call of the network. PiGDM,
TMPD, DAPS and TDS differ in the model and in what they do with `pull`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_pre_hook

from ...measurement.measurement import FLOOR, Measurement
from ...measurement.noise import Gaussian
from ...measurement.operator import LinearOperator, Operator
from ...measurement.signal import column, conjugate_gradient, dot
from ...priors.prior import Denoiser, Law, linearize


@dataclass(frozen=True)
class Estimate:
    """x0 is taken for N(denoised, C)."""

    denoised: Tensor  # (batch, *shape)
    times: Callable[[Tensor], Tensor]  # v -> C v; (batch, *shape) -> (batch, *shape)
    variance: float | None = None  # r^2 where C = r^2 I


Covariance = Callable[[Denoiser, Tensor, float], Estimate]


def white(law: Law) -> Covariance:
    """C = r^2(sigma) I; exact for white Gaussian priors with their own law. No gradient."""

    def model(denoise: Denoiser, x: Tensor, sigma: float) -> Estimate:
        variance = law(sigma)
        return Estimate(denoise(x, sigma), lambda v: variance * v, variance)

    return model


def diagonal(denoise: Denoiser, x: Tensor, sigma: float) -> Estimate:
    """C = diag(sigma^2 J^T 1), the sums of the rows; Boys et al. 2023, arXiv:2310.06721, TMPD-D.

    One pullback in all; right where each row of J acts like its diagonal. Sums outside
    0..sigma^2, which no log-concave prior has, are clamped.
    """
    denoised, pullback = linearize(denoise, x, sigma)
    variances = (sigma**2 * pullback(torch.ones_like(denoised))).clamp(0, sigma**2)
    return Estimate(denoised, lambda v: variances * v)


def jacobian(denoise: Denoiser, x: Tensor, sigma: float) -> Estimate:
    """C = sigma^2 J, Tweedie's second-order formula: exact for an exact denoiser.

    Each `times` is one pullback. A learned J is symmetric only nearly.
    """
    denoised, pullback = linearize(denoise, x, sigma)
    return Estimate(denoised, lambda v: sigma**2 * pullback(v))


def pull(
    measurement: Measurement, estimate: Estimate, *, max_steps: int = 5, rtol: float = 1e-4
) -> Tensor:
    """A^H (std^2 + A C A^H)^-1 (y - A D); C times it is the shift of the mean from D to E[x0|x, y].

    For C = r^2 I by the proximal step, for any likelihood. Otherwise by conjugate gradients among
    the measured numbers, where a step costs one `times`, each chain on its own; an operator that
    is not linear stands for its derivative at D. TypeError where the noise is not Gaussian.
    """
    denoised, variance = estimate.denoised, estimate.variance
    if variance is not None:
        return (measurement.proximal(denoised, variance) - denoised) / variance
    if not isinstance(measurement.noise, Gaussian):
        raise TypeError(f"this covariance needs Gaussian noise, not {measurement.noise}")
    operator = tangent(measurement.operator, denoised)
    residual = measurement.residual(denoised)

    def evidence(u: Tensor) -> Tensor:  # A C A^H u
        return operator(estimate.times(operator.adjoint(u)))

    shift = measurement.noise.on(residual) ** 2
    if not measurement.noise.has_density:  # noise-free: solved as if it had a little
        power = dot(residual, evidence(residual)) / dot(residual, residual).clamp(min=1e-30)
        shift = torch.clamp(FLOOR * column(power, residual), min=shift)
    u = conjugate_gradient(
        lambda u: shift * u + evidence(u), residual, max_steps=max_steps, rtol=rtol, what=operator
    )
    return operator.adjoint(u)


def tangent(operator: Operator, x: Tensor) -> LinearOperator:
    """The derivative of an operator at x; a linear operator is its own."""
    return operator if isinstance(operator, LinearOperator) else Tangent(operator, x)


class Tangent(LinearOperator):
    """v -> A'(x) v, for the chains x (batch, *in_shape) that it was made at."""

    def __init__(self, operator: Operator, x: Tensor):
        super().__init__(operator.in_shape, operator.out_shape)
        self.operator, self.x = operator, x

    def _forward(self, v: Tensor) -> Tensor:
        # attention and normalised groups have a forward derivative in these forms only
        with sdpa_kernel(SDPBackend.MATH), _plain_groups():
            return torch.func.jvp(self.operator, (self.x,), (v,))[1]

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.operator.vjp(self.x, y)


@contextmanager
def _plain_groups() -> Iterator[None]:
    """While it lasts, group norms see their channels first in memory, not last."""

    def hook(module: nn.Module, inputs: tuple) -> tuple | None:
        return (inputs[0].contiguous(),) if isinstance(module, nn.GroupNorm) else None

    handle = register_module_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()
