"""Step-wise triple-consistent sampling: Alkhouri et al., ICML 2025, arXiv:2410.04479."""

import torch

from ...measurement.signal import column
from ...priors.prior import Law, linearize
from ..base import Step, levels, sampler
from ..parts.descent import Adam, fits, uphill


@sampler(law=True, memoryless=True)
def sitcom(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    fit_steps: int = 20,
    step_size: float = 0.1,
    variance: Law,
):
    """Algorithm 1: at each level the network's input v, from x, so that D(v) fits the data; then
    x0 = D(v) is noised to the next level.

    As in the published experiments the term lambda |v - x|^2 is left to the start at x. A chain
    stops where the residual is as large as the noise, |y - A D(v)|^2 <= m std^2, and where its
    levels end; no choice among iterates looks at a truth. For a white Gaussian prior the mean is
    0.12 to 0.33 posterior standard deviations off and the variance 0.5 to 0.82 of the posterior's.

    fit_steps: K, most network calls a level, each with a pullback. step_size: of Adam in v, in
    units that move D(v) by its own uncertainty r, sigma^2 / r.
    variance: r^2(sigma), the prior's law.
    """
    for sigma, sigma_next in levels(sigmas):
        v, adam, length = x, Adam(), step_size * sigma**2 / variance(sigma) ** 0.5
        for k in range(fit_steps):
            denoised, pullback = linearize(denoise, v, sigma)
            done = fits(measurement, denoised)
            if done.all() or k == fit_steps - 1:
                break
            further = adam(v, pullback(uphill(measurement, denoised)), length)
            v = torch.where(column(done, v), v, further)
        x = denoised + sigma_next * randn_like(x) if sigma_next > 0 else denoised
        yield Step(x, denoised, sigma)
