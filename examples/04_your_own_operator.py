"""Any operator will do: say forward and adjoint, and every sampler works with it.

Here y_i is the sum of x over a window, taken at every third point: a slow detector.
"""

import torch
from torch import Tensor

import restore
from restore.testing import assert_adjoint, assert_linear

POINTS, WINDOW, STRIDE = 60, 6, 3


class Detector(restore.LinearOperator):
    """y_i = sum over the WINDOW points from STRIDE i on; (points,) -> (readings,)."""

    def __init__(self, points: int):
        super().__init__((points,), ((points - WINDOW) // STRIDE + 1,))

    def _forward(self, x: Tensor) -> Tensor:
        return x.unfold(-1, WINDOW, STRIDE).sum(-1)

    def _adjoint(self, y: Tensor) -> Tensor:
        x = y.new_zeros(len(y), *self.in_shape)
        for offset in range(WINDOW):
            stop = offset + STRIDE * (y.shape[-1] - 1) + 1
            x[:, offset:stop:STRIDE] += y
        return x


def main() -> None:
    operator = Detector(POINTS)
    assert_adjoint(operator)
    assert_linear(operator)

    # a prior of two kinds of signals, low and high, both rough
    means = torch.stack([torch.full((POINTS,), level) for level in (-1.0, 1.0)])
    prior = restore.mixture(torch.tensor([0.5, 0.5]), means, 0.25)
    signal = means[1] + 0.5 * torch.randn(POINTS, generator=torch.Generator().manual_seed(0))
    measurement = restore.simulate(operator, restore.Gaussian(0.2), signal, seed=0)

    for sampler in ("dps", "pigdm", "diffpir"):
        posterior = restore.sample(measurement, prior, sampler=sampler, chains=32, steps=50, seed=0)
        misfit = measurement.chi_square(posterior.samples).mean().item()
        print(f"{sampler}: mean level {posterior.mean.mean():+.2f} (true {signal.mean():+.2f}), "
              f"chi-square {misfit:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
