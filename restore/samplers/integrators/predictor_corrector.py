"""Predictor-corrector sampling: Song et al., ICLR 2021, arXiv:2011.13456."""

from ...priors.prior import score
from ..base import Step, levels, sampler
from ..parts.kernels import ancestral_step


@sampler(memoryless=True)
def predictor_corrector(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    corrections: int = 1,
    snr: float = 0.16,
):
    """Algorithms 2 and 4: Langevin steps at a level, then the ancestral step to the next.

    The measurement is not looked at.

    A corrector's step is 2 (snr |n| / |score|)^2; |n| / |score| is taken for sigma, which it is
    where noise rules. The ratio itself would, chain by chain, favour the chains with a small score
    (few values get far too wide), and over a batch would couple them.

    corrections: M, Langevin steps at a level.
    snr: r, the length of the score's part of such a step in that of its noise; the noise left in x
    is too large by about r^2 where the corrector has the last word.
    """
    for sigma, sigma_next in levels(sigmas):
        for _ in range(corrections):
            length = 2 * (snr * sigma) ** 2
            x = x + length * score(denoise, x, sigma) + (2 * length) ** 0.5 * randn_like(x)
        denoised = denoise(x, sigma)
        x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        yield Step(x, denoised, sigma)
