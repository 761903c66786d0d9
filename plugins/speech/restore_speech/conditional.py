"""Speech given a noisy recording of it, p(x | noisy), by a network that is shown the recording."""

from dataclasses import replace

import torch
from torch import Tensor

from restore.measurement.measurement import Measurement
from restore.measurement.noise import NoiseModel
from restore.measurement.operator import LinearOperator
from restore.measurement.signal import RandnLike, per_chain
from restore.priors.combined.tiled import tiled
from restore.priors.prior import Prior

TOLD = "a noisy recording"  # what such a prior offers
TILE, OVERLAP = 256_000, 16_000  # samples that one network call sees, and that tiles share


def told(prior: Prior, noisy: Tensor, *, dry: bool = False) -> Prior:
    """The prior of clean speech given a recording of it, p(x | noisy), for signals as long.

    noisy: (1, samples), or (observations, 1, samples) with as many chains each; 16 kHz, at the
    level that the network knows. dry: the speech without its room. At sigma_max the denoiser is
    E[x | noisy], by one network call; a few steps down from there draw from p(x | noisy). Long
    recordings go through the network in tiles, cut at the same places as the recording.
    TypeError for a prior that cannot be told.
    """
    if TOLD not in prior.offers:
        name = prior.card.get("name", "this prior")
        raise TypeError(f"{name} cannot be told {TOLD}; speech-enhance can")
    if prior.tell is not None:
        name = prior.card.get("name", "this prior")
        raise TypeError(f"{name} is told spectrograms, which enhance and dereverb alone have")
    noisy = noisy if noisy.ndim == 3 else noisy[None]

    def beside(pair: Tensor, sigma: float | Tensor) -> Tensor:
        u, recording = pair.chunk(2, 1)
        return torch.cat([prior.network(u, sigma, recording, dry), recording], 1)

    pairs = tiled(replace(prior, denoise=beside, shape=(2, None)), TILE, OVERLAP)

    def denoise(u: Tensor, sigma: float | Tensor) -> Tensor:
        recording = per_chain(noisy.to(u), len(u)).expand(u.shape)
        return pairs.denoise(torch.cat([u, recording], 1), sigma)[:, :1]

    return replace(
        prior,
        denoise=denoise,
        shape=tuple(noisy.shape[1:]),
        limit=TILE,
        offers=frozenset(),
        card={**prior.card, "told": TOLD, "dry": dry},
    )


def nothing_measured(shape: tuple[int, ...]) -> Measurement:
    """A measurement of no numbers: the posterior is the prior, which was told all there is."""
    return Measurement(torch.zeros(0), Nothing(shape), NoNoise())


class Nothing(LinearOperator):
    """y = (): no number of the signal is measured."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__(shape, (0,))

    def _forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(len(x), 0)

    def _adjoint(self, y: Tensor) -> Tensor:
        return y.new_zeros(len(y), *self.in_shape)

    def norm(self, steps: int = 100) -> float:
        return 0.0

    def __repr__(self) -> str:
        return "Nothing: the prior is told the recording"


class NoNoise(NoiseModel):
    """The law of no numbers, whose probability is 1."""

    def draw(self, clean: Tensor, randn_like: RandnLike) -> Tensor:
        return clean

    def log_prob(self, y: Tensor, clean: Tensor) -> Tensor:
        return y.new_zeros(len(y))

    def score(self, y: Tensor, clean: Tensor) -> Tensor:
        return torch.zeros_like(clean)
