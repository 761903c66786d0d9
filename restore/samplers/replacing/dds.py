"""Decomposed diffusion sampling: Chung et al., ICLR 2024, arXiv:2303.05754."""

import torch

from ...measurement.measurement import FLOOR, Measurement
from ...measurement.signal import column, conjugate_gradient
from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.kernels import renoise_step
from ..parts.safe_steps import curvature

PENALTY = 1.0  # rho of ADMM, in units of the prior's weight 1 / r^2
ROUNDS = 3  # of ADMM a level; the paper's one leaves the slopes of D in place


@sampler(law=True, resumes=True, ties="tv_axis")
def dds(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    eta: float = 0.85,
    krylov_steps: int = 5,
    tv: float = 1.0,
    tv_axis: int | None = None,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 1: a few conjugate gradients from D towards (I + gamma A^H A) x = D + gamma A^H y.

    The paper's constant gamma trusts any noise alike; here it is r^2 / std^2, as for p(x0 | x) ~
    N(D, r^2 I), so that the mean is right; the variance is 0.72 of a white Gaussian posterior's.
    With a tv_axis, ADMM at each level also presses the total variation along it, for volumes from
    a prior on slices; its dual variables live on over the levels.

    eta: the share of fresh noise is eta^2. krylov_steps: M, conjugate gradients a level.
    tv: weight of the total variation in units of 1 / (std of the signal). tv_axis: the axis of a
    signal along which it is taken, None for none.
    variance: r^2(sigma), the prior's law.
    """
    shape = measurement.operator.in_shape
    if tv_axis is not None and not -len(shape) <= tv_axis < len(shape):
        raise ValueError(f"tv_axis is an axis of a signal of {shape}, got {tv_axis}")
    axis = None if tv_axis is None else tv_axis % len(shape) + 1
    (dual,), sigma_data = resumed.carried or (0.0,), variance(sigmas[0].item()) ** 0.5
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        denoised = denoise(x, sigma)
        r2 = variance(sigma)
        if axis is None:
            estimate = _solve(measurement, denoised, r2, krylov_steps)
        else:
            estimate, limit = denoised, tv / sigma_data * r2 / PENALTY
            for _ in range(ROUNDS):
                moved = _slope(estimate, axis) + limit * dual
                dual = (moved / limit).clamp(-1, 1)
                split = moved - limit * dual  # soft threshold
                target = split - limit * dual
                estimate = _solve(measurement, denoised, r2, krylov_steps, axis, target)
        x = renoise_step(x, estimate, sigma, sigma_next, randn_like, fresh=eta**2).x
        yield Step(x, estimate, sigma, carried=(dual,))


def _solve(measurement: Measurement, denoised, r2, steps, axis=None, slope=None):
    """argmin_x |y - A x|^2 / std^2 + (|x - D|^2 + rho |grad x - slope|^2) / r2, from D, nearly."""
    operator = measurement.operator
    residual = measurement.residual(denoised)
    floor = FLOOR * curvature(measurement, len(residual))[0]  # without noise as if it had a little
    floor = column(floor.to(residual.device, residual.real.dtype), residual)
    gamma = 1 / torch.clamp(floor, min=measurement.noise.on(residual) ** 2 / r2)
    b = operator.adjoint(gamma * residual)
    if axis is None:
        matvec = lambda z: z + operator.adjoint(gamma * operator(z))  # noqa: E731
    else:
        b = b + PENALTY * _slope_adjoint(slope - _slope(denoised, axis), axis)
        matvec = lambda z: (  # noqa: E731
            z
            + operator.adjoint(gamma * operator(z))
            + PENALTY * _slope_adjoint(_slope(z, axis), axis)
        )
    return denoised + conjugate_gradient(matvec, b, max_steps=steps, truncated=True, what=operator)


def _slope(x, axis: int):
    """Forward differences along an axis; one value fewer."""
    return x.diff(dim=axis)


def _slope_adjoint(v, axis: int):
    zero = torch.zeros_like(v.narrow(axis, 0, 1))
    return -torch.cat([zero, v, zero], axis).diff(dim=axis)
