"""Receive coils: their noise, fewer of them, their maps from low frequencies, and their sum."""

import torch
from torch import Tensor

from .calibration import calibration_data, middle
from .kspace import to_image

NORMAL = 0.6744897501960817  # the median of |n| for n of unit variance
TINY = 1e-12  # of the largest; where all coils are smaller there is nothing to divide by


def whitening(noise: Tensor) -> Tensor:
    """W that makes noise white and of unit std in each part; (coil, samples) -> (coil, coil).

    The inverse Cholesky factor of half the covariance of a noise scan, which holds no signal.
    ValueError for fewer samples than twice the coils, and coils that are copies of each other.
    """
    noise = noise.flatten(1).to(torch.complex128)
    coils, samples = noise.shape
    if samples < 2 * coils:
        raise ValueError(f"{samples} noise samples are too few for {coils} coils")
    factor, failed = torch.linalg.cholesky_ex(noise @ noise.mH / (2 * samples))
    if failed or factor.diagonal().abs().min() < 1e-6 * factor.diagonal().abs().max():
        raise ValueError("the noise covariance is singular: a coil is silent, or a copy of others")
    identity = torch.eye(coils, dtype=factor.dtype, device=factor.device)
    return torch.linalg.solve_triangular(factor, identity, upper=False)


def compression(
    kspace: Tensor, coils: int, mask: Tensor | None = None, *, largest: int | None = None
) -> Tensor:
    """W of the virtual coils that hold most of the calibration data; (coils, coil).

    Its rows are orthonormal, so white noise stays white and of its std (Huang et al., 2008).
    kspace: (slice, coil, ky, kx); one W for all slices. mask, largest: see `calibration_data`.
    """
    data = calibration_data(kspace, mask, largest=largest).to(torch.complex128)
    if not 1 <= coils <= data.shape[-3]:
        raise ValueError(f"{data.shape[-3]} coils cannot be compressed to {coils}")
    flat = data.movedim(-3, 0).flatten(1)
    return torch.linalg.eigh(flat @ flat.mH).eigenvectors.flip(1)[:, :coils].mH


def mix(matrix: Tensor, value: Tensor, axis: int = 1) -> Tensor:
    """W over the coil axis: k-space, maps (axis 1) or a noise scan (axis 0).

    Whitening and compression apply to all that is measured, maps included: S' = W S.
    """
    mixed = torch.tensordot(matrix.to(value), value, dims=([1], [axis]))
    return mixed.movedim(0, axis)


def noise_std(kspace: Tensor, mask: Tensor | None = None, *, share: float = 0.1) -> Tensor:
    """Std of each real and imaginary part, from the periphery of k-space; -> (coil,), float64.

    The median of |Re| and |Im| over the `share` of measured samples farthest from the middle,
    over 0.6745: half of them may hold signal before it breaks down. What signal is there biases
    it upwards; a lowpass filter of the scanner biases it downwards. Samples that are exactly zero
    were filled in, and do not count.
    kspace: (slice, coil, ky, kx). mask: (ky, kx) or (slice, ky, kx). ValueError for fewer than 32
    samples.
    """
    return torch.stack([_robust_std(part) for part in periphery(kspace, mask, share=share)])


def periphery(kspace: Tensor, mask: Tensor | None = None, *, share: float = 0.1) -> list[Tensor]:
    """The measured samples farthest from the middle, of each coil; see `noise_std`."""
    if not 0 < share <= 1:
        raise ValueError(f"the share must be in (0, 1], got {share}")
    measured = (kspace != 0).any(1)
    if mask is not None:
        measured &= mask.bool().to(measured.device)
    if measured.sum() * share < 32:
        raise ValueError(
            f"{int(measured.sum())} measured samples are too few to find the noise in {share:.0%}"
        )
    axes = [(torch.arange(n) - n // 2).to(kspace.device) / n for n in kspace.shape[-2:]]
    radius = torch.maximum(axes[0].abs()[:, None], axes[1].abs()).expand(measured.shape)
    far = measured & (radius >= torch.quantile(_thinned(radius[measured]), 1 - share))
    return [coil[far] for coil in kspace.movedim(1, 0)]


def low_frequency_maps(
    kspace: Tensor, mask: Tensor | None = None, *, calibration: int = 24
) -> Tensor:
    """Hann-windowed calibration images over their root of squares; (slice, coil, y, x).

    Everywhere of sum_c |S_c|^2 = 1, noise in the air included; the phase of the image is in them.
    """
    data = calibration_data(kspace, mask, largest=calibration)
    for axis in (-2, -1):
        n = data.shape[axis]
        turns = (torch.arange(n, device=data.device) - n // 2) / (n + 1)
        window = 0.5 + 0.5 * torch.cos(2 * torch.pi * turns)
        data = data * window.to(data.real.dtype).reshape(-1, *(1,) * (-1 - axis))
    whole = torch.zeros_like(kspace)
    middle(whole, data.shape[-2:]).copy_(data)
    return normalised(to_image(whole))


def normalised(maps: Tensor) -> Tensor:
    """Maps of sum_c |S_c|^2 = 1 where they are not zero; (slice, coil, y, x) -> the same."""
    power = root_sum_of_squares(maps)[:, None]
    return torch.where(power > TINY * power.amax(), maps / power, 0)


def matched_filter(kspace: Tensor, maps: Tensor) -> Tensor:
    """sum_c conj(S_c) F^-1 y_c / sum_c |S_c|^2, 0 where the maps are; (slice, y, x), complex.

    The minimum-variance unbiased combination of fully measured data of white noise (Roemer et
    al., 1990): the reference of an undersampled reconstruction with the same maps.
    """
    power = maps.abs().square().sum(1)
    image = (maps.conj() * to_image(kspace)).sum(1)
    return torch.where(power > TINY * power.amax(), image / power, 0)


def root_sum_of_squares(images: Tensor) -> Tensor:
    """sqrt(sum_c |x_c|^2); (slice, coil, y, x) -> (slice, y, x)."""
    return images.abs().square().sum(1).sqrt()


def _robust_std(samples: Tensor) -> Tensor:
    parts = torch.view_as_real(samples.resolve_conj()).double()
    return parts.abs().flatten().median() / NORMAL


def _thinned(values: Tensor, most: int = 2**20) -> Tensor:
    """At most 2^20 of the values, evenly spaced: torch.quantile takes no more than 2^24."""
    return values[:: max(1, -(-len(values) // most))]
