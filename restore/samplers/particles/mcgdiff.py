"""Monte Carlo guided diffusion: Cardoso et al., ICLR 2024, arXiv:2308.07983."""

import torch
from torch import Tensor

from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.clouds import by_chain, cloud, effective, pick, refuse_all_but_linear, resample
from ..parts.coordinates import coordinates
from ..parts.kernels import reverse


@sampler(law=True, particles="particles", resumes=True)
def mcgdiff(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    particles: int = 32,
    kappa: float = 1e-4,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 2 (noisy inpainting in the singular basis); no gradient through the network.

    A coordinate measured with noise of level tau is what the diffusion shows of it at sigma = tau:
    down to there particles are drawn to it, below they go free. A level that is not in the
    schedule waits at the next higher one, and the last weights make up for the difference.

    particles: N. kappa: width, squared, of a particle around its coordinate at tau, as a share.
    variance: r^2(sigma), the prior's law.
    """
    refuse_all_but_linear(measurement)
    x, log_weights = resumed.carried or cloud(x, particles)
    basis = coordinates(measurement, x)
    level = basis.level.clamp(min=sigmas[-2].item())
    wait = _next_higher(level, sigmas[:-1])

    def width(sigma: float) -> Tensor:
        """Variance of the potential N(c; y', .); infinite where there is none."""
        active = wait <= sigma * (1 + 1e-6)
        return torch.where(active, sigma**2 - (1 - kappa) * wait**2, torch.inf)

    for sigma, sigma_next in levels(sigmas, resumed.passed):
        denoised, c = denoise(x, sigma), basis.of(x)
        ahead = width(sigma_next)
        mean, nu2 = reverse(c, basis.of(denoised), sigma, sigma_next, variance(sigma))
        here = torch.where(ahead.isinf(), torch.inf, width(sigma))
        gain = _log(basis.y - mean, ahead + nu2) - _log(basis.y - c, here)
        if sigma_next == 0:
            off = basis.y - basis.of(denoised)
            gain = _log(off, level**2) - _log(off, wait**2)
        log_weights = log_weights + by_chain(gain, log_weights)
        ess = effective(log_weights)
        index, log_weights = resample(log_weights, randn_like)
        x, mean = denoised[index], mean[index]
        if sigma_next > 0:
            pull = nu2 / (nu2 + ahead)
            drawn = (1 - pull) * mean + pull * basis.y
            drawn = drawn + (nu2 * (1 - pull)).sqrt() * basis.of(randn_like(x))
            x = basis.signal(drawn)
        one = pick(log_weights, randn_like)
        yield Step(x[one], denoised[index][one], sigma, ess, (x, log_weights))


def _next_higher(level: Tensor, table: Tensor) -> Tensor:
    """The smallest of the schedule's noise levels not below each; infinite above them all."""
    rising = torch.cat([table.flip(0), torch.tensor([torch.inf])]).to(level.device, level.dtype)
    return rising[torch.searchsorted(rising, level.contiguous())]


def _log(away: Tensor, variance: Tensor) -> Tensor:
    """log N(away; 0, variance) up to a constant, over all coordinates; (batch,) float64."""
    return -0.5 * (away.double().square() / variance).flatten(1).sum(1)
