"""The step of DPS as its paper has it, in the state of a variance-exploding diffusion."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.signal import column, norm


def dps_step(
    measurement: Measurement,
    denoised: Tensor,
    pullback: Callable[[Tensor], Tensor],
    sigma: float,
    sigma_next: float,
) -> Tensor:
    """-(1 / |r|) grad_x |r|^2 for r = y - A(D), the step that DPS multiplies by zeta.

    Algorithm 1, line 7, of Chung et al. 2023, with zeta_i = zeta / |y - A(D)|. The paper's state is
    variance-preserving, x_vp = x / sqrt(1 + sigma^2) with 1 / (1 + sigma^2) its alpha bar, and the
    step goes from one level to the next. So grad_(x_vp) = sqrt(1 + sigma^2) grad_x, the step itself
    is sqrt(1 + sigma_next^2) times as long in x, and published step sizes hold as they stand with

        -sqrt((1 + sigma^2) (1 + sigma_next^2)) / |r| grad_x |r|^2

    for signals in the units that they were published for, images from -1 to 1. The norm is each
    chain's own. pullback: v -> J^T v, from `linearize`. -> (batch, *in_shape), added to x at
    sigma_next
    """
    residual = measurement.residual(denoised)
    uphill = -2 * pullback(measurement.operator.vjp(denoised, residual))  # grad_x |r|^2
    length = norm(residual).clamp(min=torch.finfo(residual.real.dtype).tiny)
    factor = ((1 + sigma**2) * (1 + sigma_next**2)) ** 0.5
    return -factor * uphill / column(length, denoised)
