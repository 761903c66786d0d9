"""A prior of colours from one of grey: brightness and two differences of colour, each by itself.

The rotation is the orthonormal opponent transform of CBM3D (Dabov et al., ICIP 2007); white noise
stays white in it, and so does noise that is alike in all three colours.
"""

from dataclasses import replace

import torch
from torch import Tensor

from ..coloured import Coloured, Map, unrounded
from ..prior import Prior, of_signals

ROTATION = ((3**-0.5,) * 3, (2**-0.5, 0.0, -(2**-0.5)), (6**-0.5, -2 * 6**-0.5, 6**-0.5))
SCALES = (3**0.5, 1.0, 1.0)  # brightness is of grey's range times the root of 3


def opponent(grey: Prior) -> Prior:
    """The prior of red, green and blue whose brightness and colour differences are grey pictures.

    Brightness is the mean of the three. Differences of colour are taken for grey pictures about
    grey's mean: smooth ones, of little contrast. One call is three of grey's, as one batch.
    Noise maps and coloured noise must be alike in all three colours: TypeError else. ValueError for
    a prior of more than one channel.
    """
    of_signals(grey)
    if grey.shape is None or len(grey.shape) != 3 or grey.shape[0] != 1:
        raise ValueError(f"opponent takes a prior of grey pictures, got one of {grey.shape}")
    away = (0.0, grey.mean, grey.mean)  # colour differences lie about zero

    def denoise(x: Tensor, sigma: float | Tensor | Coloured) -> Tensor:
        rotation, scale, centre = _columns(x, away)
        turned = _rotated(rotation, x) / scale + centre
        parts = grey.denoise(turned.flatten(0, 1)[:, None], _of_parts(sigma, x, scale))
        return _rotated(rotation.T, (parts.reshape(x.shape) - centre) * scale)

    def law(sigma: float) -> float:
        return sum(s**2 * grey.variance(sigma / s) for s in SCALES) / 3

    return replace(
        grey,
        denoise=denoise,
        shape=(3, *grey.shape[1:]),
        sigma_min=SCALES[0] * grey.sigma_min,
        variance=law,
        limit=None if grey.limit is None else 3 * grey.limit,
        folder=None,  # what was calibrated for grey pictures is not for colours
        card={
            **grey.card,
            "colours": "brightness and two differences, by a grey network",
        },
    )


def _rotated(rotation: Tensor, x: Tensor) -> Tensor:
    """Channels combined by a matrix, in full precision wherever it is called."""
    with unrounded(x):
        return torch.einsum("ij,bj...->bi...", rotation, x.to(rotation.dtype))


def _columns(x: Tensor, away: tuple[float, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """The rotation, and scales and centres of its three parts, (3, 1, 1); of the kind of x."""
    rotation, scale, centre = (
        torch.tensor(v, dtype=x.dtype, device=x.device) for v in (ROTATION, SCALES, away)
    )
    return rotation, scale[:, None, None], centre[:, None, None]


def _of_parts(sigma: float | Tensor | Coloured, x: Tensor, scale: Tensor) -> Tensor | Coloured:
    """The noise of the three parts, (batch * 3, ...): of each the signal's over its own scale."""
    if isinstance(sigma, Coloured):
        return _coloured_parts(sigma, x, scale)
    sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
    if sigma.ndim < x.ndim:
        return (sigma.expand(len(x))[:, None] / scale.flatten()).flatten()
    return _alike(sigma.expand(x.shape)) / scale.repeat(len(x), 1, 1)[:, None]


def _coloured_parts(noise: Coloured, x: Tensor, scale: Tensor) -> Coloured:
    shape = noise.from_signal(x[:1]).shape[1:]
    if len(shape) != 3 or shape[0] != 3:
        raise TypeError("colours that are measured as a mixture have no parts of their own")
    std = _alike(noise.std.to(x).expand(len(x), *shape)) / scale.repeat(len(x), 1, 1)[:, None]
    return Coloured(_grouped(noise.to_signal), _grouped(noise.from_signal), std, together=3)


def _alike(levels: Tensor) -> Tensor:
    """Levels (batch, 3, ...) of all three colours for their parts, (batch * 3, 1, ...).

    On a GPU, where a look at them stalls, they are taken to be alike.
    """
    if levels.is_cpu and not torch.equal(levels, levels[:, :1].expand(levels.shape)):
        raise TypeError(
            "the noise must be alike in all three colours; here they were not measured so"
        )
    return levels.flatten(0, 1)[:, None]


def _grouped(turn: Map) -> Map:
    """A map of (batch, 3, ...) that treats colours alike, as one of any number of (1, ...)."""

    def grouped(parts: Tensor) -> Tensor:
        missing = -len(parts) % 3
        whole = torch.cat([parts, parts.new_zeros(missing, *parts.shape[1:])]) if missing else parts
        return turn(whole.reshape(-1, 3, *parts.shape[2:])).flatten(0, 1)[: len(parts), None]

    return grouped
