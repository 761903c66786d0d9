"""ReSample: Song et al., ICLR 2024, arXiv:2307.08123."""

import torch

from ...measurement.signal import RandnLike
from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.kernels import ddim_step
from ..parts.latent_space import decoded, descend, misfit, of_signal


@sampler(law=True, asks=("latent prior",), resumes=True)
def resample(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    trust: float = 40.0,
    fit_steps: int = 50,
    pixels_above: float = 1.5,
    start_below: float = 10.0,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 1: at each level the estimate is made to fit the data, and the state of the
    unconditional step is drawn towards it (hard consistency, stochastic resampling).

    A fit is descent on |y - A(x)|^2 from the estimate, first of the decoded signal, which is then
    encoded again, at lower levels of the latent, through the decoder. It stops where the noise
    explains the residual, |y - A(x)|^2 <= m std^2; that of a latent already at the decoder's own
    floor where this is higher, the misfit that decode(encode(x)) leaves of the x that fits.

    As in the paper nothing weighs the fit against the prior's uncertainty, so the spread of the
    samples is no posterior's: for a white Gaussian prior and an orthonormal decoder the variance
    is 0.5 to 0.9 of the posterior's
    where measured and 0.5 elsewhere.

    trust: gamma, the variance of the resampling over that of an ancestral step.
    fit_steps: most gradient steps of each fit. pixels_above, start_below: levels, in units of the
    prior's std, below which the latents are fitted, and below which anything is. variance:
    r^2(sigma), whose value at the first level is the prior's; the driver gives its own law.
    """
    signal, decoder = of_signal(measurement)
    of_pixels = misfit(signal)
    of_latent = decoded(of_pixels, decoder)
    width = variance(sigmas[0].item()) ** 0.5
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        denoised = denoise(x, sigma)
        x = ddim_step(x, denoised, sigma, sigma_next, randn_like).x
        if sigma < start_below * width:
            pixels = descend(of_pixels, decoder(denoised), 1.0, steps=fit_steps)
            estimate = decoder.encoder(pixels)
            if sigma < pixels_above * width:
                floor = of_pixels(decoder(estimate))[0].clamp(min=1)
                estimate = descend(of_latent, denoised, floor, steps=fit_steps)
            x = _resampled(estimate, x, sigma, sigma_next, trust, randn_like)
            denoised = estimate
        yield Step(x, denoised, sigma)


def _resampled(
    estimate: torch.Tensor,
    x: torch.Tensor,
    sigma: float,
    sigma_next: float,
    trust: float,
    randn_like: RandnLike,
):
    """Proposition 1: N(z_t; estimate, sigma_t^2) times N(x; z_t, trust * an ancestral step's)."""
    if sigma_next == 0:
        return estimate
    spread = trust * (1 - (sigma_next / sigma) ** 2)  # in units of sigma_next^2
    share = spread / (1 + spread)
    mean = share * estimate + (1 - share) * x
    return mean + sigma_next * share**0.5 * randn_like(x)
