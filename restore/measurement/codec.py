"""Codec: latents z, the signals x = decode(z) that they stand for, and what is measured of them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from .operator import LinearOperator, Operator, Shape


@dataclass(frozen=True)
class Codec:
    """How latents become signals and signals latents; z = scale (encode(x) - shift)."""

    encode: Callable[[Tensor], Tensor]  # (batch, *signal) -> (batch, *latent)
    decode: Callable[[Tensor], Tensor]  # (batch, *latent) -> (batch, *signal)
    latent: tuple[int | None, ...]  # shape of one latent; None: any size
    factor: int = 1  # sizes of a signal are this many times those of its latent
    scale: float = 1.0
    shift: float | Tensor = 0.0
    limit: int = 2**20  # most values of signals that one call of either takes or gives
    dtype: torch.dtype | None = None  # of its weights; None: that of what it is given

    def decoder(self, shape: Sequence[int]) -> "Decoder":
        """z -> x for signals of this shape. ValueError where no latent is of a size for it."""
        return Decoder(self, tuple(shape))

    def latent_shape(self, shape: Shape) -> Shape:
        """The shape of the latents of signals of this shape; ValueError where none fits."""
        if len(self.latent) != len(shape) or len(shape) == 1:
            if None in self.latent:
                raise ValueError(f"latents of {self.latent} do not tell their size for {shape}")
            return self.latent
        found = (self.latent[0], *(-(-n // self.factor) for n in shape[1:]))
        if any(mine not in (None, n) for mine, n in zip(self.latent[1:], found[1:], strict=True)):
            raise ValueError(
                f"signals of {shape} have latents of {found[1:]} at factor {self.factor}, "
                f"the prior is for latents of {self.latent[1:]}"
            )
        return found

    def padded(self, shape: Shape) -> Shape:
        """The shape of a signal that is filled up to the sizes that the codec takes."""
        if len(self.latent) != len(shape) or len(shape) == 1:
            return shape
        return (shape[0], *(n + -n % self.factor for n in shape[1:]))

    def counted(self) -> tuple["Codec", "Tally", "Tally"]:
        """A copy of the codec that counts the signals it encodes and decodes, and both counts."""
        encodes, decodes = Tally(self.encode), Tally(self.decode)
        return replace(self, encode=encodes, decode=decodes), encodes, decodes


class Tally:
    """A function of a batch that counts the rows it was given."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        self.function, self.rows = function, 0

    def __call__(self, batch: Tensor) -> Tensor:
        self.rows += len(batch)
        return self.function(batch)


class InParts(Operator):
    """An operator that is run on so many signals at a time as its memory allows, gradients too."""

    def __init__(self, in_shape: Shape, out_shape: Shape, codec: Codec):
        super().__init__(in_shape, out_shape)
        self.codec = codec
        self.count = max(1, codec.limit // max(math.prod(in_shape), math.prod(out_shape)))

    def _part(self, value: Tensor) -> Tensor:
        raise NotImplementedError

    def _forward(self, x: Tensor) -> Tensor:
        own = self.codec.dtype or x.dtype
        parts = [self._part(part.to(own)).to(x.dtype) for part in x.split(self.count)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        pairs = zip(x.split(self.count), v.split(self.count), strict=True)
        return torch.cat([Operator.vjp(self, one, along) for one, along in pairs])


class Decoder(InParts):
    """x = decode(z / scale + shift), cut to the signal's size."""

    def __init__(self, codec: Codec, shape: Shape):
        super().__init__(codec.latent_shape(shape), shape, codec)

    def _part(self, value: Tensor) -> Tensor:
        codec = self.codec
        x = codec.decode(value / codec.scale + _beside(codec.shift, value))
        wanted = codec.padded(self.out_shape)
        if tuple(x.shape[1:]) != wanted:
            raise ValueError(
                f"decode made {tuple(x.shape[1:])} of latents of {self.in_shape}; with a factor "
                f"of {codec.factor} signals of {wanted} are expected"
            )
        return x[(..., *(slice(n) for n in self.out_shape[1:]))] if len(wanted) > 1 else x

    @cached_property
    def encoder(self) -> "Encoder":
        return Encoder(self)


class Encoder(InParts):
    """z = scale (encode(x) - shift), of x filled up at its far ends by its last values."""

    def __init__(self, decoder: Decoder):
        super().__init__(decoder.out_shape, decoder.in_shape, decoder.codec)

    def _part(self, value: Tensor) -> Tensor:
        codec, wanted = self.codec, self.codec.padded(self.in_shape)
        if wanted != self.in_shape:
            gaps = [(0, want - n) for want, n in zip(wanted[1:], self.in_shape[1:], strict=True)]
            ends = [side for gap in reversed(gaps) for side in gap]
            value = nn.functional.pad(value, ends, mode="replicate")
        return codec.scale * (codec.encode(value) - _beside(codec.shift, value))


class ThroughDecoder(Operator):
    """y = A(decode(z)): what is measured of the signal, of its latents."""

    def __init__(self, outer: Operator, decoder: Decoder):
        super().__init__(decoder.in_shape, outer.out_shape)
        self.outer, self.decoder = outer, decoder

    def _forward(self, x: Tensor) -> Tensor:
        return self.outer(self.decoder(x))

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        linear = isinstance(self.outer, LinearOperator)  # then it need not know where
        pulled = self.outer.adjoint(v) if linear else self.outer.vjp(self.decoder(x), v)
        return self.decoder.vjp(x, pulled)

    def select(self, start: int, stop: int) -> Operator:
        return ThroughDecoder(self.outer.select(start, stop), self.decoder)


def _beside(value: float | Tensor, like: Tensor) -> float | Tensor:
    return value.to(like.device, like.dtype) if isinstance(value, Tensor) else value
