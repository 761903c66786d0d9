"""How noisy is this picture? The level of white noise, from the patches that hold no texture.

Liu, Tanaka & Okutomi, Single-image noise level estimation for blind denoising, IEEE Transactions on
Image Processing 22, 2013; the eigenvalues are read as Chen, Zhu & Heng do (ICCV 2015).
"""

import numpy as np
from torch import Tensor

from restore.files.task import Record

SIDE = 7  # of a patch
ENOUGH = 900  # patches, a picture of 36x36: fewer do not settle 49 eigenvalues
FEWEST = 200  # patches without texture, which overlap less: fewer do not either
MOST = 200_000  # more patches than this only cost time
CONFIDENCE = 1 - 1e-6  # the share of patches without texture that is taken for such
ROUNDS = 10  # it settles in three or four


def noise_std(picture: Tensor) -> float:
    """The standard deviation of white noise; (channels, height, width), in the picture's units.

    The mean square over the channels, each judged alone. It assumes noise that is independent
    from pixel to pixel: what JPEG or a camera's own denoiser has smoothed looks cleaner.
    ValueError for a picture of too few pixels.
    """
    variances = [_variance(channel.double().cpu().numpy()) for channel in picture]
    return float(np.mean(variances)) ** 0.5


def _variance(channel: np.ndarray) -> float:
    """Judge all patches, leave out those that vary more than this noise would, judge again."""
    from scipy.stats import gamma

    patches = _patches(channel)
    across, down = _gradient()
    texture = ((patches @ across.T) ** 2).sum(1) + ((patches @ down.T) ** 2).sum(1)
    # the texture of pure noise is a quadratic form in it: a gamma law with its mean and variance
    form = across.T @ across + down.T @ down
    mean, variance = np.trace(form), 2 * np.trace(form @ form)
    limit = gamma.ppf(CONFIDENCE, mean**2 / variance, scale=variance / mean)
    noise = _white(patches)
    for _ in range(ROUNDS):
        flat = texture < limit * noise
        if flat.sum() < FEWEST:
            return noise
        before, noise = noise, _white(patches[flat])
        if abs(noise - before) <= 1e-3 * before:
            break
    return noise


def _white(patches: np.ndarray) -> float:
    """The variance of the noise in patches whose clean versions fill few dimensions.

    White noise spreads its eigenvalues about a mean that is also their median: the largest are
    taken away until that holds (Chen, Zhu & Heng, algorithm 1).
    """
    eigenvalues = np.linalg.eigvalsh(np.cov(patches, rowvar=False)).clip(min=0)
    for count in range(len(eigenvalues), 1, -1):
        mean = eigenvalues[:count].mean()
        if mean <= np.median(eigenvalues[:count]):
            return float(mean)
    return float(eigenvalues[0])


def _gradient() -> tuple[np.ndarray, np.ndarray]:
    """Central differences across and down a patch; two of ((SIDE - 2) * SIDE, SIDE**2)."""
    difference = np.eye(SIDE, k=2)[:-2] - np.eye(SIDE)[:-2]
    return np.kron(np.eye(SIDE), difference), np.kron(difference, np.eye(SIDE))


def _patches(channel: np.ndarray) -> np.ndarray:
    """(patches, SIDE**2): all of a small picture, evenly drawn from a large one."""
    height, width = channel.shape
    if (height - SIDE + 1) * (width - SIDE + 1) < ENOUGH or min(height, width) < SIDE:
        raise ValueError(
            f"{height}x{width} pixels are too few to estimate their noise: give it, --noise 0.05"
        )
    windows = np.lib.stride_tricks.sliding_window_view(channel, (SIDE, SIDE))
    count = windows.shape[0] * windows.shape[1]
    rows, columns = np.divmod(np.arange(0, count, -(-count // MOST)), windows.shape[1])
    return windows[rows, columns].reshape(-1, SIDE**2)


def least_noise(record: Record) -> float:
    """Half a step of the file's depth; of 16 bits for floats. What --noise 0 stands for."""
    dtype = np.dtype(record.meta.get("dtype", "uint8"))
    return 0.5 / (np.iinfo(dtype).max if dtype.kind == "u" else 65535)
