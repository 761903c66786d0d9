"""Ensemble Kalman diffusion guidance: Zheng et al. 2024, arXiv:2409.20175; no derivatives."""

from itertools import islice

import torch
from torch import Tensor

from ...measurement.noise import Gaussian
from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.clouds import cloud, pick, refuse_no_density
from ..parts.kernels import ddim_step


@sampler(law=True, particles="particles", resumes=True)
def enkg(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    particles: int = 64,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 1: an ensemble runs down the probability-flow ODE and is pulled to y at each level.

    On that ODE x0 is a function of x, so that a Kalman update of x by A(x0) at any level is one
    of x0. The likelihood comes in shares that sum to one, most where D is near the ODE's end
    (r^2 / sigma^2 near 1), for which D stands here at one network call, not several. Needs only
    forward calls of the operator; Gaussian noise.

    particles: J, the ensemble. It moves in its own span only, and is too narrow by about the number
    of measured directions over J. variance: r^2(sigma), the prior's law.
    """
    if not isinstance(measurement.noise, Gaussian):
        raise TypeError(f"the Kalman update needs Gaussian noise, not {measurement.noise}")
    refuse_no_density(measurement)
    shares = _shares(sigmas, variance)
    chains = len(x)
    first = sigmas[0].item()
    if resumed.carried:
        x, equal = resumed.carried
    else:
        x, equal = cloud(denoise(x, first), particles)
        x = x + first * randn_like(x)
    for (sigma, sigma_next), share in islice(zip(levels(sigmas), shares), resumed.passed, None):
        denoised = denoise(x, sigma)
        seen = _white(measurement, denoised, share**-0.5, randn_like)
        weights = _kalman(*(value.reshape(chains, particles, -1) for value in seen), share)
        x, denoised = (_moved(value, weights) for value in (x, denoised))
        x = ddim_step(x, denoised, sigma, sigma_next, randn_like).x
        one = pick(equal, randn_like)
        yield Step(x[one], denoised[one], sigma, carried=(x, equal))


def _shares(sigmas: Tensor, variance: Law) -> list[float]:
    """The likelihood's share at each level; they sum to one."""
    near = [variance(sigma) / sigma**2 for sigma in sigmas[:-1].tolist()]
    return [value / sum(near) for value in near]


def _white(measurement, denoised, wider: float, randn_like) -> tuple[Tensor, Tensor]:
    """A(D) and y + wider std n - A(D), in units of std; (batch, real numbers), float64."""
    residual = measurement.residual(denoised)
    whiten = measurement.noise.whiten
    clean = whiten(measurement.expanded(len(denoised)) - residual)
    away = whiten(residual) + wider * randn_like(residual)
    return tuple(_numbers(value).double() for value in (clean, away))


def _kalman(clean: Tensor, away: Tensor, share: float) -> Tensor:
    """What each member takes of the others' deviations; (chains, J, m) twice -> (chains, J, J).

    With deviations Z of A(D) over sqrt(J - 1): (Z Z^T + 1 / share)^-1 Z away, which is
    Z (Z^T Z + 1 / share)^-1 away; the smaller of the two is solved.
    """
    count, numbers = clean.shape[1:]
    root = max(count - 1, 1) ** 0.5
    z = (clean - clean.mean(1, keepdim=True)) / root
    eye = torch.eye(min(count, numbers), dtype=z.dtype, device=z.device) / share
    if numbers < count:
        return _solved(z.mT @ z + eye, away.mT).mT @ z.mT / root
    return _solved(z @ z.mT + eye, z @ away.mT).mT / root


def _solved(matrix: Tensor, right: Tensor) -> Tensor:
    """matrix^-1 right; positive definite matrices are not looked at, which would stall a GPU."""
    return torch.linalg.solve_ex(matrix, right).result


def _moved(value: Tensor, weights: Tensor) -> Tensor:
    """Every member plus its weights times the deviations of all."""
    cloud = value.reshape(*weights.shape[:2], -1)
    deviations = cloud - cloud.mean(1, keepdim=True)
    return (cloud + weights.to(value.dtype) @ deviations).reshape(value.shape)


def _numbers(y: Tensor) -> Tensor:
    return (torch.view_as_real(y) if y.is_complex() else y).flatten(1)
