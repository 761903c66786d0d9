"""Decoupled annealing in a latent space: Zhang et al., CVPR 2025, arXiv:2407.01521, section 3.3."""

from ...measurement.signal import dot, minimise
from ...priors.prior import Law
from ..base import Step, levels, sampler
from ..parts.inner_samples import hmc

DESCENT = 10  # gradient steps to where a level's dynamics set out


@sampler(law=True, memoryless=True, asks=("latent prior",))
def latent_daps(
    denoise, measurement, x, sigmas, randn_like, *, inner_steps: int = 20, variance: Law
):
    """Sample z0 from p(y | decode(z0)) N(z0; D, r^2 I), then noise it to the next level.

    Inner steps are Hamiltonian with damped momentum, on the likelihood as it is: the data count
    once and the temperature is 1, where the published loop doubles them and takes a tau of its
    own. D is the denoised latent, as in `daps`. Exact for white Gaussian priors of latents and
    linear decoders, as far as the inner steps mix. ValueError for noise without a density.

    inner_steps: of each level; with 10 of descent before and 4 for the curvature each is one
    gradient through the decoder. variance: r^2(sigma); the driver gives the prior's own law.
    """
    for sigma, sigma_next in levels(sigmas):
        centre, r2 = denoise(x, sigma), variance(sigma)
        start = _towards(measurement, centre + r2**0.5 * randn_like(centre), r2)
        estimate = hmc(measurement, centre, r2, randn_like, steps=inner_steps, start=start)
        x = estimate + sigma_next * randn_like(x) if sigma_next > 0 else estimate
        yield Step(x, estimate, sigma)


def _towards(measurement, centre, variance: float):
    """Some way to argmax_z log p(y | z) - |z - centre|^2 / (2 variance)."""

    def objective(z):
        away = z - centre
        value = dot(away, away) / (2 * variance) - measurement.log_likelihood(z)
        return value, away / variance - measurement.score(z)

    return minimise(objective, centre, step=variance, max_steps=DESCENT, rtol=0.01)
