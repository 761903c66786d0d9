"""How well a denoiser does at each noise level, measured on clean files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...errors import UsageError
from ...measurement.codec import Codec
from ...priors.prior import Prior
from ..training import CROP, as_float, denoising_errors, middle, read_signals

LEVELS, SIGNALS = 12, 8
CHANNELS = {1: "grey", 3: "colour"}
MULTIPLE = 32  # sizes that every network takes which takes more than one


def measured_on(folder: Path) -> Callable[[Prior], tuple[str, Mapping[float, float]]]:
    """What measures a prior: it gives the files in words, and sigma -> mean square error on them.

    The levels lie between the ends of the prior's, alike in their logarithms. Errors of a prior of
    latents are its latents'. UsageError where the files are no signals of the prior's.
    """

    def measured(prior: Prior) -> tuple[str, Mapping[float, float]]:
        shape = _of_signals(prior)
        if shape is None or len(shape) != 3:
            raise UsageError("errors are measured of priors of pictures only")
        signals = read_signals(folder, channels=CHANNELS.get(shape[0] or 0))[:SIGNALS]
        clean = [_fitting(signal, shape, folder) for signal in signals]
        if prior.codec is not None:
            clean = [_encoded(prior.codec, signal) for signal in clean]
        sigmas = torch.logspace(0, 1, LEVELS, base=prior.sigma_max / prior.sigma_min)
        levels = (sigmas * prior.sigma_min).tolist()
        size = clean[0].shape[1:]
        words = f"{len(clean)} of {folder.resolve().name}, {size[0]}x{size[1]} of each at most"
        return words, denoising_errors(prior.denoise, clean, levels, size=(10**6, 10**6))

    return measured


def _of_signals(prior: Prior) -> Sequence[int | None] | None:
    """The shape of a prior's signals; of latents that of what they decode to, in colour."""
    if prior.codec is None or prior.shape is None:
        return prior.shape
    return 3, *(n and n * prior.codec.factor for n in prior.shape[1:])


def _fitting(signal: Tensor, shape: Sequence[int | None], folder: Path) -> Tensor:
    """The middle of a picture, of the size that the network takes."""
    if shape[0] not in (None, len(signal)):
        raise UsageError(f"{folder} has signals of {len(signal)} channels, the prior {shape[0]}")
    wanted = [n or _side(there) for n, there in zip(shape[1:], signal.shape[1:])]
    if any(there < n for there, n in zip(signal.shape[1:], wanted)):
        sizes = "x".join(map(str, wanted))
        raise UsageError(
            f"{folder} has pictures that are smaller than {sizes}, all the prior takes"
        )
    return as_float(middle(signal, wanted))


def _side(there: int) -> int:
    """At most CROP of it, in multiples that networks take; a smaller one is left as it is."""
    return min(CROP, there) // MULTIPLE * MULTIPLE or there


def _encoded(codec: Codec, signal: Tensor) -> Tensor:
    with torch.no_grad():
        return codec.decoder(tuple(signal.shape)).encoder(signal[None])[0]
