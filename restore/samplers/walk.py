"""One reverse transition of guided particles, as wide as what is left unknown, and its density."""

import torch
from torch import Tensor

from ..measurement import Measurement
from ..signal import RandnLike, dot


class Walk:
    """x_t ~ q = N(x + a (D_y - x), nu^2 + a^2 V), and log p / q for p with D in place of D_y.

    a = 1 - (t / s)^2 and nu = t sqrt(a) are those of the ancestral step, which takes x0 for its
    estimate; V is Cov[x0 | x, y] under Cov[x0 | x] = r^2 I. Without V the samples are too narrow
    (unobserved variance 0.86 at 50 steps, 0.93 at 100), with it the step is exact for white
    Gaussian signals. Non-linear operators and other noise go without: V = 0.
    """

    def __init__(self, measurement: Measurement):
        self.silent = None
        if measurement.linear_gaussian:
            zero = torch.zeros_like(measurement.y)
            self.silent = Measurement(zero, measurement.operator, measurement.noise)

    def __call__(
        self,
        x: Tensor,
        denoised: Tensor,
        guided: Tensor,
        sigma: float,
        sigma_next: float,
        r2: float,
        randn_like: RandnLike,
    ) -> tuple[Tensor, Tensor]:
        """x_t, and log p(x_t | x) / q(x_t | x), (batch,) float64; at t = 0, D_y and zero."""
        if sigma_next == 0:
            return guided, torch.zeros(len(x), dtype=torch.float64, device=x.device)
        a = 1 - (sigma_next / sigma) ** 2
        nu2 = sigma_next**2 * a
        noise = nu2**0.5 * randn_like(x)
        shift = a * (guided - denoised)
        solved = shift / nu2
        if self.silent is not None:
            noise = noise + a * self.silent.draw_proximal(torch.zeros_like(x), r2, randn_like)
            # (nu^2 + a^2 V)^-1 = (1 - a^2 / nu^2 (1 / v + A^H A / std^2)^-1) / nu^2
            v = 1 / (1 / r2 + a**2 / nu2)
            solved = solved - (a**2 * v / nu2) * self.silent.proximal(solved, v)
        ratio = -dot(solved, noise) - 0.5 * dot(solved, shift)
        return x + a * (guided - x) + noise, ratio.double()
