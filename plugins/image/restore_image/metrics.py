"""Figures of merit for pictures, by scikit-image; values are compared as they are, unclipped."""

import math

import numpy as np
from torch import Tensor

WINDOW = 11  # pixels across SSIM's Gaussian window of standard deviation 1.5, cut at 3.5 of them


def psnr(estimate: Tensor, reference: Tensor) -> float:
    """10 log10(1 / mean square error) in dB: one error over all pixels and channels, range 1.

    (channels, height, width) twice. Infinite for equal pictures; ValueError for unequal sizes.
    """
    estimate, reference = _arrays(estimate, reference)
    error = np.mean((estimate - reference) ** 2)
    return math.inf if error == 0 else float(-10 * np.log10(error))


def ssim(estimate: Tensor, reference: Tensor) -> float | None:
    """Mean structural similarity, averaged over the channels (Wang et al., 2004), range 1.

    Gaussian window of standard deviation 1.5 (11x11), population covariances, K1 = 0.01 and
    K2 = 0.03, the border of 5 pixels left out: scikit-image's structural_similarity with
    data_range=1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False.
    None, not defined, for pictures smaller than the window; ValueError for unequal sizes.
    """
    from skimage.metrics import structural_similarity

    estimate, reference = _arrays(estimate, reference)
    if min(reference.shape[1:]) < WINDOW:
        return None
    value = structural_similarity(
        estimate,
        reference,
        data_range=1,
        channel_axis=0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    return float(value)


def _arrays(estimate: Tensor, reference: Tensor) -> tuple[np.ndarray, np.ndarray]:
    if estimate.shape != reference.shape:
        sizes = ["x".join(map(str, picture.shape)) for picture in (estimate, reference)]
        raise ValueError(
            f"the estimate is {sizes[0]}, the reference {sizes[1]}: compare like sizes"
        )
    return estimate.double().cpu().numpy(), reference.double().cpu().numpy()
