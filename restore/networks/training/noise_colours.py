"""Coloured noise to train on: what a measurement y = A x + n and x_t = x + sigma z leave together.

Its covariance (I / sigma^2 + A^H A / std^2)^-1 is that of the exact posterior score
(arXiv:2606.17048), for random A: blurs, Fourier masks, downsampling by windows.
"""

import math
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from ...priors.coloured import Coloured
from .noise_levels import NoiseLevels, integer, uniform

ALONE = 0.15  # share in which x_t has the highest level: y alone tells of the signal
QUIET, LOUD = 0.003, 0.2  # standard deviations of the noise of y, in units of sigma_data
FACTORS = (2, 3, 4)  # of downsampling

Gains = Callable[[Sequence[int], torch.Generator], Tensor]  # (sizes) -> |A|^2 of frequencies


def draw_coloured(
    levels: NoiseLevels, sigma_data: float, size: Sequence[int], generator: torch.Generator
) -> Coloured:
    """The noise of one signal of this size; alike in all its channels."""
    sigma = levels.draw(1, generator).item()
    if uniform(generator) < ALONE:
        sigma = levels.sigma_max
    std = 4 * sigma_data * QUIET * (LOUD / QUIET) ** uniform(generator)
    kinds = (_windows, _mirrored, *(_on_a_circle(gains) for gains in (_soft, _moved, _disc, _seen)))
    weight = (0.15, 0.15, 0.15, 0.3, 0.1, 0.15)  # motion is what is learned last
    kind = kinds[int(torch.multinomial(torch.tensor(weight), 1, generator=generator))]
    to_signal, from_signal, power = kind(size, generator)
    return Coloured(to_signal, from_signal, (sigma**-2 + power / std**2).rsqrt()[None, None])


def _on_a_circle(gains: Gains):
    """An operator that the Fourier transform makes diagonal, in its real form, Hartley's."""

    def kind(size: Sequence[int], generator: torch.Generator):
        axes = tuple(range(-len(size), 0))

        def hartley(x: Tensor) -> Tensor:
            spectrum = torch.fft.fftn(x, dim=axes, norm="ortho")
            return spectrum.real - spectrum.imag

        return hartley, hartley, gains(size, generator)

    return kind


def _soft(size: Sequence[int], generator: torch.Generator) -> Tensor:
    """A Gaussian blur of 0.4 to 4 samples; now and then another width along each axis."""
    width = 0.4 * 10 ** uniform(generator)
    uneven = uniform(generator) < 0.3
    widths = [width * (0.3 + 0.7 * uniform(generator) if uneven else 1) for _ in size]
    square = sum((w * f) ** 2 for w, f in zip(widths, _frequencies(size), strict=True))
    return torch.exp(-((2 * math.pi) ** 2) * square)


def _moved(size: Sequence[int], generator: torch.Generator) -> Tensor:
    """A motion of 2 to 16 samples in any direction."""
    direction = torch.randn(len(size), generator=generator)
    direction = 2 * 8 ** uniform(generator) * direction / direction.norm()
    along = sum(d * f for d, f in zip(direction, _frequencies(size), strict=True))
    return torch.sinc(along).square()


def _disc(size: Sequence[int], generator: torch.Generator) -> Tensor:
    """Out of focus: a disc with a radius of 1 to 5 samples."""
    radius = 5 ** uniform(generator)
    square = sum(f**2 for f in _frequencies(size))
    u = 2 * math.pi * radius * (square + 1e-12).sqrt()
    return (2 * torch.special.bessel_j1(u) / u).square()


def _seen(size: Sequence[int], generator: torch.Generator) -> Tensor:
    """Some frequencies or lines of them, all of the low ones among them, as they are."""
    lines = uniform(generator) < 0.6
    shape = [1] * (len(size) - 1) + [size[-1]] if lines else list(size)
    chosen = torch.rand(shape, generator=generator) < 0.1 + 0.6 * uniform(generator)
    axes = _frequencies(size)[-1:] if lines else _frequencies(size)
    low = 0.02 + 0.08 * uniform(generator)
    chosen = chosen | (torch.stack([f.abs().expand(shape) for f in axes]).amax(0) < low)
    turned = chosen.flip(list(range(len(size)))).roll([1] * len(size), list(range(len(size))))
    return (chosen | turned).float().expand(tuple(size))  # of a real signal: -f with f


def _frequencies(size: Sequence[int]) -> list[Tensor]:
    """Cycles a sample along each axis, ready to be combined with the others."""
    axes = range(len(size))
    return [
        torch.fft.fftfreq(n).reshape([n if other == axis else 1 for other in axes])
        for axis, n in zip(axes, size, strict=True)
    ]


def _mirrored(size: Sequence[int], generator: torch.Generator):
    """A Gaussian blur that is mirrored at the edges, which the cosine transform makes diagonal."""
    width = 0.4 * 10 ** uniform(generator)
    bases = [_cosines(n) for n in size]
    return _separable(
        bases, [torch.exp(-0.5 * (width * math.pi * torch.arange(n) / n) ** 2) for n in size]
    )


def _windows(size: Sequence[int], generator: torch.Generator):
    """Downsampling by 2, 3 or 4 through a box, a triangle or a bell."""
    factor, shape = FACTORS[integer(len(FACTORS), generator)], integer(3, generator)
    return _separable(*zip(*(_windows_along(n, factor, shape) for n in size), strict=True))


def _separable(bases: Sequence[Tensor], values: Sequence[Tensor]):
    """The tensor product of orthonormal bases along the axes, and of the singular values."""
    dims = len(bases)
    power = torch.ones(())
    for value in values:
        power = power[..., None] * value.square()

    def along(x: Tensor, matrices: Sequence[Tensor]) -> Tensor:
        for axis, matrix in zip(range(-dims, 0), matrices, strict=True):
            x = torch.tensordot(x, matrix, ([axis], [1])).movedim(-1, axis)
        return x

    turned = [basis.T for basis in bases]
    return (lambda c: along(c, bases)), (lambda x: along(x, turned)), power


@cache
def _cosines(n: int) -> Tensor:
    """The cosine transform's orthonormal basis; (n, n), its vectors as columns."""
    k, i = torch.arange(n)[None].double(), torch.arange(n)[:, None].double()
    basis = torch.cos(math.pi * (i + 0.5) * k / n) * (2 / n) ** 0.5
    basis[:, 0] /= 2**0.5
    return basis.float()


@cache
def _windows_along(n: int, factor: int, shape: int) -> tuple[Tensor, Tensor]:
    """Right singular vectors as columns, and singular values, of n // factor windows."""
    rows = torch.arange(n // factor)[:, None].double()
    away = (torch.arange(n)[None] - factor * rows - (factor - 1) / 2) / factor  # in blocks
    window = (
        (away.abs() < 0.5).double(),
        (1 - away.abs()).clamp(min=0),
        torch.exp(-2 * away.square()),
    )[shape]
    window = window / window.sum(1, keepdim=True)
    _, values, vectors = torch.linalg.svd(window)
    whole = torch.zeros(n, dtype=torch.float64)
    whole[: len(values)] = values
    return vectors.T.float().contiguous(), whole.float()
