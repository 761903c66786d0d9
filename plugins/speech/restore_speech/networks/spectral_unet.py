"""A denoiser of waveforms that works on their spectrogram, and may be told a noisy recording.

The state is the waveform, as in BUDDy (Moliner et al., arXiv:2405.04272): every physical operator
stays linear in it. Inside, a U-Net of plain convolutions on the folded spectrogram gives each bin a
complex factor (Williamson et al. 2016, the complex ratio mask) and something to be added to it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from restore.networks.unets.folded_unet import fold, unfold
from restore.networks.unets.unet import (
    add_levels,
    convolution,
    pad_to_multiple,
    through_levels,
)

SIGMA_DATA = 0.05  # root mean square of the speech that the network sees
WINDOW, HOP = 510, 255  # samples; 256 bins, a frame every 16 ms at 16 kHz: a tight frame
POSITIONS = 4  # channels that tell a bin its frequency
TOLD = 2  # channels that tell the noise level, and whether reverberation is to go


class SpectralUNet(nn.Module):
    """D(u, sigma) of clean speech, or D(u, sigma | noisy) where conditional; waveforms at 16 kHz.

    u, noisy: (batch, 1, samples), speech of root mean square 0.05; sigma (batch,), in its units.
    widths: channels of the U-Net's levels, from the finest; blocks: residual blocks a level.
    """

    def __init__(
        self,
        *,
        conditional: bool,
        widths: Sequence[int] = (32, 64, 128, 192, 192),
        blocks: int = 1,
    ):
        super().__init__()
        self.config = {"conditional": conditional, "widths": list(widths), "blocks": blocks}
        self.conditional = conditional
        self.sources = 2 if conditional else 1
        self.multiple = 2 * 2 ** (len(widths) - 1)  # sizes are padded to a multiple of this
        self.register_buffer("window", torch.hann_window(WINDOW).sqrt(), persistent=False)
        self.head = convolution(2, 4 * 3 * self.sources + POSITIONS + TOLD, widths[0])
        add_levels(self, widths, blocks, 2)
        self.tail = convolution(2, widths[0], 4 * 2 * (self.sources + 1))
        nn.init.zeros_(self.tail.weight)

    def forward(
        self,
        u: Tensor,
        sigma: float | Tensor,
        noisy: Tensor | None = None,
        dry: bool | Tensor = False,
    ) -> Tensor:
        """The denoised waveforms, (batch, 1, samples).

        noisy: the recording, where the network is conditional, and only there (ValueError); dry:
        whether its reverberation is to go, too, or (batch,) of that.
        """
        if self.conditional == (noisy is None):
            raise ValueError("a conditional network is told a noisy recording, another is not")
        s, dry = (per_signal(value, u) for value in (sigma, dry))
        total = (s**2 + SIGMA_DATA**2).sqrt()
        seen = [u / total] if noisy is None else [noisy.expand_as(u) / SIGMA_DATA, u / total]
        spectra = torch.stack([self.spectrum(x[:, 0]) for x in seen], 1)
        factors = self._factors(spectra, s, dry)
        change = (factors[:, :-1] * spectra).sum(1) + factors[:, -1]
        change = self.waveform(change, u.shape[-1])[:, None]
        return SIGMA_DATA**2 / total**2 * u + s * SIGMA_DATA / total * change

    def _factors(self, spectra: Tensor, s: Tensor, dry: Tensor) -> Tensor:
        """For each source a complex factor of every bin, and last what is added to each bin."""
        bins, frames = spectra.shape[2:]
        x = features(spectra, self._trust(s))
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        x = fold(pad_to_multiple(x, self.multiple))
        x = torch.cat([x, self._told(x, s, dry)], 1)
        x = x.contiguous(memory_format=torch.channels_last)
        x = through_levels(self, self.head(x))
        x = unfold(self.tail(x))[..., :bins, :frames].float()
        return torch.complex(*x.unflatten(1, (2, -1)).unbind(1))

    def _trust(self, s: Tensor) -> Tensor:
        """How much of each source is speech: all of a recording, EDM's root of c_skip of u."""
        trust = SIGMA_DATA / (s**2 + SIGMA_DATA**2).sqrt()
        whole = trust.new_ones(len(trust), self.sources - 1, 1)
        return torch.cat([whole, trust], 1)[..., None]

    def _told(self, x: Tensor, s: Tensor, dry: Tensor) -> Tensor:
        """What every bin is told: the noise level, whether to remove the room, its frequency."""
        level = (s / SIGMA_DATA).log()[..., None] / 4
        at = torch.linspace(0, 1, x.shape[2], device=x.device, dtype=x.dtype)
        places = torch.stack([torch.ones_like(at), at, (3 * at).cos(), (9 * at).cos()])
        places = places[None, :, :, None].expand(len(x), -1, -1, x.shape[3])
        told = torch.cat([level, dry[..., None]], 1).to(x.dtype)
        return torch.cat([places, told.expand(-1, -1, *x.shape[2:])], 1)

    def spectrum(self, x: Tensor) -> Tensor:
        """(batch, samples) -> (batch, bins, frames) complex; white noise keeps its level."""
        x = pad(x, (0, -x.shape[-1] % HOP))
        x = torch.stft(
            x, WINDOW, HOP, window=self.window.to(x.dtype), pad_mode="constant", return_complex=True
        )
        return x / self.window.square().sum().sqrt()

    def waveform(self, spectrum: Tensor, samples: int) -> Tensor:
        """The inverse of spectrum; (batch, samples)."""
        whole = samples + -samples % HOP
        x = spectrum * self.window.square().sum().sqrt()
        return torch.istft(x, WINDOW, HOP, window=self.window, length=whole)[..., :samples]


def features(spectra: Tensor, trust: Tensor) -> Tensor:
    """(batch, sources, bins, frames) -> (batch, 3 sources, ...): compressed parts and modulus.

    trust: (batch, sources, 1, 1), by which a source's are multiplied: noise alone is not looked at.
    """
    power = spectra.real**2 + spectra.imag**2 + 1e-8
    root = power**-0.25  # |X|^0.5 exp(i angle) without an angle: smooth where there is silence
    parts = [spectra.real * root, spectra.imag * root, power.log() / 8]
    return torch.cat([trust * part for part in parts], 1)


def per_signal(value: float | bool | Tensor, signals: Tensor) -> Tensor:
    """A number, or one for each of the signals, as (batch, 1, 1) of their kind."""
    value = torch.as_tensor(value, dtype=signals.dtype, device=signals.device)
    return value.reshape(-1, 1, 1).expand(len(signals), 1, 1)
