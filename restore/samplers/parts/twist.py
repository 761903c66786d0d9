"""Twists h(x) ~ p(y | x_sigma): what a particle at level sigma promises of the measurement.

With p(x0 | x) ~ N(D, C) and Gaussian noise of std, h = N(y; A(D), std^2 + A C A^H), A linear or
linearised at D. Its gradient gives the conditional denoiser, its value the weights of particles
(Wu et al. 2023, section 3.2). Any positive twist leaves a sequential Monte Carlo exact in the
limit; a good one leaves it few particles to need.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian
from ...measurement.signal import column, conjugate_gradient, dot, per_chain
from ...measurement.whitening import Whitened
from ...priors.prior import Denoiser, Law, linearize
from .clouds import refuse_no_density
from .covariance import tangent
from .lanczos import lanczos

# measured numbers up to which A C A^H is built, at one pullback each; more are left to iterations
SMALL = 32
ITERATIONS = 24  # of conjugate gradients and of Lanczos, where A C A^H is not built
RTOL = 1e-3  # of the conjugate gradients


class Twisted(NamedTuple):
    denoised: Tensor  # D, the estimate of x0
    guided: Tensor  # D + sigma^2 grad log h, the estimate of x0 given y
    log: Tensor  # log h up to a constant, (batch,) float64


# (D, pullback, sigma) -> (grad log h, log h)
Likelihood = Callable[[Tensor, Callable[[Tensor], Tensor], float], tuple[Tensor, Tensor]]


def twist(
    denoise: Denoiser, measurement: Measurement, variance: Law | None
) -> Callable[[Tensor, float], Twisted]:
    """The twist that the measurement allows: (x, sigma) -> Twisted, one network call each.

    variance: r^2(sigma), for C = r^2 I; None for C = sigma^2 J, of the denoiser's own Jacobian.
    For Gaussian noise h has the whole of A C A^H, built where it is small; other noise takes
    p(y | D), as the paper does. ValueError for noise of std 0, which has no density.
    """
    refuse_no_density(measurement)
    if not isinstance(measurement.noise, Gaussian):
        likelihood = _at_the_estimate(measurement)
    elif variance is not None and measurement.linear_gaussian:
        likelihood = _isotropic(measurement, variance)
    elif variance is None and _numbers(measurement.y)[0].numel() <= SMALL:
        likelihood = _dense(measurement)
    else:
        likelihood = _iterative(measurement, variance)

    def at(x: Tensor, sigma: float) -> Twisted:
        denoised, pullback = linearize(denoise, x, sigma)
        gradient, log = likelihood(denoised, pullback, sigma)
        return Twisted(denoised, denoised + sigma**2 * gradient, log)

    return at


def energy(measurement: Measurement, x: Tensor, variance: float) -> tuple[Tensor, Tensor]:
    """r^H K^-1 r and A^H K^-1 r for r = y - A x, K = std^2 + variance A A^H, A linear.

    K^-1 is never formed: the proximal step z minimises |y - A z|^2 / std^2 + |z - x|^2 / variance,
    whose minimum is the first, and (z - x) / variance the second. -> (batch,) float64, (batch, ...)
    """
    z = measurement.proximal(x, variance)
    residual = measurement.residual(z)
    white, move = measurement.noise.whiten(residual), z - x
    power = dot(white, white).double() + dot(move, move).double() / variance
    return power, move / variance


def _at_the_estimate(measurement: Measurement) -> Likelihood:
    def likelihood(denoised, pullback, sigma):
        gradient = pullback(measurement.score(denoised))
        return gradient, measurement.log_likelihood(denoised).double()

    return likelihood


def _isotropic(measurement: Measurement, variance: Law) -> Likelihood:
    """C = r^2 I: K is the same for all particles, so its determinant is left out."""

    def likelihood(denoised, pullback, sigma):
        power, pull = energy(measurement, denoised, variance(sigma))
        return pullback(pull), -0.5 * power

    return likelihood


def _dense(measurement: Measurement) -> Likelihood:
    """A C A^H built from the rows a_i of A: <a_i, C a_j> = sigma^2 <a_i, J^T a_j>."""
    operator, fixed = measurement.operator, None
    if measurement.linear_gaussian:
        fixed = _matrix(measurement, operator.adjoint, measurement.observations)

    def likelihood(denoised, pullback, sigma):
        batch = len(denoised)
        residual = measurement.residual(denoised)
        std = _std(measurement, residual)
        a = fixed
        if a is None:
            a = _matrix(measurement, lambda v: operator.vjp(denoised, v), batch)
        a = per_chain(a, batch).to(denoised.dtype)
        pulled = [pullback(row.expand_as(denoised)) for row in a.unbind(1)]
        flat = _real(a).flatten(2)
        gram = torch.stack([torch.einsum("bin,bn->bi", flat, _numbers(p)) for p in pulled], 2)
        scaled = sigma**2 * gram.double() / (std[:, :, None] * std[:, None, :])
        solved, log = _solve(0.5 * (scaled + scaled.mT), _numbers(residual).double() / std)
        gradient = torch.zeros_like(denoised)
        for weight, p in zip((solved / std).to(denoised.real.dtype).unbind(1), pulled):
            gradient.addcmul_(column(weight, p), p)
        return gradient, log

    return likelihood


def _solve(scaled: Tensor, white: Tensor) -> tuple[Tensor, Tensor]:
    """(I + scaled)^-1 white and log N(white; 0, I + scaled); (batch, m, m), (batch, m)."""
    eye = torch.eye(scaled.shape[-1], dtype=scaled.dtype, device=scaled.device)
    factor, failed = torch.linalg.cholesky_ex(eye + scaled)
    if (failed > 0).any():  # a learned Jacobian need not be positive: its negative part is dropped
        powers, axes = torch.linalg.eigh(scaled)
        positive = axes @ (powers.clamp(min=0)[..., None] * axes.mT)
        scaled = torch.where(failed[:, None, None] > 0, positive, scaled)
        factor = torch.linalg.cholesky(eye + scaled)
    solved = torch.cholesky_solve(white[..., None], factor)[..., 0]
    half_log_determinant = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return solved, -0.5 * (white * solved).sum(1) - half_log_determinant


def _iterative(measurement: Measurement, variance: Law | None) -> Likelihood:
    """K by conjugate gradients; its log-determinant by Lanczos quadrature on one fixed probe.

    The probe is the same for all particles and levels: its error, too, is nearly the same for all
    and drops out of their weights (Ubaru, Chen & Saad 2017).
    """
    probe = _probe(measurement.y)

    def likelihood(denoised, pullback, sigma):
        noise = measurement.noise
        operator = Whitened(tangent(measurement.operator, denoised), noise)
        white = noise.whiten(measurement.residual(denoised))

        def times(v: Tensor) -> Tensor:
            return variance(sigma) * v if variance is not None else sigma**2 * pullback(v)

        def matvec(v: Tensor) -> Tensor:
            return v + operator(times(operator.adjoint(v)))

        solved = conjugate_gradient(
            matvec, white, max_steps=ITERATIONS, rtol=RTOL, what=measurement.operator
        )
        log = -0.5 * dot(white, solved).double() - 0.5 * _log_determinant(matvec, probe, white)
        return pullback(operator.adjoint(solved)), log

    return likelihood


def _log_determinant(matvec, probe: Tensor, like: Tensor) -> Tensor:
    """probe^H log(K) probe by Lanczos quadrature, for K >= I; -> (batch,) float64."""
    q = probe.to(like.device, like.dtype).expand_as(like)
    _, matrix = lanczos(matvec, q, ITERATIONS)
    nodes, axes = torch.linalg.eigh(matrix.double())
    return dot(q, q).double() * (axes[:, 0].square() * nodes.clamp(min=1).log()).sum(1)


def _std(measurement: Measurement, residual: Tensor) -> Tensor:
    """The noise's std for each real number of the residual; (batch, numbers), float64."""
    std = torch.as_tensor(measurement.noise.on(residual), dtype=torch.float64)
    std = std.to(residual.device).expand(residual.shape)
    return _numbers(torch.complex(std, std) if residual.is_complex() else std)


def _matrix(measurement: Measurement, adjoint: Callable[[Tensor], Tensor], batch: int) -> Tensor:
    """The rows of A as signals; (batch, numbers, *shape). A complex number has two."""
    y = measurement.y
    shape = y.shape[1:]
    basis = torch.eye(shape.numel(), dtype=y.dtype, device=y.device).reshape(-1, *shape)
    if y.is_complex():
        basis = torch.stack([basis, 1j * basis], 1).flatten(0, 1)
    return torch.stack([adjoint(e.expand(batch, *shape)) for e in basis], 1)


def _probe(y: Tensor) -> Tensor:
    """A fixed vector of signs, of one measurement's shape; (1, *out_shape)."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, *y.shape[1:], 2) if y.is_complex() else (1, *y.shape[1:])
    signs = torch.randn(shape, generator=generator).sign().to(y.device)
    return torch.view_as_complex(signs) if y.is_complex() else signs


def _real(x: Tensor) -> Tensor:
    return torch.view_as_real(x) if x.is_complex() else x


def _numbers(y: Tensor) -> Tensor:
    """(batch, *shape) -> (batch, real numbers)."""
    return _real(y).flatten(1)
