"""Receive coils: their noise, fewer of them, their maps from low frequencies, and their sum."""

import torch
from torch import Tensor

from ..kspace.calibration import calibration_data, middle
from ..kspace.samples import to_image

NORMAL = 0.6744897501960817  # the median of |n| for n of unit variance
LINES = 16  # whole lines that air is looked for in, at least
QUIET = 0.1  # of the pixels along a line are taken for air
FAR = 0.1  # of the measured samples are taken for the periphery
SAMPLES = 32  # of it, at least
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


def noise_std(kspace: Tensor, mask: Tensor | None = None) -> Tensor:
    """Std of each real and imaginary part, by coil; (slice, coil, ky, kx) -> (coil,), float64.

    Where lines were measured from end to end, from the air beside the patient, `air_std`; along
    the axis that finds less of it, if both were. Else from the periphery of k-space,
    `periphery_std`, which is nearer to the signal.
    mask: (ky, kx) or (slice, ky, kx). Samples that are exactly zero in all coils were filled in
    and do not count. ValueError where too few were measured.
    """
    measured_mask = (kspace != 0).any(1)
    if mask is not None:
        measured_mask &= mask.bool().to(measured_mask.device)
    whole = {axis: measured_mask.all(axis) for axis in (-2, -1)}  # (slice, lines)
    found = [air_std(kspace, lines, a) for a, lines in whole.items() if lines.sum() >= LINES]
    return torch.stack(found).amin(0) if found else periphery_std(kspace, measured_mask)


def air_std(kspace: Tensor, whole: Tensor, axis: int) -> Tensor:
    """Std of the noise by coil, from the quietest tenth of the pixels along an axis; (coil,).

    The median of |Re| and |Im| at each pixel over all lines, over 0.6745; of these, the tenth
    part. An object that fills more than 9 / 10 of the axis, and its blur beside it, bias it
    upwards; choosing the quietest biases it downwards, by at most 1.5 / sqrt(2 lines), where all
    is air: 5 percent for 500 lines, 15 for 50.
    whole: (slice, lines) bool, the lines that were measured from end to end.
    """
    lines = kspace.movedim(axis, -1).movedim(1, 0)[:, whole]  # (coil, lines, pixels)
    levels = _parts(to_image(lines, (-1,))).median(1).values / NORMAL
    return torch.quantile(levels, QUIET, dim=1)


def periphery_std(kspace: Tensor, mask: Tensor) -> Tensor:
    """Std of the noise by coil, from the tenth of the samples farthest from the middle; (coil,).

    The median of |Re| and |Im|, over 0.6745. Signal there biases it upwards: several times over in
    small matrices of little noise. A lowpass filter of the scanner biases it downwards.
    mask: (slice, ky, kx), bool, the samples that were measured.
    """
    if mask.sum() * FAR < SAMPLES:
        raise ValueError(
            f"{int(mask.sum())} measured samples are too few to find the noise in {FAR:.0%}"
        )
    y, x = ((torch.arange(n, device=kspace.device) - n // 2) / n for n in kspace.shape[-2:])
    radius = torch.hypot(y[:, None], x).expand(mask.shape)
    ordered = radius[mask].sort().values
    far = mask & (radius >= ordered[int((1 - FAR) * len(ordered))])
    return _parts(kspace.movedim(1, 0)[:, far]).median(1).values / NORMAL


def low_frequency_maps(
    kspace: Tensor, mask: Tensor | None = None, *, calibration: int = 24
) -> Tensor:
    """Hann-windowed calibration images over their root of squares; (slice, coil, y, x).

    Everywhere of sum_c |S_c|^2 = 1, noise in the air included; the phase of the image is in them.
    """
    return normalised(to_image(low_frequencies(kspace, mask, largest=calibration)))


def low_frequencies(kspace: Tensor, mask: Tensor | None = None, *, largest: int) -> Tensor:
    """The calibration data times Hann's window, and zeros: no lobes beside what is bright."""
    data = calibration_data(kspace, mask, largest=largest)
    for axis in (-2, -1):
        n = data.shape[axis]
        turns = (torch.arange(n, device=data.device) - n // 2) / (n + 1)
        window = 0.5 + 0.5 * torch.cos(2 * torch.pi * turns)
        data = data * window.to(data.real.dtype).reshape(-1, *(1,) * (-1 - axis))
    whole = torch.zeros_like(kspace)
    middle(whole, data.shape[-2:]).copy_(data)
    return whole


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


def _parts(samples: Tensor) -> Tensor:
    """|Re| and |Im|, along the second axis."""
    return torch.cat([samples.real, samples.imag], 1).abs().double()
