"""Plug-and-play diffusion, a split Gibbs sampler: Wu et al., NeurIPS 2024, arXiv:2405.18782."""

from itertools import pairwise

from ...priors.prior import Law
from ..base import Step, levels, sampler
from ..parts.inner_samples import draw
from ..parts.kernels import analytic_step


@sampler(law=True, memoryless=True)
def pnp_dm(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    sweeps: int = 3,
    substeps: int = 4,
    inner_steps: int = 50,
    variance: Law,
):
    """Algorithm 1: in turn x0 from p(x0 | z) by the reverse diffusion from rho, and z from
    p(y | z) N(z; x0, rho^2 I), which is the state x here; rho are the levels of the schedule.

    They go down below the noise in y: at a rho that stays above std (the paper's 0.3) the chain
    samples a model blurred by it, with up to 1 + rho^2 / std^2 times the variance. For a white
    Gaussian prior and 100 levels it is 1.00 to 1.05 times the posterior's; 20 leave 1.4.

    sweeps: iterations at each rho. substeps: levels of the reverse diffusion, picked from the
    schedule below rho; its variance is the best one for that few (Bao et al., arXiv:2201.06503).
    inner_steps: of Langevin dynamics where the measurement is not linear with Gaussian noise.
    variance: r^2(sigma), the prior's law.
    """
    table = sigmas.tolist()
    for index, (rho, rho_next) in enumerate(levels(sigmas)):
        path = _picked(table[index:], substeps)
        for sweep in range(sweeps, 0, -1):
            x = denoised = _reverse(denoise, x, path, variance, randn_like)
            width = rho if sweep > 1 else rho_next
            if width > 0:
                x = draw(measurement, denoised, width**2, randn_like, steps=inner_steps)
        yield Step(x, denoised, rho)


def _reverse(denoise, x, path, variance: Law, randn_like):
    """x0 from p(x0 | x), x at path[0], by ancestral steps whose variance counts that of x0, too."""
    for sigma, sigma_next in pairwise(path):
        x = analytic_step(x, denoise(x, sigma), sigma, sigma_next, randn_like, r2=variance(sigma)).x
    return x


def _picked(table: list[float], count: int) -> list[float]:
    """At most count + 1 of the levels, evenly, the first and the last among them."""
    steps = min(count, len(table) - 1)
    return [table[round(i * (len(table) - 1) / steps)] for i in range(steps + 1)]
