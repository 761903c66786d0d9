"""A trained speech denoiser in a folder: weights, what they are, and how well they denoise."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from restore.atomic import atomic_path, write_text

from ..networks.spectral_unet import SpectralUNet
from ..priors import CONFIG, VALUES

LEVELS = 24  # noise levels at which errors are measured


def save(
    folder: Path,
    network: SpectralUNet,
    errors: Mapping[float, float],
    card: Mapping[str, Any],
) -> None:
    """Write the network as float16, with its errors (sigma -> mean square) and its card."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {n: v.detach().half().contiguous() for n, v in network.state_dict().items()}
    with atomic_path(folder / VALUES) as partial:
        save_file(weights, partial)
        digest = hashlib.sha256(partial.read_bytes()).hexdigest()
    described = {
        "format": 1,
        "network": network.config,
        "sigma_min": min(errors),
        "sigma_max": max(errors),
        "errors": {f"{sigma:.6g}": float(f"{error:.6g}") for sigma, error in errors.items()},
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
