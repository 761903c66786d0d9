"""Second-order Tweedie from a surrogate loss: Rout et al., CVPR 2024, arXiv:2312.00852."""

from ...measurement.measurement import Measurement
from ...measurement.signal import RandnLike, column, norm
from ...priors.prior import Denoiser, linearize
from ..guidance import guided
from ..parts.safe_steps import shortened, widened

PROBE = 0.1  # in units of sigma: how far off the second network call looks


@guided(draws=True)
def stsl(
    denoise: Denoiser,
    measurement: Measurement,
    randn_like: RandnLike,
    *,
    guidance: float = 1.0,
    curvature: float = 1.0,
) -> Denoiser:
    """The gradient of log p(y | D) - Tr(A Cov[x0 | x] A^H) / (2 std^2): DPS with the next term.

    The trace, sigma^2 E e^T J e, is estimated with one random e (Hutchinson), its gradient by a
    difference of two pullbacks, J(x + h e)^T e - J(x)^T e. In pixels, without the encoder, and
    without the paper's repeated steps at a level; its trace leaves out A. Two network calls.
    Where J is constant, as for Gaussian priors, the term is zero and this is DPS, with its bias.

    guidance: weight of the whole. curvature: that of the second-order term, the paper's eta; 1 is
    the expansion itself, 0 DPS.
    """

    def conditional(x, sigma):
        denoised, pullback = linearize(denoise, x, sigma)
        score, variance = widened(measurement, denoised)
        across = measurement.operator.vjp
        direction = across(denoised, randn_like(score) / variance.clamp(min=1e-30).sqrt())
        size = x[0].numel() ** 0.5
        reach = column(PROBE * sigma * size / norm(direction).clamp(min=1e-30), x)
        _, pullback_beside = linearize(denoise, x + reach * direction, sigma)
        bend = (pullback_beside(direction) - pullback(direction)) / reach
        first = pullback(across(denoised, score))
        move = sigma**2 * (first - 0.5 * curvature * sigma**2 * bend)
        return denoised + guidance * shortened(measurement, denoised, move, score, variance)

    return conditional
