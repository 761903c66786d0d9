"""Simulated haze: reverberation, off-axis echoes and clutter near the probe, as complex fields.

h(z, x) = s(z, x) a(z, x): s is fully developed speckle, a circular Gaussian field smoothed by the
point spread function (Goodman, 1976), a its strength over depth z and across x. Strengths follow
what clutter is made of (Lediju et al., UFFC 2009; Fatemi et al., IUS 2019):

reverberation  layers near the probe echo again at multiples of their depth, each time weaker by
               the same factor; the multiples are about as wide as the layer, and as bent
off-axis       strong reflectors seen by side lobes: arcs of constant range through a reflector,
               falling with the distance across as a sinc's tail, 1 / |x|
near-field     what rings and rebounds in the first centimetres: it falls exponentially with depth

A scanner that compounds shows several looks at once: as many fields of one strength and of speckle
of their own, whose powers it averages. Amplitudes are relative to the loudest echo, 1.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

RANDOM = torch.Generator
LOUDNESS = (-38.0, -14.0)  # dB of each kind at its loudest
CELL = (1.0, 1.5)  # pixels of the speckle from which a tissue's phase is drawn
LOOKS = (1, 2, 4)  # that a scanner may compound, any as often


def haze(size: Sequence[int], generator: RANDOM, level: float | None = None) -> Tensor:
    """Random complex fields (looks, rows, columns), depth along rows, of 1, 2 or 4 looks.

    Each of the three kinds is there or not; one at least is. level: dB of the loudest place of the
    whole; random where it is not given.
    """
    present = torch.rand(3, generator=generator) < torch.tensor([0.7, 0.5, 0.7])
    if not present.any():
        present[_integer(3, generator)] = True
    power = torch.zeros(*size)
    for make, there in zip((reverberation, off_axis, near_field), present.tolist(), strict=True):
        if there:
            loudness = 10 ** (_uniform(*LOUDNESS, generator) / 20)
            power = power + (loudness * make(size, generator)).square()
    if level is not None:
        power = power * 10 ** (level / 10) / power.max()
    looks = LOOKS[_integer(len(LOOKS), generator)]
    cell = _uniform(0.6, 1.4, generator), _uniform(0.8, 3.0, generator)
    fields = [speckle(size, generator, cell) for _ in range(looks)]
    return torch.stack(fields) * power.sqrt()


def compounded(looks: Tensor) -> Tensor:
    """The envelope (rows, columns) of looks (looks, rows, columns): their root mean square."""
    return looks.abs().square().mean(0).sqrt()


def speckle(size: Sequence[int], generator: RANDOM, cell: tuple[float, float]) -> Tensor:
    """Circular complex Gaussian noise (rows, columns) of E |s|^2 = 1, smoothed to cells.

    cell: standard deviations of a Gaussian point spread function, in depth and across, in pixels.
    """
    white = torch.randn(2, 1, *size, generator=generator)
    smooth = _smoothed(white, *cell)
    return torch.complex(*smooth[:, 0]) / smooth.square().sum(0).mean().sqrt()


def reverberation(size: Sequence[int], generator: RANDOM) -> Tensor:
    """Strength (rows, columns), 1 at its loudest, of multiples of one to three layers."""
    rows, columns = size
    depth, across = _axes(size)
    total = torch.zeros(rows, columns)
    for _ in range(1 + _integer(3, generator)):
        first = _uniform(0.03, 0.2, generator)  # of the depth
        decay = _uniform(0.45, 0.85, generator)
        width = _uniform(0.006, 0.03, generator)
        middle, spread = _uniform(0.1, 0.9, generator), _uniform(0.15, 0.8, generator)
        bend, tilt = _uniform(-0.08, 0.08, generator), _uniform(-0.06, 0.06, generator)
        layer = first + bend * (across - 0.5) ** 2 + tilt * (across - 0.5)
        wide = torch.exp(-(((across - middle) / spread) ** 4))
        for k in range(1, 1 + min(12, int(1 / first))):
            blur = width * math.sqrt(k)  # it travelled k times as far through tissue
            total = total + decay ** (k - 1) * wide * torch.exp(
                -(((depth - k * layer) / blur) ** 2)
            )
    return total / total.max()


def off_axis(size: Sequence[int], generator: RANDOM) -> Tensor:
    """Strength (rows, columns), 1 at its loudest, of side lobes of two to eight reflectors."""
    depth, across = _axes(size)
    total = torch.zeros(*size)
    for _ in range(2 + _integer(7, generator)):
        z, x = _uniform(0.1, 0.95, generator), _uniform(-0.1, 1.1, generator)
        radius = _uniform(0.5, 4, generator)  # of the arcs: a sector's are bent, a linear's hardly
        sagitta = (across - x) ** 2 / (2 * radius)
        width, lobe = _uniform(0.008, 0.04, generator), _uniform(0.03, 0.15, generator)
        fall = 1 / (1 + ((across - x) / lobe).abs())
        loud = 10 ** (_uniform(-12, 0, generator) / 20)
        total = total + loud * fall * torch.exp(-(((depth - z + sagitta) / width) ** 2))
    return total / total.max()


def near_field(size: Sequence[int], generator: RANDOM) -> Tensor:
    """Strength (rows, columns), 1 at its loudest: it falls with depth, and varies across."""
    depth, _ = _axes(size)
    fall = torch.exp(-depth / _uniform(0.06, 0.4, generator))
    nodes = torch.randn(1, 1, 4, 6, generator=generator)
    field = F.interpolate(nodes, tuple(size), mode="bicubic", align_corners=True)[0, 0]
    total = fall * torch.exp(_uniform(0.1, 0.7, generator) * field)
    return total / total.max()


def hazy(envelope: Tensor, fields: Tensor, generator: RANDOM) -> Tensor:
    """The compounded |x + h| of tissue's envelope (rows, columns) and haze (looks, rows, columns).

    The tissue's phase is that of speckle, which an envelope does not hold: it is drawn, for each
    look anew.
    """
    phases = torch.stack([speckle(envelope.shape, generator, CELL) for _ in fields])
    return compounded(envelope * phases / phases.abs().clamp_min(1e-12) + fields)


def _axes(size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Depth (rows, 1) and place across (1, columns), 0 to 1."""
    return torch.linspace(0, 1, size[0])[:, None], torch.linspace(0, 1, size[1])[None]


def _smoothed(noise: Tensor, deep: float, wide: float) -> Tensor:
    """(batch, 1, rows, columns) by a Gaussian of these standard deviations in pixels."""
    for axis, std in ((2, deep), (3, wide)):
        reach = max(1, math.ceil(3 * std))
        taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / std) ** 2)
        shape = [1, 1, 1, 1]
        shape[axis] = len(taps)
        padding = [reach if a == axis else 0 for a in (2, 3)]
        noise = F.conv2d(noise, (taps / taps.sum()).reshape(shape), padding=padding)
    return noise


def _uniform(low: float, high: float, generator: RANDOM) -> float:
    return low + (high - low) * torch.rand((), generator=generator).item()


def _integer(stop: int, generator: RANDOM) -> int:
    return int(torch.randint(stop, (), generator=generator))
