"""The prior implicit in a denoiser: Kadkhodaie & Simoncelli, NeurIPS 2021, arXiv:2007.13640."""

from ...measurement.signal import column, dot
from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler


@sampler(law=True, resumes=True)
def kadkhodaie_simoncelli(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    beta: float = 0.5,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 2: up the gradient of the implicit prior, with the noise level read off the state.

    d = (I - A^+ A)(D - x) + A^+ (y - A x) is the way to the estimate, its size the noise level of
    the chain, and the next call of the denoiser is told that level. The schedule says by what
    factor it is to fall at each step, 1 - beta h in the paper; the step h follows from it. Noise
    in y damps A^+ as in a proximal step.

    The paper's denoiser finds all of the noise, so that sigma^2 = |d|^2 / n; what one cannot find,
    r^2 of each value, is added here: without it white Gaussian signals, which have no structure,
    come out with 3 times their posterior variance. With it the mean is within 0.14 posterior
    standard deviations of a white Gaussian's and the variance at 0.7 to 0.85 of it (100 levels).

    beta: 1 injects no noise, 0.5 about as much as the reverse diffusion.
    variance: r^2(sigma), the prior's law.
    """
    table = sigmas.tolist()
    (level,) = resumed.carried or (x.new_full((len(x),), table[0]),)
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        label = level.clamp(table[-2], table[0])
        denoised = denoise(x, label)
        estimate = measurement.proximal(denoised, label**2)
        d = estimate - x
        level = (dot(d, d) / x[0].numel() + variance(sigma)).sqrt()
        falls = sigma_next / sigma
        h = min((1 - falls) / beta, 1.0)
        gamma = (falls**2 - (1 - h) ** 2) ** 0.5 * level
        x = x + h * d + column(gamma, x) * randn_like(x)
        level = falls * level
        yield Step(x, estimate, sigma, carried=(level,))
