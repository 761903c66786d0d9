"""A blurred row of bars whose blur is unknown: the bars and the kernel are restored together.

The signal is (x, k), one prior for each; the operator k * x is linear in each, not in both. The
prior of the bars is a list of all there are, that of the kernel a Gaussian around a plain average:
so p(bars | y) has a closed form, which the samples can be held to.
"""

from itertools import product

import torch
from restore_operators import BilinearBlur, Mask

import restore

BARS, WIDTH, NOISE, SPREAD = 9, 3, 0.1, 0.1
TRUE_KERNEL = torch.tensor([0.10, 0.40, 0.30, 0.15, 0.05])  # leaning to one side
TAPS = len(TRUE_KERNEL)


def main() -> None:
    # every code of nine bars, black or white, each three pixels wide
    codes = torch.tensor(list(product((0.0, 1.0), repeat=BARS))).repeat_interleave(WIDTH, 1)
    length = codes.shape[1]
    bars = restore.dataset(codes.reshape(-1, 1, 1, length))
    # the kernel lives as k / SPREAD, so that both parts are of one scale
    average = torch.full((1, TAPS), 1 / TAPS)
    kernels = restore.normalised(restore.gaussian(average, SPREAD**2), 0.0, 1 / SPREAD)
    prior = restore.joint(bars, kernels)

    blur = BilinearBlur((1, 1, length), (1, TAPS))
    units = Mask(torch.cat([torch.ones(length), torch.full((TAPS,), SPREAD)]))
    true_code = codes[0b101101001]
    signal = torch.cat([true_code, TRUE_KERNEL / SPREAD])
    measurement = restore.simulate(blur @ units, restore.Gaussian(NOISE), signal, seed=0)

    posterior = restore.sample(measurement, prior, sampler="tmpd", chains=64, steps=50, seed=0)
    image, kernel = blur.parts(units(posterior.samples))
    right = ((image[:, 0, 0] - true_code).abs() < 0.5).all(1).float().mean()

    row = measurement.y[0, 0, 0]
    cut = ((row > 0.5).float() == true_code).float().mean()
    print(f"pixels right in the blurred row, cut at one half: {cut:.0%}")
    exact = probabilities(codes, average[0], row)[0b101101001]
    print(f"samples with every bar right: {right:.0%}, exact probability {exact:.0%}")
    shown = ", ".join(f"{k:.2f}" for k in kernel.mean(0)[0].tolist())
    print(f"kernel: {shown}, std {kernel.std(0).mean():.2f}")
    print(f"true:   {', '.join(f'{k:.2f}' for k in TRUE_KERNEL.tolist())}")


def probabilities(codes: torch.Tensor, average: torch.Tensor, row: torch.Tensor) -> torch.Tensor:
    """p(code | y): for each code the row is Gaussian, with mean C average and covariance
    SPREAD^2 C C^T + NOISE^2, C the code at all shifts."""
    shifts = torch.stack([codes.roll(i - TAPS // 2, 1) for i in range(TAPS)], 2).double()
    noise = NOISE**2 * torch.eye(len(row), dtype=torch.float64)
    covariance = SPREAD**2 * shifts @ shifts.mT + noise
    away = row.double() - shifts @ average.double()
    misfit = (away * torch.linalg.solve(covariance, away)).sum(1)
    return torch.softmax(-0.5 * misfit - 0.5 * torch.logdet(covariance), 0)


if __name__ == "__main__":
    main()
