"""A room whose response nobody measured, found beside the speech, as filters of bands.

In each band of a short-time spectrum the recording is the speech convolved with some 60 frames of
a response (Avargel & Cohen, TASLP 2007). Both steps of an alternation have a closed form: the
response given the speech, and the speech given the response and a guess. BUDDy (Moliner et al.,
arXiv:2405.04272) is the idea of it, with responses of decaying exponentials found by gradients.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, pad

from .stft import STFT

FRAME, HOP = 512, 128  # samples at 16 kHz
TAPS = 60  # frames of a response, half a second
RIDGE = 0.01  # of the power of the speech: how much a tap is held to zero
REVERBERATION = 1.1  # s, over which that prior of the taps falls by 60 dB
DIRECT = 0.1  # of the power of the speech: how much the first tap is held to one
LOUD = 0.3  # power of the recording's, by which loud bins count less
FLOOR = 1e-3  # of the mean power, in a bin
SECOND = 16_000 / HOP  # frames
NOTHING = 1e-20  # power that stands in for none, far below any rounding of speech's
BLOCK = 512  # frames whose products are held at a time


class UnknownRoom:
    """A recording, (channels, samples) at 16 kHz, and the rooms that may explain it.

    All other signals are (batch, channels, samples); each channel has a room of its own.
    """

    def __init__(self, recording: Tensor):
        self.stft = STFT(recording.shape[1], FRAME, HOP)
        self.bins = self._bins(recording[None])[0]
        power = self.bins.abs().square()
        smooth = avg_pool2d(pad(power[None], (2, 2, 1, 1), "replicate"), (3, 5), 1)[0]
        floor = FLOOR * power.mean((1, 2), keepdim=True) + NOTHING
        self.weights = (smooth + floor) ** -LOUD

    def response(self, speech: Tensor) -> Tensor:
        """The response of each band, (batch, channels, bands, taps), were this the speech.

        The most probable one where bins hold independent noise of power |y|^0.6, taps are Gaussian
        and fall by 60 dB in 1.1 s, and the first is about 1, which settles the gain.
        """
        x = self._bins(speech)
        y, weights = (part.to(x.device).expand_as(x) for part in (self.bins, self.weights))
        each = [
            _fitted(*one) for one in zip(x.flatten(0, 1), y.flatten(0, 1), weights.flatten(0, 1))
        ]
        return torch.stack(each).unflatten(0, x.shape[:2])

    def explained(self, before: Tensor, guess: Tensor, variance: float) -> Tensor:
        """The speech that explains the recording in the room found with `before`.

        Its mean given the recording, about the guess with this variance; what `before` leaves
        unexplained in a band counts as noise.
        """
        y, response = self.bins.to(guess.device), self.response(before)
        left = y - convolved(response, self._bins(before))
        noise = left.abs().square().mean(-1, keepdim=True) + NOTHING
        power = variance * 2 * HOP / FRAME  # of white noise in a bin
        mean = deconvolved(y.expand_as(left), response, noise, self._bins(guess), power)
        return self.stft.adjoint(mean.flatten(0, 1)[:, None])[:, 0].unflatten(0, guess.shape[:2])

    def _bins(self, signals: Tensor) -> Tensor:
        """(batch, channels, samples) -> (batch, channels, bands, frames)."""
        bins = self.stft(signals.flatten(0, 1)[:, None])[:, 0]
        return bins.unflatten(0, signals.shape[:2])


def convolved(response: Tensor, x: Tensor) -> Tensor:
    """The frames of bands, (..., bands, frames), in a room of response (..., bands, taps)."""
    size = x.shape[-1] + response.shape[-1]
    product = torch.fft.fft(response, size) * torch.fft.fft(x, size)
    return torch.fft.ifft(product)[..., : x.shape[-1]]


def deconvolved(y: Tensor, response: Tensor, noise: Tensor, guess: Tensor, power: float) -> Tensor:
    """E[x | y] of bands y = response * x + noise, x about the guess with this power in each bin.

    noise: its power, (..., bands, 1); all others are (..., bands, frames or taps). Frames repeat
    after a pause as long as the response, so that it is a division of spectra along frames.
    """
    size = y.shape[-1] + response.shape[-1]
    h, seen, about = (torch.fft.fft(part, size) for part in (response, y, guess))
    both = h.conj() * seen / noise + about / power
    return torch.fft.ifft(both / (h.abs().square() / noise + 1 / power))[..., : y.shape[-1]]


def _fitted(x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """The response by which x, (bands, frames), becomes y: regularised least squares."""
    lagged = pad(x, (TAPS - 1, 0))
    products = x.new_zeros(len(x), TAPS, TAPS)
    matches = x.new_zeros(len(x), TAPS)
    for start in range(0, x.shape[1], BLOCK):
        block = slice(start, min(start + BLOCK, x.shape[1]))
        past = lagged[:, start : block.stop + TAPS - 1].unfold(1, block.stop - start, 1).flip(1)
        weighted = past.conj() * weights[:, None, block]
        products += weighted @ past.mT
        matches += (weighted @ y[:, block, None])[..., 0]
    decay = 3 * torch.log(torch.tensor(10.0)) / (REVERBERATION * SECOND)  # of amplitude, a frame
    held = RIDGE * (2 * decay * torch.arange(TAPS)).exp()
    held[0] = DIRECT
    power = (weights * x.abs().square()).sum(1) + NOTHING
    held = (power[:, None] * held.to(power)).to(x.dtype)
    matches[:, 0] += held[:, 0]
    return torch.linalg.solve(products + torch.diag_embed(held), matches)
