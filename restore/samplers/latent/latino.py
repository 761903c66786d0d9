"""LATINO, latent consistency inverse solver: Spagnoletti et al., ICCV 2025, arXiv:2503.12615."""

from math import acos, tan

from torch import Tensor

from ...priors.prior import Denoiser, Law
from ..base import Step, levels, sampler
from ..parts.kernels import ddim_step
from ..parts.latent_space import of_signal


@sampler(law=True, memoryless=True, asks=("latent prior",))
def latino(denoise, measurement, x, sigmas, randn_like, *, ode_steps: int = 5, variance: Law):
    """Algorithm 1: encode, noise, return to a clean latent, decode: a step of the prior; then a
    proximal step towards the data, of the signal. No gradient passes the decoder or the network.

    The latent is moved by what the proximal step changes of its code, E(x) - E(D(z)), in place of
    by E(x) itself: where encoding undoes decoding this is the paper's step, and where it does not,
    the difference would pile up from level to level.

    The return is the probability flow from sigma to 0, by DDIM steps; a consistency model jumps
    there in one, and 4 to 8 levels are enough for it. The step size delta of the proximal step is
    measured: the variance of the decoded signal where the latent has its own, r^2.

    For a white Gaussian prior and an orthonormal decoder 0.7 to 0.8 of the posterior's variance
    where measured, 0.8 elsewhere; with 8 levels 0.4 to 0.6, and 0.7.

    ode_steps: 1 for priors whose denoiser is a consistency function. variance: r^2(sigma); the
    driver gives the prior's own law.
    """
    signal, decoder = of_signal(measurement)
    for sigma, sigma_next in levels(sigmas):
        spread = variance(sigma) ** 0.5
        z = _flow(denoise, x, sigma, spread, ode_steps)
        prediction = decoder(z)
        aside = decoder(z + spread * randn_like(z))
        delta = (aside - prediction).flatten(1).square().mean(1)
        nearer = signal.proximal(prediction, delta)
        estimate = z + decoder.encoder(nearer) - decoder.encoder(prediction)
        x = estimate + sigma_next * randn_like(x) if sigma_next > 0 else estimate
        yield Step(x, estimate, sigma)


def _flow(denoise: Denoiser, x: Tensor, sigma: float, spread: float, steps: int) -> Tensor:
    """Where the probability flow leads from sigma.

    Its levels are evenly spread in the angle along which that of a white prior runs, atan(sigma /
    std); the std is of the one with this r at sigma.
    """
    angle = acos(min(spread / sigma, 0.999))
    ladder = [sigma * tan(angle * (1 - k / steps)) / tan(angle) for k in range(1, steps)]
    for level_next in (*ladder, 0.0):
        x = ddim_step(x, denoise(x, sigma), sigma, level_next, None).x
        sigma = level_next
    return x
