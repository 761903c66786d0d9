"""ESPIRiT coil maps: Uecker et al., Magnetic Resonance in Medicine 71 (2014), 990-1001.

What the kernels of a calibration matrix do to a pixel is a small Hermitian matrix, and the coil map
its eigenvector of eigenvalue 1. The matrices of all pixels are the Fourier transform of
kernel * kernel correlations, (2 width - 1)^2 lags: no kernel is transformed by itself.
"""

import torch
from torch import Tensor

from ..kspace.calibration import calibration_data

BLOCK = 2**22  # matrix elements decomposed in one go, 32 MiB


def espirit(
    kspace: Tensor,
    mask: Tensor | None = None,
    *,
    calibration: int = 24,
    kernel: int = 6,
    threshold: float = 0.02,
    crop: float = 0.95,
    reference: int | None = None,
) -> Tensor:
    """Coil maps of each slice; (slice, coil, ky, kx) -> the same, complex64, sum_c |S_c|^2 = 1.

    mask: what was measured, (ky, kx) or (slice, ky, kx); None: all. calibration: size of the fully
    measured middle to use at most. kernel: its windows. threshold: singular values below this share
    of the largest are noise. crop: where the eigenvalue is below it there is no signal, and the
    maps are 0. reference: the coil whose map is real; None: the principal component of all coils,
    which has no holes. The absolute phase cannot be known.
    ValueError where the middle was not measured, or is smaller than two kernels.
    """
    data = calibration_data(kspace, mask, largest=calibration, least=kernel + 1)
    maps = [
        _maps(plane.to(torch.complex128), kspace.shape[-2:], kernel, threshold, crop, reference)
        for plane in data
    ]
    return torch.stack(maps).to(torch.complex64)


def _maps(
    data: Tensor,
    size: tuple[int, int],
    kernel: int,
    threshold: float,
    crop: float,
    reference: int | None,
) -> Tensor:
    """(coil, y, x) of calibration data (coil, ky, kx)."""
    lags = _correlations(_projector(data, kernel, threshold), len(data), kernel)
    down, across = (_waves(n, kernel).to(lags) for n in size)
    lags = torch.einsum("abkl,xl->xabk", lags, across)
    maps = lags.new_zeros(*size, len(data))
    rows = max(1, BLOCK // lags[..., 0].numel())
    for start in range(0, size[0], rows):
        matrices = torch.einsum("xabk,yk->yxab", lags, down[start : start + rows])
        maps[start : start + rows] = _eigenvectors(matrices, crop)
    phase = (
        maps[..., reference] if reference is not None else maps @ _principal(data).conj().to(maps)
    )
    return (maps * torch.exp(-1j * phase.angle())[..., None]).permute(2, 0, 1)


def _eigenvectors(matrices: Tensor, crop: float) -> Tensor:
    """Eigenvectors of the largest eigenvalue, 0 where that is below crop.

    (..., coil, coil) -> (..., coil).
    """
    found = matrices.new_zeros(matrices.shape[:-1])
    power = matrices.diagonal(dim1=-2, dim2=-1).real.sum(-1)
    likely = power > crop  # no eigenvalue exceeds their sum
    values, vectors = torch.linalg.eigh(matrices[likely])
    found[likely] = vectors[..., -1] * (values[..., -1:] > crop)
    return found


def _projector(data: Tensor, kernel: int, threshold: float) -> Tensor:
    """W W^H on the space of the windows of the data; (coil k k, coil k k)."""
    windows = data.unfold(-2, kernel, 1).unfold(-2, kernel, 1)  # (coil, ky, kx, k, k)
    windows = windows.permute(0, 3, 4, 1, 2).flatten(0, 2).flatten(1)
    values, vectors = torch.linalg.eigh(windows @ windows.mH)
    kept = vectors[:, values > threshold**2 * values[-1]]
    return kept @ kept.mH


def _correlations(projector: Tensor, coils: int, kernel: int) -> Tensor:
    """sum_(j - l = lag) P_(a j, b l) / k^2; (coil, coil, 2 k - 1, 2 k - 1), lag 0 in the middle."""
    blocks = projector.reshape(coils, kernel, kernel, coils, kernel, kernel)
    lags = projector.new_zeros(coils, coils, 2 * kernel - 1, 2 * kernel - 1)
    for j in range(kernel):
        for i in range(kernel):
            # lag j - l, for l = 0 to k - 1, runs downwards
            part = blocks[:, j, i].flip(-2, -1)
            lags[:, :, j : j + kernel, i : i + kernel] += part
    return (lags / kernel**2).to(torch.complex64)


def _waves(n: int, kernel: int) -> Tensor:
    """exp(2 pi i lag (pixel - n // 2) / n); (pixel, 2 k - 1)."""
    lag = torch.arange(1 - kernel, kernel, dtype=torch.float64)
    pixel = torch.arange(n, dtype=torch.float64) - n // 2
    return torch.exp(2j * torch.pi * torch.outer(pixel, lag) / n)


def _principal(data: Tensor) -> Tensor:
    """The combination of coils that holds most of the calibration data; (coil,)."""
    flat = data.flatten(1)
    return torch.linalg.eigh(flat @ flat.mH).eigenvectors[:, -1]
