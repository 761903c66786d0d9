"""Signals become pixels: sizes a screen can show, colours a reader can measure by."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

# From violet to yellow with a lightness that rises evenly from 0.20 to 0.93 in OKLab
# (Ottosson, 2020), the hue from 300 to 105 degrees, the chroma 0.16 or what sRGB holds of it.
HEAT = np.array(
    [
        (31, 0, 61), (34, 3, 113), (0, 49, 133), (1, 82, 125), (4, 108, 133), (1, 134, 142),
        (11, 161, 146), (4, 191, 135), (115, 211, 115), (185, 226, 99), (248, 237, 96),
    ],
    float,
)  # fmt: skip
TOP = 0.998  # share of the values inside a scale: a few bright pixels must not darken the rest


def shrink(picture: Tensor, longest: int) -> Tensor:
    """A picture with no side above `longest`, by area averages; (channels, height, width)."""
    height, width = picture.shape[1:]
    share = longest / max(height, width)
    if share >= 1:
        return picture
    size = (max(1, round(height * share)), max(1, round(width * share)))
    return interpolate(picture.float()[None], size=size, mode="area")[0]


def pixels(picture: Tensor) -> np.ndarray:
    """Bytes of a picture from 0 to 1; (channels, height, width) -> (height, width) or (.., .., 3).

    One channel is grey and three are colour; any other number is shown by its root sum of squares
    over the largest, the magnitude of a complex image. Values outside 0 to 1 are clipped.
    """
    if picture.ndim != 3:
        raise ValueError(f"a picture is (channels, height, width), got {tuple(picture.shape)}")
    picture = picture.detach().float().cpu()
    if len(picture) not in (1, 3):
        picture = picture.norm(dim=0, keepdim=True)
        picture = picture / picture.max().clamp(min=1e-12)
    eight = (picture.clamp(0, 1) * 255).round().byte().numpy()
    return np.ascontiguousarray(eight[0] if len(eight) == 1 else eight.transpose(1, 2, 0))


def heat(values: Tensor, top: float | None = None) -> tuple[np.ndarray, float]:
    """Values from 0 to top in colour, the largest bright; -> (height, width, 3), and the top.

    values: (channels, height, width), joined by their root mean square, so a standard deviation
    stays one. top: the value of the brightest colour; the 99.8 % quantile where it is None.
    """
    joined = values.detach().float().cpu().square().mean(0).sqrt()
    top = _quantile(joined) if top is None else top
    return _coloured((joined / top).clamp(0, 1).numpy()), top


def signed(values: Tensor, top: float | None = None) -> tuple[np.ndarray, float]:
    """Values from -top to top as grey or colour around a middle grey that is zero; and the top."""
    values = values.detach().float().cpu()
    top = _quantile(values.abs()) if top is None else top
    return pixels(0.5 + values / (2 * top)), top


def heat_bar() -> np.ndarray:
    """The colours of heat from 0 to top; (1, 256, 3)."""
    return _coloured(np.linspace(0, 1, 256)[None])


def signed_bar() -> np.ndarray:
    """The greys of signed from -top to top; (1, 256)."""
    return np.arange(256, dtype=np.uint8)[None]


def _coloured(share: np.ndarray) -> np.ndarray:
    knots = np.linspace(0, 1, len(HEAT))
    parts = [np.interp(share, knots, channel) for channel in HEAT.T]
    return np.stack(parts, -1).round().astype(np.uint8)


def _quantile(values: Tensor) -> float:
    """The value that a scale ends at; never zero, so that an even picture has a scale too."""
    top = float(np.quantile(values.numpy(), TOP))
    return top if top > 0 else max(float(values.max()), torch.finfo(torch.float32).eps)
