"""The exact posterior score of masks and other diagonal measurements: arXiv:2606.17048."""

from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.signal import per_chain
from ...measurement.whitening import Whitened
from ...priors.prior import NOISE_MAPS, Denoiser
from ..guidance import guided


@guided(asks=(NOISE_MAPS,))
def exact_score(denoise: Denoiser, measurement: Measurement) -> Denoiser:
    """E[x0 | x, y] itself, in one network call: no gradient, no projection, nothing to tune.

    What x = x0 + sigma n and y = A x0 + std e say of x0 is said by m = S (x / sigma^2 + A^H y /
    std^2) alone, which is x0 with noise of covariance S = (I / sigma^2 + A^H A / std^2)^-1. Where
    S is diagonal, as for masks, colour filters and noise that varies over the signal, a denoiser
    that is told the noise of every value, at m, is the mean of x0 given both. On an exact prior
    it is exact at every level; short steps make the samples so.

    A value without noise counts as one with a little, as `Measurement.with_density` has it.
    TypeError where A^H A is not diagonal in the signal's own values, or the noise not Gaussian.
    """
    information, seen = collected(measurement)

    def conditional(x, sigma):
        precision = per_chain(information, len(x)) + sigma**-2
        together = (x / sigma**2 + per_chain(seen, len(x))) / precision
        return denoise(together, precision.rsqrt())

    return conditional


def collected(measurement: Measurement) -> tuple[Tensor, Tensor]:
    """The diagonal of A^H A / std^2, and A^H y / std^2; (observations, *in_shape) both.

    TypeError where A^H A / std^2 has more than a diagonal.
    """
    if measurement.linear_gaussian:
        seen = measurement.with_density
        white = Whitened(seen.operator, seen.noise)
        diagonal = white.gains(seen.observations)
        if diagonal is not None:
            information = diagonal.to(seen.y.device, seen.y.real.dtype)
            return information, white.adjoint(seen.noise.whiten(seen.y))
    raise TypeError(
        "the exact score takes Gaussian noise and an operator that sees each value by itself "
        f"(masks, colour filters, the signal), not {measurement.operator} and {measurement.noise}"
    )
