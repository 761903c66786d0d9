"""A room, or any other response: convolution of a waveform."""

import torch
from torch import Tensor

from restore.measurement.checks import shift_column
from restore.measurement.operator import LinearOperator

from .solving import preconditioned


class RoomResponse(LinearOperator):
    """y = response * x, the full tail kept; (1, length) -> (1, length + taps - 1).

    response: (taps,). periodic: x repeats itself, y is (1, length), and the normal equations are
    closed, X = H* Y / (|H|^2 + shift); else they go by conjugate gradients, preconditioned by
    that (Chan, SIAM J. Sci. Stat. Comput. 9, 1988), which takes some ten steps.
    ValueError for a response that is not (taps,), not finite, or zero.
    """

    def __init__(self, response: Tensor, length: int, *, periodic: bool = False):
        response = torch.as_tensor(response).detach().clone().double()
        if response.ndim != 1 or not response.isfinite().all() or not response.any():
            raise ValueError(
                f"a response is (taps,), finite and not zero, got {tuple(response.shape)}"
            )
        tail = 0 if periodic else len(response) - 1
        super().__init__((1, length), (1, length + tail))
        self.response, self.periodic = response, periodic
        self.size = length if periodic else _fast(length + tail)
        self.spectrum = torch.fft.rfft(_wrapped(response, self.size))
        self.circular = torch.fft.rfft(_wrapped(response, length)).abs().square()

    def _forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(x, n=self.size) * self._like("spectrum", x)
        return torch.fft.irfft(spectrum, n=self.size)[..., : self.out_shape[-1]]

    def _adjoint(self, y: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(y, n=self.size) * self._like("spectrum", y).conj()
        return torch.fft.irfft(spectrum, n=self.size)[..., : self.in_shape[-1]]

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        power = self._like("circular", b) + shift
        if self.periodic:
            return torch.fft.irfft(torch.fft.rfft(b) / power, n=self.in_shape[-1])
        return preconditioned(
            lambda x: self._normal(x) + shift * x,
            lambda x: torch.fft.irfft(torch.fft.rfft(x) * power.rsqrt(), n=self.in_shape[-1]),
            b,
            what=self,
        )

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        if not self.periodic:
            return super()._tikhonov(y, shift)
        shift = shift_column(shift, y) if isinstance(shift, Tensor) else shift
        gain = self._like("spectrum", y).conj() / (self._like("circular", y) + shift)
        return torch.fft.irfft(torch.fft.rfft(y) * gain, n=self.in_shape[-1])

    def norm(self, steps: int = 100) -> float:
        """Exact where periodic; else max |H|, an upper bound that long signals come near."""
        return self.spectrum.abs().max().item()


def _wrapped(response: Tensor, size: int) -> Tensor:
    """The response summed over periods of `size`; (taps,) -> (size,)."""
    periods = -(-len(response) // size)
    padded = torch.nn.functional.pad(response, (0, periods * size - len(response)))
    return padded.reshape(periods, size).sum(0)


def _fast(length: int) -> int:
    """The least size of at least `length` with no prime factor above 5."""
    size = length
    while True:
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return size
        size += 1
