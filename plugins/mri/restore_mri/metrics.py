"""Figures of merit of MRI, each named with its convention.

All compare signals (1, slice, y, x), magnitudes; (2, slice, y, x), real and imaginary part; or
complex ones. fastMRI's are those of Zbontar et al., 2018, arXiv:1811.08839, section 5: over the
whole volume, the largest value of the reference as range.
"""

import math

import numpy as np
import torch
from torch import Tensor

from restore.measurement.checks import sizes

WINDOW = 7  # pixels across SSIM's uniform window


def psnr_fastmri_volume(estimate: Tensor, reference: Tensor) -> float | None:
    """10 log10(max(reference)^2 / mean square error) in dB of magnitudes, over the volume.

    Infinite for equal volumes; None, not defined, for a reference of zeros.
    """
    estimate, reference = _magnitudes(estimate, reference)
    peak, error = reference.max(), np.mean((estimate - reference) ** 2)
    if peak == 0:
        return None
    return math.inf if error == 0 else float(10 * np.log10(peak**2 / error))


def nmse_fastmri_volume(estimate: Tensor, reference: Tensor) -> float | None:
    """|estimate - reference|^2 / |reference|^2 of magnitudes, over the volume."""
    estimate, reference = _magnitudes(estimate, reference)
    energy = np.sum(reference**2)
    return None if energy == 0 else float(np.sum((estimate - reference) ** 2) / energy)


def ssim_fastmri_slice(estimate: Tensor, reference: Tensor) -> float | None:
    """Structural similarity of magnitudes, the mean over slices (Wang et al., 2004).

    Uniform window of 7x7, sample covariances, K1 = 0.01, K2 = 0.03, range the largest value of the
    reference volume. None, not defined, for slices smaller than that or a reference of zeros.
    """
    from skimage.metrics import structural_similarity

    estimate, reference = _magnitudes(estimate, reference)
    peak = reference.max()
    if peak == 0 or min(reference.shape[-2:]) < WINDOW:
        return None
    values = [
        structural_similarity(x, y, data_range=peak, win_size=WINDOW, K1=0.01, K2=0.03)
        for x, y in zip(reference, estimate)
    ]
    return float(np.mean(values))


def magnitude_rmse(estimate: Tensor, reference: Tensor) -> float:
    """Root mean square error of magnitudes, in the signal's units."""
    estimate, reference = _magnitudes(estimate, reference)
    return float(np.sqrt(np.mean((estimate - reference) ** 2)))


def complex_nmse(estimate: Tensor, reference: Tensor) -> float | None:
    """|estimate - reference|^2 / |reference|^2 of complex values: errors of phase count.

    None, not defined, for magnitudes.
    """
    _alike(estimate, reference)
    estimate, reference = _complex(estimate), _complex(reference)
    if estimate is None or reference is None:
        return None
    energy = reference.abs().square().sum()
    return None if energy == 0 else float((estimate - reference).abs().square().sum() / energy)


def _magnitudes(estimate: Tensor, reference: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(slice, y, x) each, in double precision."""
    _alike(estimate, reference)
    found = []
    for x in (estimate, reference):
        whole = _complex(x)
        found.append((x[0].double() if whole is None else whole.abs()).cpu().numpy())
    return found[0], found[1]


def _complex(x: Tensor) -> Tensor | None:
    """(slice, y, x) complex128; None for magnitudes."""
    if x.is_complex():
        return x[0].to(torch.complex128)
    return torch.complex(x[0].double(), x[1].double()) if len(x) == 2 else None


def _alike(estimate: Tensor, reference: Tensor) -> None:
    if estimate.shape != reference.shape:
        raise ValueError(
            f"the estimate is {sizes(estimate.shape)}, the reference {sizes(reference.shape)}: "
            "compare like sizes"
        )
    if estimate.ndim != 4 or len(estimate) > 2 or (estimate.is_complex() and len(estimate) > 1):
        raise ValueError(
            f"volumes are (1, slice, y, x), or (2, slice, y, x) of real and imaginary part; "
            f"these are {sizes(estimate.shape)}"
        )
