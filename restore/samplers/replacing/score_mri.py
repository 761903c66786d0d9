"""Score-based MRI: predictor, corrector, data; Chung & Ye, MedIA 2022, arXiv:2110.05243."""

from ...priors.prior import score
from ..base import Step, levels, sampler
from ..parts.kernels import ancestral_step


@sampler(memoryless=True)
def score_mri(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    corrections: int = 1,
    snr: float = 0.16,
):
    """Algorithms 2 to 4: after each predictor and each corrector x is brought back to the data.

    The paper adds A^H (y - A x), for orthonormal rows and y without noise. Here it is a proximal
    step, as wide as the step before it, towards y + sigma A n, what the diffusion would show of y
    at that level: a projection where sigma rules, whatever the coils or the rows, and next to
    nothing where the noise in y does, however many the levels are. The last estimate is the
    sample. For white Gaussian priors the variance of what was measured is at 0.3 to 0.6 of the
    posterior's; the rest is right.

    corrections: M, Langevin steps at a level. snr: r, the length of the score's part of such a
    step in that of its noise, taken for sigma as in `predictor_corrector`.
    """
    for sigma, sigma_next in levels(sigmas):
        for _ in range(corrections):
            length = 2 * (snr * sigma) ** 2
            x = x + length * score(denoise, x, sigma) + (2 * length) ** 0.5 * randn_like(x)
            x = _consistent(measurement, x, sigma, 2 * length, randn_like)
        denoised = denoise(x, sigma)
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        if sigma_next > 0:
            width = sigma**2 - sigma_next**2
            x = _consistent(measurement, x, sigma_next, width, randn_like)
        yield Step(x, denoised, sigma)


def _consistent(measurement, x, sigma: float, width: float, randn_like):
    """x at level sigma drawn towards the data at that level by a step of this variance."""
    y = measurement.expanded(len(x)) + measurement.operator(sigma * randn_like(x))
    return measurement.with_y(y).proximal(x, width)
