"""A band of frequencies, and fewer samples a second: ideal filters, by FFT over the whole signal.

The signal counts as periodic, as an FFT takes it; all is a mask of frequencies, so it is closed.
"""

import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator


class BandLimit(LinearOperator):
    """y holds the frequencies low .. cutoff of x, in Hz, unchanged; (1, length) -> the same.

    A projection: its proximal step keeps the frequencies that were observed.
    ValueError where the band is empty or goes beyond half the rate.
    """

    def __init__(self, rate: float, cutoff: float, length: int, *, low: float = 0.0):
        if not 0 <= low < cutoff <= rate / 2:
            raise ValueError(
                f"a band is 0 <= low < cutoff <= {rate / 2:g} Hz, got {low:g} to {cutoff:g}"
            )
        super().__init__((1, length), (1, length))
        frequency = torch.fft.rfftfreq(length, 1 / rate, dtype=torch.float64)
        self.kept = (frequency >= low) & (frequency <= cutoff)

    def _forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(x) * self._like("kept", x)
        return torch.fft.irfft(spectrum, n=self.in_shape[-1])

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._forward(y)

    def _normal(self, x: Tensor) -> Tensor:
        return self._forward(x)

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        return (b - self._forward(b) / (1 + shift)) / shift

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        return self._forward(y) / (1 + shift)

    def norm(self, steps: int = 100) -> float:
        return float(self.kept.any())


class Resample(LinearOperator):
    """Every factor-th sample of x, freed of what would alias; (1, length) -> (1, length / factor).

    ValueError where the factor is no whole number of at least 1, or does not divide the length.
    """

    def __init__(self, length: int, factor: int):
        if factor != int(factor) or factor < 1 or length % factor:
            raise ValueError(
                f"a factor is a whole number of at least 1 that divides the length {length}, "
                f"got {factor}"
            )
        super().__init__((1, length), (1, length // int(factor)))
        self.factor = int(factor)
        self.bins = (self.out_shape[-1] + 1) // 2  # below half the new rate

    def _forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(x)[..., : self.bins]
        return torch.fft.irfft(spectrum, n=self.out_shape[-1]) / self.factor

    def _adjoint(self, y: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(y)[..., : self.bins]
        return torch.fft.irfft(spectrum, n=self.in_shape[-1])

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        # A A^H is 1 / factor on the band; Woodbury
        return (b - self._adjoint(self._forward(b)) / (1 / self.factor + shift)) / shift

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        return self._adjoint(y) / (1 / self.factor + shift)

    def norm(self, steps: int = 100) -> float:
        return self.factor**-0.5
