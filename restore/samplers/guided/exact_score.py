"""The exact posterior score of linear measurements in Gaussian noise: arXiv:2606.17048."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ...measurement.measurement import Measurement
from ...measurement.signal import per_chain
from ...measurement.spectral import Spectral, svd
from ...measurement.whitening import Whitened
from ...priors.coloured import Coloured
from ...priors.prior import NOISE_MAPS, Denoiser
from ..guidance import guided


@guided(asks=(NOISE_MAPS,))
def exact_score(denoise: Denoiser, measurement: Measurement) -> Denoiser:
    """E[x0 | x, y] itself, in one network call: no gradient, no projection, nothing to tune.

    What x = x0 + sigma n and y = A x0 + std e say of x0 is said by m = S (x / sigma^2 + A^H y /
    std^2) alone, which is x0 with noise of covariance S = (I / sigma^2 + A^H A / std^2)^-1. A
    denoiser that is told S is, at m, the mean of x0 given both. On an exact prior it is exact at
    every level; short steps make the samples so.

    Where S is diagonal, as for masks, colour filters and noise that varies over the signal, S is a
    map of levels. Elsewhere it is coloured noise in the coordinates of A's singular value
    decomposition, as of circular and separable blurs, Fourier masks and downsampling, which
    networks are told in bands.

    A value without noise counts as one with a little, as `Measurement.with_density` has it.
    TypeError for other noise than Gaussian, for operators without such a decomposition that are
    too large for a dense one, and for networks that know no coloured noise where S is none else.
    """
    known = collected(measurement)

    def conditional(x, sigma):
        information, seen = (per_chain(v, len(x)) for v in (known.information, known.seen))
        precision = information + sigma**-2
        together = known.to_signal((known.from_signal(x) / sigma**2 + seen) / precision)
        return denoise(together, known.noise(precision.rsqrt()))

    return conditional


@dataclass(frozen=True)
class Collected:
    """What y says of the signal, in coordinates in which A^H A / std^2 is diagonal.

    information: that diagonal. seen: A^H y / std^2; (1 or observations, *coordinates) both.
    by_value: whether the coordinates are the signal's values.
    """

    information: Tensor
    seen: Tensor
    to_signal: Callable[[Tensor], Tensor]
    from_signal: Callable[[Tensor], Tensor]
    by_value: bool

    def noise(self, std: Tensor) -> Tensor | Coloured:
        """The noise of m, of standard deviation std in each coordinate, as a denoiser takes it."""
        return std if self.by_value else Coloured(self.to_signal, self.from_signal, std)


def collected(measurement: Measurement) -> Collected:
    """What a measurement says of its signal. TypeError where `exact_score` names one."""
    if not measurement.linear_gaussian:
        raise TypeError(
            "the exact score takes linear operators and Gaussian noise, not "
            f"{measurement.operator} and {measurement.noise}"
        )
    seen = measurement.with_density
    white = Whitened(seen.operator, seen.noise)
    backward = white.adjoint(seen.noise.whiten(seen.y))  # A^H y / std^2
    diagonal = white.gains(seen.observations)
    if diagonal is not None:
        return Collected(diagonal.to(backward.real), backward, _same, _same, by_value=True)
    spectral, std = _decomposed(seen, white)
    coordinates = spectral.from_signal(backward)
    values = spectral.values.to(coordinates.real)
    values = values.reshape(*[1] * (coordinates.ndim - values.ndim), *values.shape)
    if isinstance(std, Tensor):
        std = std.reshape(-1, *(1,) * (coordinates.ndim - 1))
    return Collected(
        (values / std) ** 2,
        coordinates,
        spectral.to_signal,
        spectral.from_signal,
        by_value=False,
    )


def _decomposed(measurement: Measurement, white: Whitened) -> tuple[Spectral, float | Tensor]:
    """The operator's decomposition, and the noise that is not in it yet."""
    std = measurement.noise.on(measurement.y)
    if not isinstance(std, Tensor) or all(n == 1 for n in std.shape[1:]):
        return svd(measurement.operator), std
    if measurement.observations > 1:
        raise TypeError(
            f"noise that differs within each of {measurement.observations} observations of "
            f"{measurement.operator}: the exact score takes them one by one"
        )
    return svd(white), 1.0


def _same(x: Tensor) -> Tensor:
    return x
