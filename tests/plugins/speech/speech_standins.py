"""Priors known in closed form in place of networks, and recordings to try them on."""

import numpy as np
import soundfile
import torch
from torch import Tensor, nn

from restore import Prior

SPEECH, NOISE = 0.05, 0.03  # standard deviations of the white signal and noise that are known
RATE = 16_000


class WhiteEnhancer(nn.Module):
    """E[x | x + sigma n = u, x + NOISE m = noisy] for white x: a weighted mean."""

    def __init__(self):
        super().__init__()
        self.calls, self.longest = 0, 0

    def forward(self, u: Tensor, sigma: float | Tensor, noisy: Tensor, dry: bool) -> Tensor:
        assert u.shape == noisy.shape and u.shape[1] == 1
        self.calls, self.longest = self.calls + 1, max(self.longest, u.shape[-1])
        sigma = torch.as_tensor(sigma, dtype=u.dtype)
        sigma = sigma.reshape(-1, 1, 1) if sigma.ndim else sigma
        precision = SPEECH**-2 + NOISE**-2 + sigma**-2
        return (noisy / NOISE**2 + u / sigma**2) / precision


def enhancer() -> Prior:
    """What `speech-enhance` is to the recipes."""
    network = WhiteEnhancer()
    return Prior(
        lambda u, sigma: u * SPEECH**2 / (SPEECH**2 + torch.as_tensor(sigma) ** 2),
        shape=(1, None),
        sigma_min=1e-3,
        sigma_max=1e3,  # where one call forgets the noise to 1e-6
        variance=lambda sigma: SPEECH**2 * sigma**2 / (SPEECH**2 + sigma**2),
        card={"name": "speech-enhance"},
        network=network,
        offers=frozenset({"a noisy recording"}),
    )


def white_speech() -> Prior:
    """What `speech` is to the recipes: white, of the models' level."""
    return Prior(
        lambda u, sigma: u * SPEECH**2 / (SPEECH**2 + torch.as_tensor(sigma) ** 2),
        shape=(1, None),
        sigma_min=1e-3,
        sigma_max=2.0,
        variance=lambda sigma: SPEECH**2 * sigma**2 / (SPEECH**2 + sigma**2),
        card={"name": "speech"},
    )


def load_prior(name: str, **conditions) -> Prior:
    """In place of the engine's own."""
    return {"speech-enhance": enhancer, "speech": white_speech}[name]()


def syllables(seconds: float = 1.0, rate: int = RATE, channels: int = 1, seed: int = 0) -> Tensor:
    """Harmonic bursts with pauses between them, something like speech; (channels, samples)."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    envelope = np.clip(np.sin(2 * np.pi * 2.5 * t), 0, None)
    voices = []
    for _ in range(channels):
        pitch = 110 + 20 * rng.random()
        tone = sum(np.sin(2 * np.pi * pitch * k * t + rng.random() * 6) / k for k in range(1, 25))
        voices.append(0.1 * envelope * tone + 0.002 * rng.standard_normal(len(t)))
    return torch.from_numpy(np.stack(voices)).float()


def save(path, signal: Tensor, rate: int = RATE, subtype: str = "PCM_16", **more):
    """A file of (channels, samples)."""
    soundfile.write(path, signal.T.numpy(), rate, subtype, **more)
    return path
