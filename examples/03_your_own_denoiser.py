"""Any denoiser is a prior: here one that shrinks the cosine coefficients of a picture.

Nothing is trained. Pictures have few large coefficients, so each is kept as far as it stands out
of the noise: c (1 - (3 sigma)^2 / c^2), never below zero (the garrote; Gao, 1998).

Such a denoiser is not smooth, so samplers that differentiate it (dps, pigdm) are out of their
depth; those that only call it are not: restore info sampler NAME tells what each needs.
"""

import math

import torch
from restore_operators import Blur, gaussian_kernel
from torch import Tensor

import restore

SIZE = 64


def cosines(n: int) -> Tensor:
    """The orthonormal cosine transform of n points, as a matrix (DCT-II)."""
    k, place = torch.arange(n)[:, None], torch.arange(n) + 0.5
    matrix = (2 / n) ** 0.5 * torch.cos(math.pi / n * k * place)
    matrix[0] /= 2**0.5
    return matrix


def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
    """D(x, sigma); (batch, 1, SIZE, SIZE), sigma a number or (batch,)."""
    sigma = torch.as_tensor(sigma, dtype=x.dtype).reshape(-1, 1, 1, 1)
    transform = cosines(SIZE).to(x)
    coefficients = transform @ (x - 0.5) @ transform.T
    kept = (1 - (3 * sigma) ** 2 / coefficients.square().clamp(min=1e-12)).clamp(min=0)
    return 0.5 + transform.T @ (kept * coefficients) @ transform


def main() -> None:
    prior = restore.Prior(denoise=denoise, shape=(1, SIZE, SIZE), sigma_max=10.0)
    across, down = torch.meshgrid(*2 * [torch.linspace(-1, 1, SIZE)], indexing="ij")
    picture = (0.5 + 0.4 * torch.cos(7 * across + 4 * down**2) * torch.exp(-(down**2)))[None]

    operator = Blur(picture.shape, gaussian_kernel(2.0))
    measurement = restore.simulate(operator, restore.Gaussian(0.05), picture, seed=0)
    before = (measurement.y[0] - picture).square().mean().sqrt()
    for sampler in ("diffpir", "ddnm"):
        posterior = restore.sample(measurement, prior, sampler=sampler, chains=4, steps=30, seed=0)
        error = (posterior.mean - picture).square().mean().sqrt()
        print(f"{sampler}: root mean square error {error:.3f}, of the blurred picture {before:.3f}")


if __name__ == "__main__":
    main()
