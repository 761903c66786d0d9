"""A network becomes a denoiser D(x, sigma), converted once, at the border."""

from .parameterisations import from_blind, from_edm, from_eps, from_flow, from_v, from_x0
from .unet import UNet, begin_from

__all__ = [
    "UNet",
    "begin_from",
    "from_blind",
    "from_edm",
    "from_eps",
    "from_flow",
    "from_v",
    "from_x0",
]
