"""A network becomes a denoiser D(x, sigma), converted once, at the border."""

from .parameterisations import from_blind, from_edm, from_eps, from_flow, from_v, from_x0
from .unet import UNet

__all__ = ["UNet", "from_blind", "from_edm", "from_eps", "from_flow", "from_v", "from_x0"]
