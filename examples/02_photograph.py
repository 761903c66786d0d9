"""A photograph of which 70 % of the pixels are missing, restored with the embedded prior."""

import torch
from restore_operators import Mask, random_mask
from skimage import data

import restore


def main() -> None:
    scene = torch.from_numpy(data.camera()[40:168, 170:298] / 255.0).float()[None]
    photograph = torch.nn.functional.avg_pool2d(scene, 2)  # (1, 64, 64)
    operator = Mask(random_mask(photograph.shape, 0.7, 0))
    measurement = restore.simulate(operator, restore.Gaussian(0.02), photograph, seed=0)

    prior = restore.load_prior("image-grey")
    posterior = restore.sample(measurement, prior, sampler="pigdm", chains=2, steps=15, seed=0)

    def psnr(estimate: torch.Tensor) -> float:
        return -10 * (estimate - photograph).square().mean().log10().item()

    print(f"measured: {psnr(measurement.y[0]):.1f} dB")
    print(f"one sample: {psnr(posterior.samples[0]):.1f} dB")
    print(f"mean of {posterior.chains} samples: {psnr(posterior.mean):.1f} dB")
    misfit = measurement.chi_square(posterior.samples).mean().item()
    print(f"chi-square of the samples: {misfit:.2f} (1 is right)")


if __name__ == "__main__":
    main()
