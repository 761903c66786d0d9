"""The smooth phase of an image, from the middle of k-space: what is left is nearly real.

Nearly real images need half the unknowns. Partial Fourier imaging knows it (Noll, Nishimura and
Macovski, IEEE TMI 10(2), 1991); here the phase goes into the coil maps, S' = S exp(i phi), and the
prior is trained on images without it.
"""

import torch
from torch import Tensor

from .coils import TINY, low_frequencies, matched_filter


def smooth_phase(
    kspace: Tensor, maps: Tensor, mask: Tensor | None = None, *, largest: int
) -> Tensor:
    """exp(i phi) of the coil-combined image of the calibration region; (slice, y, x), complex.

    1 where that image is 0. kspace: (slice, coil, ky, kx); maps: (slice or 1, coil, y, x); mask,
    largest: see `calibration_data`, whose ValueError it raises.
    """
    image = matched_filter(low_frequencies(kspace, mask, largest=largest), maps)
    height = image.abs()
    return torch.where(height > TINY * height.amax(), image / height, 1)
