"""A slice seen by four coils through a third of k-space, restored with the embedded MR prior."""

import math

import torch
from restore_mri.operators.sense import sense
from restore_operators import cgls
from skimage.data import shepp_logan_phantom
from skimage.transform import resize

import restore


def main() -> None:
    size = 96
    magnitude = torch.from_numpy(resize(shepp_logan_phantom(), (size, size))).float()
    axis = torch.linspace(-1, 1, size)
    phase = 0.8 * axis[:, None] + axis[None] ** 2
    image = torch.stack([magnitude * phase.cos(), magnitude * phase.sin()])[:, None]  # (2, 1, y, x)

    turns = [2 * math.pi * coil / 4 for coil in range(4)]
    maps = torch.stack([
        torch.exp(-((axis[:, None] - math.sin(a)) ** 2 + (axis - math.cos(a)) ** 2) / 2 + 1j * a)
        for a in turns
    ])[None]  # fmt: skip
    maps = maps / maps.abs().square().sum(1, keepdim=True).sqrt()
    lines = (torch.arange(size) % 4 == 0) | ((torch.arange(size) - size // 2).abs() < 6)
    operator = sense((2, 1, size, size), maps, lines.expand(size, size))
    measurement = restore.simulate(operator, restore.Gaussian(0.01), image, seed=0)

    prior = restore.sliced(restore.load_prior("mri-slices"))
    posterior = restore.sample(measurement, prior, sampler="diffpir", chains=2, steps=20, seed=0)

    def psnr(estimate: torch.Tensor) -> float:
        error = estimate.norm(dim=0) - magnitude
        return -10 * error.square().mean().log10().item()

    print(f"{lines.float().mean():.0%} of the lines were measured")
    print(f"conjugate gradients: {psnr(cgls(measurement.y, operator, 8)[0]):.1f} dB")
    print(f"mean of {posterior.chains} samples: {psnr(posterior.mean):.1f} dB")
    print(f"chi-square: {measurement.chi_square(posterior.samples).mean():.2f} (1 is right)")


if __name__ == "__main__":
    main()
