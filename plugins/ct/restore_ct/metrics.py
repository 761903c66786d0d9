"""Figures of merit of CT volumes in Hounsfield units, each named with its convention.

All take (estimate, reference), volumes (1, z, y, x) or (z, y, x) in HU, and compare what lies in
the field of view: of each slice the circle that fits in, without padding. valid: bool of the same
shape, False where the reference is padding. ValueError for unequal sizes, None where there is
nothing to compare.
"""

import math
from functools import partial

import numpy as np
import torch
from torch import Tensor

from .windows import WINDOWS

SSIM_WINDOW = 11  # pixels across a Gaussian of standard deviation 1.5, cut at 3.5 of them


def field_of_view(shape: tuple[int, ...]) -> Tensor:
    """The pixels whose centre lies in the circle inscribed in (..., y, x); bool (y, x)."""
    y, x = (torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in shape[-2:])
    return y[:, None].square() + x.square() <= (min(shape[-2:]) / 2) ** 2


def rmse_hu(estimate: Tensor, reference: Tensor, *, valid: Tensor | None = None) -> float | None:
    """Root mean square error in HU over all slices."""
    error = _mean_square(*_volumes(estimate, reference), _compared_mask(reference, valid))
    return None if error is None else error**0.5


def psnr_range(estimate: Tensor, reference: Tensor, *, valid: Tensor | None = None) -> float | None:
    """PSNR in dB; the range is the reference's greatest less its least value, over the volume."""
    estimate, reference = _volumes(estimate, reference)
    mask = _compared_mask(reference, valid)
    if not mask.any():
        return None
    inside = reference[mask]
    return _psnr(_mean_square(estimate, reference, mask), (inside.max() - inside.min()).item())


def psnr_window(
    estimate: Tensor,
    reference: Tensor,
    *,
    low: float,
    high: float,
    valid: Tensor | None = None,
) -> float | None:
    """PSNR in dB of what a window shows: both clipped to low..high, the range is high - low."""
    estimate, reference = _volumes(estimate, reference)
    mask = _compared_mask(reference, valid)
    clipped = (part.clamp(low, high) for part in (estimate, reference))
    return _psnr(_mean_square(*clipped, mask), high - low)


def ssim_window(
    estimate: Tensor,
    reference: Tensor,
    *,
    low: float,
    high: float,
    valid: Tensor | None = None,
) -> float | None:
    """Mean structural similarity of what a window shows (Wang et al., 2004), slice by slice.

    Both clipped to low..high, range high - low; Gaussian window of standard deviation 1.5 (11x11),
    population covariances, K1 = 0.01 and K2 = 0.03; the map is averaged over the field of view.
    None for slices smaller than the window.
    """
    from skimage.metrics import structural_similarity

    estimate, reference = _volumes(estimate, reference)
    mask = _compared_mask(reference, valid)
    if min(reference.shape[-2:]) < SSIM_WINDOW or not mask.any():
        return None
    maps = [
        structural_similarity(
            x.clamp(low, high).numpy(),
            y.clamp(low, high).numpy(),
            data_range=high - low,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )[1]
        for x, y in zip(estimate, reference)
    ]
    return float(np.stack(maps)[mask.numpy()].mean())


def _window(metric, name: str):
    low, high = WINDOWS[name]
    return partial(metric, low=low, high=high)


psnr_soft_tissue, ssim_soft_tissue = (_window(m, "soft tissue") for m in (psnr_window, ssim_window))
psnr_lung, ssim_lung = (_window(m, "lung") for m in (psnr_window, ssim_window))
psnr_bone, ssim_bone = (_window(m, "bone") for m in (psnr_window, ssim_window))


def _volumes(estimate: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Estimate and reference, (z, y, x) float64; ValueError for unequal sizes, and no volume."""
    if estimate.shape != reference.shape:
        sizes = ["x".join(map(str, volume.shape)) for volume in (estimate, reference)]
        raise ValueError(
            f"the estimate is {sizes[0]}, the reference {sizes[1]}: compare like sizes"
        )
    if reference.ndim not in (3, 4) or (reference.ndim == 4 and len(reference) != 1):
        raise ValueError(f"a volume is (1, z, y, x), got {'x'.join(map(str, reference.shape))}")
    pair = (volume.detach().cpu().double() for volume in (estimate, reference))
    return tuple(volume.reshape(volume.shape[-3:]) for volume in pair)


def _compared_mask(reference: Tensor, valid: Tensor | None) -> Tensor:
    """The voxels that are compared, bool (z, y, x): valid ones in the field of view."""
    mask = field_of_view(reference.shape).expand(reference.shape[-3:])
    return mask if valid is None else mask & valid.cpu().reshape(mask.shape)


def _mean_square(estimate: Tensor, reference: Tensor, mask: Tensor) -> float | None:
    """The mean square error where the mask is true; None where it is nowhere."""
    if not mask.any():
        return None
    return (estimate - reference)[mask].square().mean().item()


def _psnr(error: float | None, span: float) -> float | None:
    """10 log10(span^2 / error); infinite for equal volumes, None for a reference without range."""
    if error is None or span == 0:
        return None
    return math.inf if error == 0 else 10 * math.log10(span**2 / error)
