"""Delay and sum of plane waves: what the elements of a probe heard becomes an image.

Montaldo et al., UFFC 2009: a wave that leaves at angle a reaches (z, x) after
(z cos a + x sin a) / c, its echo the element at x_e after (z^2 + (x - x_e)^2)^1/2 / c more.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator

APERTURE = 1.75  # f-number: depth over the width of the elements that listen to it


class DelayAndSum(LinearOperator):
    """b(z, x) = sum over transmits and elements of a_e s_te(t(z, x)), an image (1, depth, lines).

    in_shape is (transmits, elements, samples). Linear between samples; for IQ, b is rotated by
    exp(2 pi i f t), which undoes what demodulation did to a delay. a_e is a Hann window over an
    aperture of depth / f-number, of sum 1; every transmit counts as much. Places and weights are
    computed once, for all elements together.

    angles: (transmits,) rad. elements: (elements,) m, across. depths, lines: m, of the image.
    start: s from the wave's passing the middle of the probe to the first sample, (transmits,).
    carrier: Hz that was demodulated, 0 of radio frequency.
    """

    def __init__(
        self,
        angles: Tensor,
        elements: Tensor,
        depths: Tensor,
        lines: Tensor,
        samples: int,
        *,
        rate: float,
        sound_speed: float,
        start: Tensor,
        carrier: float = 0.0,
        f_number: float = APERTURE,
    ):
        super().__init__((len(angles), len(elements), samples), (1, len(depths), len(lines)))
        self.carrier = carrier
        z, x = (v.flatten() for v in torch.meshgrid(depths.double(), lines.double(), indexing="ij"))
        across = x[:, None] - elements.double()
        back = (z[:, None].square() + across.square()).sqrt() / sound_speed
        listening = 0.5 + 0.5 * torch.cos(
            math.pi * (2 * f_number * across / z[:, None].clamp_min(1e-9)).clamp(-1, 1)
        )
        listening = listening / listening.sum(1, keepdim=True).clamp_min(1e-12) / len(angles)
        self.weights: list[Tensor] = []  # of each transmit, (pixels, elements, 2)
        self.places: list[Tensor] = []  # in a transmit's (elements, samples), flat
        row = torch.arange(len(elements)) * samples
        for angle, begun in zip(angles.double(), start.double(), strict=True):
            time = (z * angle.cos() + x * angle.sin())[:, None] / sound_speed + back
            place = (time - begun) * rate
            inside = (place >= 0) & (place <= samples - 1)
            first = place.floor().clamp(0, samples - 2)
            share = place - first
            taps = torch.stack([1 - share, share], -1) * (listening * inside)[..., None]
            if carrier:
                taps = (
                    taps
                    * torch.polar(torch.ones_like(time), 2 * math.pi * carrier * time)[..., None]
                )
            self.weights.append(taps.to(torch.complex64 if carrier else torch.float32))
            self.places.append((first.long() + row)[..., None] + torch.arange(2))

    def _forward(self, x: Tensor) -> Tensor:
        total = 0
        for heard, places, weights in zip(x.unbind(1), self.places, self.weights, strict=True):
            taken = heard.flatten(1)[:, places.to(x.device)]
            total = total + (taken * weights.to(x)).sum((-2, -1))
        return total.reshape(len(x), *self.out_shape)

    def _adjoint(self, y: Tensor) -> Tensor:
        heard = []
        for places, weights in zip(self.places, self.weights, strict=True):
            spread = y.flatten(1)[..., None, None] * weights.to(y).conj()
            made = y.new_zeros(len(y), math.prod(self.in_shape[1:]))
            heard.append(made.index_add_(1, places.flatten().to(y.device), spread.flatten(1)))
        return torch.stack(heard, 1).reshape(len(y), *self.in_shape)


def plane_waves(
    scan: Mapping[str, np.ndarray],
    samples: int,
    shape: tuple[int, int],
    transmits: int | None = None,
) -> DelayAndSum:
    """The beamformer of a file's scan (zea's names), to an image under the probe of (depth, lines).

    transmits: how many, evenly among the file's; None for all. ValueError where the scan misses
    what is needed, or its waves are not plane.
    """
    needed = ("polar_angles", "probe_geometry", "sampling_frequency", "sound_speed")
    missing = [name for name in needed if name not in scan]
    if missing:
        raise ValueError(f"its scan misses {', '.join(missing)}: plane waves cannot be beamformed")
    focus = np.ravel(scan.get("focus_distances", np.inf))
    if np.isfinite(focus).any() and (focus != 0).any():
        raise ValueError("its transmits are focused; plane waves are beamformed here")
    angles = torch.as_tensor(np.ravel(scan["polar_angles"]).astype(float))
    chosen = chosen_transmits(len(angles), transmits)
    rate, speed = (float(np.ravel(scan[name])[0]) for name in needed[2:])
    elements = torch.as_tensor(np.asarray(scan["probe_geometry"], float)[:, 0])
    begun = torch.as_tensor(
        np.ravel(scan.get("initial_times", np.zeros(len(angles)))).astype(float)
    )
    deepest = (samples / rate + float(begun.min())) * speed / 2
    return DelayAndSum(
        angles[chosen],
        elements,
        torch.linspace(deepest / shape[0], deepest, shape[0]),
        torch.linspace(float(elements.min()), float(elements.max()), shape[1]),
        samples,
        rate=rate,
        sound_speed=speed,
        start=begun[chosen],
        carrier=float(np.ravel(scan.get("demodulation_frequency", 0.0))[0]),
    )


def chosen_transmits(count: int, wanted: int | None) -> Tensor:
    """Numbers of `wanted` transmits, evenly among `count`; all where None."""
    if wanted is None or wanted >= count:
        return torch.arange(count)
    return torch.linspace(0, count - 1, wanted).round().long()
