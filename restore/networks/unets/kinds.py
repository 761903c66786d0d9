"""The networks that restore trains itself, by the name that stands in prior.json."""

from torch import nn

from ..parameterisations import Denoiser, from_edm, from_edm_bands, from_edm_map
from .folded_unet import FoldedUNet
from .unet import UNet

KINDS: dict[str, type[UNet | FoldedUNet]] = {"unet": UNet, "folded-unet": FoldedUNet}


def kind_of(network: nn.Module) -> str:
    """The name under which a network's class is known."""
    return next(name for name, kind in KINDS.items() if isinstance(network, kind))


def preconditioned(network: nn.Module, *, sigma_data: float, mean: float) -> Denoiser:
    """The denoiser of a network of ours, told the noise as it was made for."""
    convert = {"scalar": from_edm, "map": from_edm_map, "bands": from_edm_bands}[network.told]
    return convert(network, sigma_data=sigma_data, mean=mean)
