"""The short-time Fourier transform as a tight frame, and noise that it makes diagonal."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.operator import LinearOperator
from restore.measurement.signal import column

from .solving import preconditioned


class STFT(LinearOperator):
    """A tight frame, A^H A = I; (1, length), real -> (1, size / 2 + 1, frames), complex.

    size: of a frame, even. hop: half of it by default, or any that divides it. The window is the
    root of a periodic Hann window; frames go over both ends, where x is zero. Bins that stand for
    two frequencies weigh sqrt(2): Re<A x, A z> = <x, z>, and white noise of std s has
    E |bin|^2 = 2 s^2 hop / size, which is s^2 at half overlap.
    """

    def __init__(self, length: int, size: int = 512, hop: int | None = None):
        hop = size // 2 if hop is None else hop
        if size % 2 or hop < 1 or size % hop or hop > size // 2:
            raise ValueError(f"a frame is even, and a hop at most half divides it: {size}, {hop}")
        self.size, self.hop = size, hop
        self.before = size - hop
        frames = -(-(length + self.before) // hop)
        super().__init__((1, length), (1, size // 2 + 1, frames))
        self.padded = (frames - 1) * hop + size
        window = torch.hann_window(size, periodic=True, dtype=torch.float64).sqrt()
        self.window = window * (2 * hop / size) ** 0.5  # squares of all frames add up to 1
        self.weights = torch.full((size // 2 + 1, 1), 2**0.5, dtype=torch.float64)
        self.weights[0] = self.weights[-1] = 1

    def _forward(self, x: Tensor) -> Tensor:
        x = pad(x, (self.before, self.padded - self.before - x.shape[-1]))
        frames = x.unfold(-1, self.size, self.hop) * self._like("window", x)
        return torch.fft.rfft(frames, norm="ortho").mT * self._like("weights", x)

    def _adjoint(self, y: Tensor) -> Tensor:
        # the imaginary parts of the first and the last bin are those of no real frame
        spectrum = (y / self._like("weights", y)).mT
        frames = torch.fft.irfft(spectrum, n=self.size, norm="ortho") * self._like("window", y)
        whole = torch.nn.functional.fold(
            frames.flatten(0, 1).mT, (1, self.padded), (1, self.size), stride=(1, self.hop)
        )
        x = whole.reshape(*y.shape[:2], self.padded)
        return x[..., self.before : self.before + self.in_shape[-1]]

    def _normal(self, x: Tensor) -> Tensor:
        return x

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        return b / (1 + shift)

    def norm(self, steps: int = 100) -> float:
        return 1.0


class Coloured(LinearOperator):
    """V^-1/2 STFT: what makes noise of power V(f, t) white; real waveforms -> complex bins.

    power: V, (bins, frames) or what broadcasts to it; the variance that a sample of white noise
    would have, so V = std^2 for white noise. ValueError unless positive and finite.

    The normal equations go by conjugate gradients, preconditioned by what is exact where V does
    not change over a window: STFT^H (1 / V + shift)^-1 STFT (`local`).
    """

    def __init__(self, stft: STFT, power: Tensor):
        power = torch.as_tensor(power).detach().double()
        if not (torch.isfinite(power) & (power > 0)).all():
            raise ValueError("the power of noise must be positive and finite in every bin")
        super().__init__(stft.in_shape, stft.out_shape)
        self.stft = stft
        self.power = power.expand(stft.out_shape[1:]).clone()
        self.scale = self.power.rsqrt()

    def _forward(self, x: Tensor) -> Tensor:
        return self.stft(x) * self._like("scale", x)

    def _adjoint(self, y: Tensor) -> Tensor:
        return self.stft.adjoint(y * self._like("scale", y.real))

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        return preconditioned(
            lambda x: self._normal(x) + shift * x,
            lambda x: self._filtered(x, shift, -0.5),
            b,
            what=self,
        )

    def local(self, x: Tensor, y: Tensor, variance: float | Tensor) -> Tensor:
        """STFT^H [(v Y + V X) / (v + V)], the proximal step bin by bin, without iterating.

        x: (batch, 1, length), y: (batch or 1, 1, length), the noisy waveform. variance: v, a
        number or (batch,). The proximal step itself where V is the same in every bin.
        """
        bins = _bins_of(column(variance, x) if isinstance(variance, Tensor) else variance)
        share = bins / (bins + self._like("power", x))
        return x + self.stft.adjoint(share * self.stft(y - x))

    def _filtered(self, x: Tensor, shift: float | Tensor, exponent: float) -> Tensor:
        """STFT^H (1 / V + shift)^exponent STFT x."""
        gains = (1 / self._like("power", x) + _bins_of(shift)) ** exponent
        return self.stft.adjoint(self.stft(x) * gains)


def _bins_of(shift: float | Tensor) -> float | Tensor:
    """A column of a waveform as a column of its bins; (batch, 1, 1) -> (batch, 1, 1, 1)."""
    return shift[..., None] if isinstance(shift, Tensor) else shift


def coloured(y: Tensor, power: Tensor, stft: STFT) -> Measurement:
    """y = x + noise of power V(f, t), as a measurement whose noise is white.

    y: (1, length) or (observations, 1, length), the noisy waveform. power: as of `Coloured`. Bins
    count as independent (as in Leglaive et al., ICASSP 2018), though neighbouring ones share
    samples.
    """
    operator = Coloured(stft, power)
    batch = y if y.ndim == 3 else y[None]
    return Measurement(operator(batch), operator, Gaussian(1.0))
