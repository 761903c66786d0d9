"""What a speech denoiser is trained to make small."""

import torch
from torch import Tensor

from ..networks.spectral_unet import SIGMA_DATA

COMPRESSION = 0.3  # of the modulus: quiet sounds count nearly as much as loud ones


def compressed(spectrum: Tensor) -> Tensor:
    """|X|^0.3 exp(i angle), in units of speech of root mean square 0.05; smooth at zero."""
    spectrum = spectrum / SIGMA_DATA
    power = spectrum.real**2 + spectrum.imag**2 + 1e-5
    return spectrum * power ** ((COMPRESSION - 1) / 2)


def spectral_error(estimate: Tensor, clean: Tensor) -> Tensor:
    """Squared differences of compressed spectra, parts and moduli, a mean for each signal.

    estimate, clean: (batch, bins, frames), complex. The weights are those of the loss of GTCRN
    (Rong et al., ICASSP 2024): 0.3 for the parts, 0.7 for the modulus.
    """
    mine, theirs = compressed(estimate), compressed(clean)
    parts = torch.view_as_real(mine - theirs).square().sum(-1).mean((-1, -2))
    moduli = (mine.abs() - theirs.abs()).square().mean((-1, -2))
    return 0.3 * parts + 0.7 * moduli


def log_error(estimate: Tensor, clean: Tensor, sources: Tensor) -> Tensor:
    """ln of the squared error's share of the recording's power, for each; (batch,)."""
    error = (estimate - clean).square().mean((-1, -2))
    return (error / sources.square().mean((-1, -2)).clamp_min(1e-8) + 1e-4).log()
