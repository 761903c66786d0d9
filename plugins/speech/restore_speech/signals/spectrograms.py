"""SGMSE+'s compressed spectrograms of speech: Richter et al., TASLP 2023, arXiv:2208.05830."""

from dataclasses import dataclass

import torch
from torch import Tensor

SIZE, HOP = 510, 128  # samples at 16 kHz
BINS = SIZE // 2 + 1
POWER, FACTOR = 0.5, 0.15  # alpha and beta of c = beta |X|^alpha e^(i angle X)
MULTIPLE = 64  # of frames, which the network halves six times
FLOOR = 1e-16  # of |X|^2: below any rounding, but the gradient of silence is finite


@dataclass(frozen=True)
class Spectrograms:
    """Between waveforms (..., samples) and spectrograms (..., 2, 256, frames), and exactly back.

    Real and imaginary parts of the compressed spectra of the waveform over its peak, frames
    centred, with zeros after the last up to a multiple of 64.
    """

    samples: int
    peak: float = 1.0  # of the recording
    factor: float = FACTOR  # beta

    @property
    def frames(self) -> int:
        """How many of them hold samples."""
        return 1 + self.samples // HOP

    @property
    def shape(self) -> tuple[int, int, int]:
        """(2, 256, frames), filled up."""
        return 2, BINS, self.frames + -self.frames % MULTIPLE

    def of(self, waveform: Tensor) -> Tensor:
        """(..., samples) -> (..., 2, 256, frames)."""
        mirrored = "reflect" if self.samples > SIZE // 2 else "constant"
        spectra = torch.stft(
            waveform.reshape(-1, self.samples) / self.peak, SIZE, HOP, window=_window(waveform),
            pad_mode=mirrored, return_complex=True,
        )  # fmt: skip
        parts = torch.stack([spectra.real, spectra.imag], 1)
        power = parts.square().sum(1, keepdim=True) + FLOOR
        compressed = self.factor * parts * power ** ((POWER - 1) / 2)
        filled = torch.nn.functional.pad(compressed, (0, self.shape[2] - self.frames))
        return filled.reshape(*waveform.shape[:-1], *self.shape)

    def waveform(self, spectrogram: Tensor) -> Tensor:
        """(..., 2, 256, frames) -> (..., samples); frames beyond the waveform are left out."""
        parts = spectrogram.reshape(-1, *self.shape)[..., : self.frames] / self.factor
        compressed = torch.complex(parts[:, 0], parts[:, 1])
        spectra = compressed * compressed.abs() ** (1 / POWER - 1)
        waveform = torch.istft(spectra, SIZE, HOP, window=_window(parts), length=self.samples)
        return self.peak * waveform.reshape(*spectrogram.shape[:-3], self.samples)


def _window(like: Tensor) -> Tensor:
    return torch.hann_window(SIZE, dtype=like.dtype, device=like.device)
