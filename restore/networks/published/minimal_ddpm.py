"""Minimal DDPMs, whose schedule stands among their weights: Ho et al., NeurIPS 2020.

Names as in cloneofsimo/minDiffusion (MIT): `eps_model.conv.N.0` convolutions with batch norms
`eps_model.conv.N.1`, and buffers `alphabar_t`, ... of steps 0 to T. The network is not told the
step. Pictures lie in -0.5 to 0.5; their size no shape tells, though the network works at one only.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..parameterisations import Denoiser, from_eps
from .family import Config, Family, Shapes, Tensors, count, peel, whole
from .layers.vp_table import label_of

MARKER = "eps_model.conv.0.0.weight"
BUFFERS = (
    "alpha_t", "oneover_sqrta", "sqrt_beta_t", "alphabar_t", "sqrtab", "sqrtmab",
    "mab_over_sqrtmab",
)  # fmt: skip


class MinimalDDPM(nn.Module):
    """eps(x, step): (batch, channels, h, w) -> the same, for any size; the step is not looked at.

    widths: channels after each convolution but the last; kernels: the sides of all of them.
    """

    def __init__(self, channels: int, widths: list[int], kernels: list[int], steps: int):
        super().__init__()
        blocks: list[nn.Module] = []
        for inputs, outputs, side in zip([channels, *widths], widths, kernels, strict=False):
            layers = [_conv(inputs, outputs, side), nn.BatchNorm2d(outputs), nn.LeakyReLU()]
            blocks.append(nn.Sequential(*layers))
        self.eps_model = nn.Module()
        self.eps_model.conv = nn.Sequential(*blocks, _conv(widths[-1], channels, kernels[-1]))
        for name in BUFFERS:
            self.register_buffer(name, torch.ones(steps + 1))

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        return self.eps_model.conv(x)

    def table(self) -> Tensor:
        """sigma of steps 1 to T, rising; (T,), float64."""
        return (1 / self.alphabar_t[1:].double().cpu() - 1).sqrt()


def _conv(inputs: int, outputs: int, side: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, side, padding=side // 2)


@whole
def _recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    own = peel(shapes, MARKER)
    depth = count(own, "eps_model.conv.")
    if "alphabar_t" not in own or f"eps_model.conv.{depth - 1}.weight" not in own:
        return None
    kernels = [own[f"eps_model.conv.{i}.0.weight"] for i in range(depth - 1)]
    kernels.append(own[f"eps_model.conv.{depth - 1}.weight"])
    return {
        "channels": kernels[0][1],
        "widths": [kernel[0] for kernel in kernels[:-1]],
        "kernels": [kernel[2] for kernel in kernels],
        "steps": own["alphabar_t"][0] - 1,
        "size": described.get("size"),
    }


def _build(config: Config) -> MinimalDDPM:
    parts = ("channels", "widths", "kernels", "steps")
    return MinimalDDPM(*(config[part] for part in parts))


def _rename(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    return peel(tensors, MARKER)


def _sigmas(network: MinimalDDPM, config: Config) -> tuple[float, float]:
    table = network.table()
    return table[0].item(), table[-1].item()


def _denoiser(network: MinimalDDPM, config: Config) -> Denoiser:
    """D = x - sigma eps(x / sqrt(1 + sigma^2), t / T), the step t of the network's own table."""
    step = label_of(network.table())
    return from_eps(network, lambda sigma: (step(sigma) + 1) / config["steps"])


MINIMAL_DDPM = Family(
    name="minimal-ddpm",
    title="a minimal DDPM with its schedule among its weights (cloneofsimo/minDiffusion)",
    recognise=_recognise,
    build=_build,
    rename=_rename,
    sigmas=_sigmas,
    shape=lambda config: (config["channels"], config["size"], config["size"]),
    denoiser=_denoiser,
    data_range=lambda config: (-0.5, 0.5),
    describes={"size": "height and width of the pictures it was trained on"},
)
