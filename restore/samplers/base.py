"""What a sampler is: a generator over noise levels that yields a Step after each of them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, Protocol

from torch import Tensor

from ..measurement.measurement import Measurement
from ..measurement.signal import RandnLike
from ..priors.prior import Denoiser


class Step(NamedTuple):
    """Where the chains stand after one noise level."""

    x: Tensor  # (batch, *shape), at the next noise level
    denoised: Tensor  # the estimate of x0 that led there
    sigma: float  # the level it was made at
    ess: Tensor | None = None  # (batch,) effective sample size, where a chain holds particles


class Sampler(Protocol):
    """x (batch, *shape) at sigmas[0] goes down to sigmas[-1] = 0; the last Step's x is the sample.

    denoise and measurement belong to the chains; all noise comes from randn_like; the sampler's
    own options are keyword-only. Never `yield` inside a `with`.
    """

    def __call__(
        self,
        denoise: Denoiser,
        measurement: Measurement,
        x: Tensor,
        sigmas: Tensor,
        randn_like: RandnLike,
    ) -> Iterator[Step]: ...


def levels(sigmas: Tensor) -> Iterator[tuple[float, float]]:
    """(sigma, sigma_next) as plain numbers: coefficients are computed once, on the host."""
    return pairwise(sigmas.tolist())


def memoryless(sampler: Sampler) -> Sampler:
    """Mark a sampler whose state is x alone, so that the driver may resume it at any level."""
    sampler.memoryless = True
    return sampler
