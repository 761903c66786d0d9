"""Bias-free blind denoisers, BF-CNN: Mohan et al., ICLR 2020, arXiv:1906.05478.

The checkpoints of Kadkhodaie & Simoncelli (NeurIPS 2021, arXiv:2007.13640) are state dicts of it:
3x3 convolutions without bias, and between them x / running_sd * gamma for each channel.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from ..errors import WeightsError
from ..priors.prior import Prior, isotropic
from .parameterisations import from_blind

TRAINED_TO = 0.39  # 100 / 255, the noise it saw; without biases it goes on beyond, less well
SPREAD = 0.25  # standard deviation of pictures in 0 to 1, about
FIRST = "conv_layers.0.weight"


class BFCNN(nn.Module):
    """The noise in x; (batch, channels, height, width) -> the same, for any size."""

    def __init__(self, state: dict[str, Tensor]):
        super().__init__()
        depth = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("conv_layers."))
        self.kernels = nn.ParameterList(state[f"conv_layers.{i}.weight"] for i in range(depth))
        self.scales = nn.ParameterList(
            state[f"gammas.{i}"] / state[f"running_sd.{i}"] for i in range(depth - 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *middle, last = self.kernels
        x = torch.relu(nn.functional.conv2d(x, first, padding="same"))
        for kernel, scale in zip(middle, self.scales, strict=True):
            x = torch.relu(nn.functional.conv2d(x, kernel, padding="same") * scale)
        return nn.functional.conv2d(x, last, padding="same")


def load_bf_cnn(path: str | Path, device: str = "cpu") -> Prior:
    """The prior of a checkpoint, grey pictures in 0 to 1. WeightsError for any other file."""
    from .importing.reading.checkpoint import read_checkpoint

    state = dict(read_checkpoint(Path(path)).sets[0].weights)
    try:
        if FIRST not in state:
            raise KeyError(FIRST)
        network = BFCNN(state)
    except (KeyError, ValueError, IndexError, TypeError, RuntimeError) as error:
        words = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise WeightsError(f"{path} is no BF-CNN checkpoint: {words}") from None
    network.requires_grad_(False).eval().to(device)
    channels = network.kernels[0].shape[1]
    return Prior(
        from_blind(network),
        (channels, None, None),
        sigma_min=0.01,
        sigma_max=TRAINED_TO,
        mean=0.5,
        variance=isotropic(SPREAD),
        card={"name": Path(path).stem, "kind": "bf-cnn", "trained to sigma": TRAINED_TO},
        network=network,
        footprint=4.0 * 2 * 64 * len(network.kernels) / channels,
    )
