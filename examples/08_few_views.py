"""A slice from 20 views of few photons, restored with the embedded CT prior."""

import math

import torch
from restore_ct.phantoms import phantoms
from restore_operators import Radon, fbp

import restore

WATER = 0.0192  # 1/mm


def main() -> None:
    size, pixel = 96, 2.0  # mm
    body = phantoms(2, size, seed=11)[1]  # (1, y, x): air 0, water 1
    angles = torch.arange(20, dtype=torch.float64) * math.pi / 20
    radon = Radon((1, size, size), angles, pitch=pixel, pixel=pixel)
    operator = WATER * radon
    law = restore.Transmission(1e4)  # photons on each ray
    y = restore.simulate(operator, law, body, seed=0).y
    measurement = restore.Measurement(y, operator, law.gaussian(y))

    prior = restore.load_prior("ct-slices")
    posterior = restore.sample(measurement, prior, sampler="diffpir", chains=2, steps=25, seed=0)

    def error(estimate: torch.Tensor) -> float:
        return 1000 * (estimate - body).square().mean().sqrt().item()

    print(f"filtered backprojection: {error(fbp(y, radon, 'hann')[0] / WATER):.0f} HU")
    print(f"mean of {posterior.chains} samples: {error(posterior.mean):.0f} HU")
    print(f"chi-square: {measurement.chi_square(posterior.samples).mean():.2f} (1 is right)")


if __name__ == "__main__":
    main()
