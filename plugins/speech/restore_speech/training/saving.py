"""A trained speech denoiser in a folder: weights, what they are, and how well they denoise."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restore.atomic import write_text
from restore.networks.folder import save_weights, shortened
from restore.networks.prior_schema import CONFIG, WEIGHTS

from ..networks.spectral_unet import SpectralUNet

LEVELS = 24  # noise levels at which errors are measured


def save(
    folder: Path,
    network: SpectralUNet,
    errors: Mapping[float, float],
    card: Mapping[str, Any],
) -> None:
    """Write the network as float16, with its errors (sigma -> mean square) and its card."""
    folder.mkdir(parents=True, exist_ok=True)
    digest = save_weights(folder / WEIGHTS, network)
    described = {
        "format": 1,
        "network": network.config,
        "sigma_min": min(errors),
        "sigma_max": max(errors),
        "errors": shortened(errors),
        "sha256": digest,
        "card": {
            "made": date.today().isoformat(),
            "parameters": sum(p.numel() for p in network.parameters()),
            "units": "waveforms at 16 kHz, active speech of root mean square 0.05",
            **card,
        },
    }
    write_text(folder / CONFIG, json.dumps(described, indent=2) + "\n")


def denoising_errors(
    network: SpectralUNet, pairs: Sequence[tuple[Tensor, Tensor]], low: float, high: float
) -> dict[float, float]:
    """sigma -> mean square error on (noisy, clean) pairs, (1, 1, samples) each, seeded."""
    errors = {}
    for sigma in np.geomspace(low, high, LEVELS).tolist():
        generator = torch.Generator().manual_seed(0)
        found = []
        for noisy, clean in pairs:
            u = clean + sigma * torch.randn(clean.shape, generator=generator)
            with torch.no_grad():
                denoised = network(u, sigma, noisy if network.conditional else None)
            found.append((denoised - clean).square().mean().item())
        errors[sigma] = float(np.mean(found))
    return errors
