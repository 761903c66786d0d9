"""What a prior is trained on: the signals of a domain, and random patches of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Augment = Callable[[Tensor, torch.Generator], Tensor]  # (batch, channels, *patch) -> the like


@dataclass(frozen=True)
class Material:
    """The signals that a domain trains a prior on, gathered from folders of its files."""

    signals: Sequence[Tensor]  # (channels, *size) each
    validation: Sequence[Tensor] = ()  # as the network will see them
    augment: Augment | None = None
    channels: int = 1  # of the network
    mean: float | None = None  # of the signals, None: measured
    sigma_data: float | None = None  # their standard deviation, None: measured


class Patches:
    """Random patches of signals, flipped and turned; signals: (channels, *size), any sizes.

    A signal smaller than the patch is mirrored up to it. augment sees each batch, and may change
    its number of channels.
    """

    def __init__(
        self,
        signals: Sequence[Tensor],
        patch: int,
        *,
        turn: bool = True,
        augment: Augment | None = None,
    ):
        if not signals:
            raise ValueError("there is nothing to train on: no signals were given")
        self.signals = [_at_least(signal, patch) for signal in signals]
        self.dims = signals[0].ndim - 1
        self.patch, self.turn, self.augment = patch, turn, augment
        self.weights = torch.tensor([float(s[0].numel()) for s in signals]).sqrt()

    def draw(self, count: int, generator: torch.Generator, patch: int | None = None) -> Tensor:
        """(count, channels, *patch); patch: None for the largest, else a smaller side."""
        side = self.patch if patch is None else patch
        which = torch.multinomial(self.weights, count, True, generator=generator)
        batch = torch.stack([self._one(self.signals[i], side, generator) for i in which.tolist()])
        return batch if self.augment is None else self.augment(batch, generator)

    def _one(self, signal: Tensor, side: int, generator: torch.Generator) -> Tensor:
        size = signal.shape[1:]
        corner = [_integer(n - side + 1, generator) for n in size]
        cut = signal[(slice(None), *(slice(c, c + side) for c in corner))]
        if self.turn:
            axes = [axis + 1 for axis in range(len(size)) if _integer(2, generator)]
            cut = cut.flip(axes) if axes else cut
            if len(size) > 1 and _integer(2, generator):
                cut = cut.transpose(-1, -2)
        return cut.float() / 255 if cut.dtype == torch.uint8 else cut.float()


def _at_least(signal: Tensor, patch: int) -> Tensor:
    for axis, size in enumerate(signal.shape[1:], 1):
        while size < patch:
            signal = torch.cat([signal, signal.flip(axis)], axis)
            size = signal.shape[axis]
    return signal


def _integer(stop: int, generator: torch.Generator) -> int:
    return int(torch.randint(stop, (), generator=generator))
