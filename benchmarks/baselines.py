"""The methods a user would reach for first, each with one weight to tune.

Every baseline is a function (y, operator, std, weight) -> estimate on (1, height, width) tensors.
"""

import numpy as np
import torch
from skimage import restoration
from torch import Tensor

from restore.measurement.operator import LinearOperator


def _numpy(x: Tensor) -> np.ndarray:
    return x[0].double().numpy()


def _tensor(x: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))[None]


def nlm(y: Tensor, operator: LinearOperator, std: float, weight: float) -> Tensor:
    """Non-local means (scikit-image), weight: h in units of std."""
    return _tensor(
        restoration.denoise_nl_means(
            _numpy(y), h=weight * std, sigma=std, patch_size=5, patch_distance=7, fast_mode=True
        )
    )


def tv_denoise(y: Tensor, operator: LinearOperator, std: float, weight: float) -> Tensor:
    """Total variation denoising (scikit-image's Chambolle), weight in units of std."""
    return _tensor(
        restoration.denoise_tv_chambolle(_numpy(y), weight=weight * std, max_num_iter=300)
    )


def bm3d(y: Tensor, operator: LinearOperator, std: float, weight: float) -> Tensor:
    """BM3D (the authors' package, not free for commercial use); weight is not used."""
    import bm3d

    return _tensor(bm3d.bm3d(_numpy(y), std))


def biharmonic(y: Tensor, operator: LinearOperator, std: float, weight: float) -> Tensor:
    """Biharmonic inpainting (scikit-image); weight is not used."""
    missing = (operator.mask[0] == 0).numpy()
    return _tensor(restoration.inpaint_biharmonic(_numpy(y), missing))


def wiener(y: Tensor, operator: LinearOperator, std: float, weight: float) -> Tensor:
    """Wiener-Hunt deconvolution (scikit-image) with a Laplacian prior; weight: its balance."""
    return _tensor(
        restoration.wiener(
            _numpy(y), operator.kernel.double().squeeze(0).numpy(), weight, clip=False
        )
    )


def bicubic(y: Tensor, operator: LinearOperator, std: float, weight: float) -> Tensor:
    """Bicubic enlargement; weight is not used."""
    size = operator.in_shape[1:]
    return torch.nn.functional.interpolate(
        y[None].float(), size=size, mode="bicubic", align_corners=False
    )[0]


def tv(y: Tensor, operator: LinearOperator, std: float, weight: float) -> Tensor:
    """argmin |y - A x|^2 / 2 + weight std TV(x), isotropic, for any linear operator.

    400 iterations of the primal-dual method (Chambolle & Pock 2011); the signal is of order one
    and the dual of order weight std, which sets the ratio of their steps.
    """
    y = y[None].float()
    length = 0.95 / (8 + operator.norm() ** 2) ** 0.5
    ratio = max(1.0, 0.2 / (weight * std))
    step, forward = length / ratio, length * ratio
    x = operator.adjoint(y)
    ahead, dual, data = x, x.new_zeros(2, *x.shape), torch.zeros_like(y)
    for _ in range(400):
        dual = dual + step * _gradient(ahead)
        dual = dual / (dual.square().sum(0).sqrt() / (weight * std)).clamp(min=1)
        data = (data + step * (operator(ahead) - y)) / (1 + step)
        after = x - forward * (operator.adjoint(data) - _divergence(dual))
        ahead, x = 2 * after - x, after
    return x[0]


def _gradient(x: Tensor) -> Tensor:
    down = torch.nn.functional.pad(x.diff(dim=-2), (0, 0, 0, 1))
    right = torch.nn.functional.pad(x.diff(dim=-1), (0, 1))
    return torch.stack([down, right])


def _divergence(dual: Tensor) -> Tensor:
    """Minus the adjoint of the gradient."""
    down, right = dual[0][..., :-1, :], dual[1][..., :, :-1]
    pad = torch.nn.functional.pad
    return (
        pad(down, (0, 0, 0, 1)) - pad(down, (0, 0, 1, 0)) + pad(right, (0, 1)) - pad(right, (1, 0))
    )


def tuned(method, weights, problems) -> float:
    """The weight of the highest mean PSNR over problems of (clean, y, operator, std)."""
    if len(weights) == 1:
        return weights[0]

    problems = list(problems)

    def quality(weight: float) -> float:
        return np.mean(
            [
                -10 * np.log10((method(y, op, std, weight) - clean).square().mean().item())
                for clean, y, op, std in problems
            ]
        )

    return max(weights, key=quality)
