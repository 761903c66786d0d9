"""Noise that is white in no basis of the signal's own: what a denoiser may be told of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]

BANDS = 6  # into which coloured noise is divided by its level, for a network


def unrounded(x: Tensor) -> AbstractContextManager:
    """Where computations on x keep their own precision, whatever a network runs in."""
    kind = x.device.type
    rounding = torch.amp.is_autocast_available(kind)
    return torch.autocast(kind, enabled=False) if rounding else nullcontext()


@dataclass(frozen=True)
class Coloured:
    """Noise of covariance V diag(std^2) V^H: independent in the coordinates of a unitary V.

    to_signal, from_signal: V and V^H, of a batch. std: of every coordinate of one signal, or of
    each of a batch, (1 or batch, ...), broadcastable to the coordinates. together: how many signals
    the maps take at once at least, and pad a batch to.
    """

    to_signal: Map
    from_signal: Map
    std: Tensor
    together: int = 1

    def of(self, white: Tensor) -> Tensor:
        """Such noise from white noise of standard deviation 1; (batch, *shape)."""
        return self.to_signal(self.std * self.from_signal(white))

    def rows(self, which: slice) -> "Coloured":
        """The noise of some signals of a batch."""
        return self if len(self.std) == 1 else replace(self, std=self.std[which])

    def __truediv__(self, scale: float) -> "Coloured":
        """The noise of a signal over a scale."""
        return replace(self, std=self.std / scale)

    def to(self, *args, **kwargs) -> "Coloured":
        """Itself, with std as Tensor.to has it."""
        return replace(self, std=self.std.to(*args, **kwargs))

    def in_bands(self, x: Tensor, mean: float | Tensor = 0.0) -> "Bands":
        """x - mean in parts whose noise is alike: as many bands, equally wide in log std.

        In full precision wherever it is called: what is next to nothing in a band of little noise
        may be large in others.
        """
        with unrounded(x):
            return self._in_bands(x, mean)

    def _in_bands(self, x: Tensor, mean: float | Tensor) -> "Bands":
        x = x - mean
        coordinates = self.from_signal(x)
        rows = len(self.std)  # one for all of a batch that share their noise
        std = self.std.to(coordinates).expand(rows, *coordinates.shape[1:])
        level = std.log()
        axes, whole = tuple(range(1, level.ndim)), (rows, *(1,) * (x.ndim - 1))
        low, high = level.amin(axes, keepdim=True), level.amax(axes, keepdim=True)
        width = ((high - low) / BANDS).clamp(min=1e-3)  # white noise is one band
        band = ((level - low) / width).to(torch.uint8).clamp(max=BANDS - 1)
        parts, shares, levels = x.new_empty(len(x), BANDS, *x.shape[1:]), [], []
        for index in range(BANDS):
            inside = (band == index).to(std)
            if index < BANDS - 1:
                parts[:, index] = self.to_signal(inside * coordinates)
            shares.append(inside.mean(axes).reshape(whole))
            power = (inside * std.square()).mean(axes).reshape(whole)
            levels.append((power / shares[-1]).sqrt().nan_to_num(nan=torch.inf))
        parts[:, -1] = x - parts[:, :-1].sum(1)  # rounding is nothing beside the most noise
        told = (torch.stack(v, 1).expand(len(x), *(-1,) * x.ndim) for v in (levels, shares))
        return Bands(parts, *told)


@dataclass(frozen=True)
class Bands:
    """A noisy signal, less its prior's mean, in parts with noise of one level each.

    parts: (batch, bands, *shape), adding up to the signal. levels: standard deviation of the noise
    within each part, (batch, bands, ...), broadcastable to parts; infinite where a part is empty.
    shares: of the coordinates that each part holds, as levels.
    """

    parts: Tensor
    levels: Tensor
    shares: Tensor

    @classmethod
    def one(cls, x: Tensor, levels: Tensor) -> "Bands":
        """A signal less its mean whose noise has a level for every value, as one part of many."""
        parts, whole = x.new_zeros(len(x), BANDS, *x.shape[1:]), (1,) * (x.ndim - 1)
        parts[:, 0] = x
        told = torch.full_like(parts, torch.inf)
        told[:, 0] = levels
        shares = x.new_zeros(1, BANDS, *whole)
        shares[:, 0] = 1
        return cls(parts, told, shares.expand(len(x), *shares.shape[1:]))

    @classmethod
    def together(cls, bands: Sequence["Bands"]) -> "Bands":
        """The bands of several signals as those of one batch."""
        parts = torch.cat([one.parts for one in bands])
        levels = [one.levels.expand(len(one.parts), *parts.shape[1:]) for one in bands]
        return cls(parts, torch.cat(levels), torch.cat([one.shares for one in bands]))

    def at(self, place: tuple[slice, ...]) -> "Bands":
        """A piece of the signal: the same cut of every part."""
        levels = self.levels.expand(self.parts.shape)
        return replace(self, parts=self.parts[(..., *place)], levels=levels[(..., *place)])

    def to(self, *args, **kwargs) -> "Bands":
        """As Tensor.to, of all three."""
        return Bands(*(v.to(*args, **kwargs) for v in (self.parts, self.levels, self.shares)))
