"""From radio frequency to brightness: the analytic signal, demodulation, the envelope."""

import math

import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator, Operator


def analytic(rf: Tensor) -> Tensor:
    """The analytic signal along depth, the axis before the last; real -> complex, same shape.

    rf: (..., depth, lines). Its real part is rf, its imaginary part rf's Hilbert transform
    (Marple, IEEE TSP 1999): negative frequencies are taken out, positive ones doubled.
    """
    depth = rf.shape[-2]
    gain = torch.zeros(depth, dtype=rf.dtype, device=rf.device)
    gain[0] = 1
    gain[1 : (depth + 1) // 2] = 2
    if depth % 2 == 0:
        gain[depth // 2] = 1
    return torch.fft.ifft(torch.fft.fft(rf, dim=-2) * gain[:, None], dim=-2)


class Demodulation(LinearOperator):
    """z = 2 P (x exp(-2 pi i f k)), decimated: radio frequency to IQ; (1, depth, lines) to complex.

    P keeps frequencies up to `bandwidth` / 2, by FFT along depth. carrier, bandwidth: in cycles
    per sample. Linear over the reals: Re<A x, z> = <x, A^H z>.
    """

    def __init__(
        self, shape: tuple[int, int, int], carrier: float, bandwidth: float, step: int = 1
    ):
        if not 0 < carrier < 0.5 or not 0 < bandwidth <= 1:
            raise ValueError(
                f"carrier and bandwidth are in cycles per sample, got {carrier} and {bandwidth}"
            )
        _, depth, lines = shape
        super().__init__(shape, (1, -(-depth // step), lines))
        self.step = step
        place = torch.arange(depth, dtype=torch.float64)
        angle = 2 * math.pi * carrier * place
        self.wave = 2 * torch.complex(angle.cos(), -angle.sin())[:, None]
        kept = torch.fft.fftfreq(depth, dtype=torch.float64).abs() <= bandwidth / 2
        self.kept = kept.double()[:, None]

    def _forward(self, x: Tensor) -> Tensor:
        return self._filtered(x * self._like("wave", x))[..., :: self.step, :]

    def _adjoint(self, y: Tensor) -> Tensor:
        whole = y.new_zeros(len(y), *self.in_shape)
        whole[..., :: self.step, :] = y
        return (self._filtered(whole) * self._like("wave", y.real).conj()).real

    def _filtered(self, z: Tensor) -> Tensor:
        return torch.fft.ifft(torch.fft.fft(z, dim=-2) * self._like("kept", z.real), dim=-2)


class Envelope(Operator):
    """y = |x| of IQ data as two real channels; (2, *size) -> (1, *size).

    Its slope at zero is taken for zero.
    """

    def __init__(self, size: tuple[int, ...]):
        super().__init__((2, *size), (1, *size))

    def _forward(self, x: Tensor) -> Tensor:
        return x.square().sum(1, keepdim=True).sqrt()

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        size = self._forward(x)
        return torch.where(size > 0, v * x / size, 0)
