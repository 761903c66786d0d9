"""DRUNet: Zhang et al., TPAMI 2021, arXiv:2008.13751, with the names of KAIR and DPIR."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..parameterisations import Denoiser
from .family import Config, Family, Shapes, Tensors, count, peel, whole
from .small_denoisers import GREY_STEP, LEVELS, noise_channel, padded

TRAINED_TO = 50 / 255
LEVELS_DOWN = 3


class Residual(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int):
        super().__init__()
        self.res = nn.Sequential(_conv(width, width), nn.ReLU(), _conv(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.res(x)


class DRUNet(nn.Module):
    """A U-Net without biases, additive skips; (batch, inputs, h, w) -> (batch, outputs, h, w).

    h and w are multiples of 8. widths: the channels of the four levels.
    """

    def __init__(self, inputs: int, outputs: int, widths: list[int], blocks: int):
        super().__init__()

        def level(width: int) -> list[nn.Module]:
            return [Residual(width) for _ in range(blocks)]

        self.m_head = _conv(inputs, widths[0])
        for i in range(1, LEVELS_DOWN + 1):
            above, below = widths[i - 1], widths[i]
            down = nn.Conv2d(above, below, 2, stride=2, bias=False)
            up = nn.ConvTranspose2d(below, above, 2, stride=2, bias=False)
            setattr(self, f"m_down{i}", nn.Sequential(*level(above), down))
            setattr(self, f"m_up{i}", nn.Sequential(up, *level(above)))
        self.m_body = nn.Sequential(*level(widths[-1]))
        self.m_tail = _conv(widths[0], outputs)

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.m_head(x)]
        for i in range(1, LEVELS_DOWN + 1):
            skips.append(getattr(self, f"m_down{i}")(skips[-1]))
        x = self.m_body(skips[-1])
        for i in range(LEVELS_DOWN, 0, -1):
            x = getattr(self, f"m_up{i}")(x + skips.pop())
        return self.m_tail(x + skips.pop())


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)


@whole
def _recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    own = peel(shapes, "m_head.weight")
    if "m_body.0.res.0.weight" not in own or "m_tail.weight" not in own:
        return None
    inputs, outputs = own["m_head.weight"][1], own["m_tail.weight"][0]
    if inputs != outputs + 1:
        raise ValueError(
            f"this DRUNet takes {inputs} channels and gives {outputs}: only those that are told"
            " the noise in one channel more are known"
        )
    widths = [own["m_head.weight"][0]]
    widths += [own[f"m_up{i}.0.weight"][0] for i in range(1, LEVELS_DOWN + 1)]
    return {
        "inputs": inputs,
        "outputs": outputs,
        "widths": widths,
        "blocks": count(own, "m_body."),
        "sigma_min": described.get("sigma_min", GREY_STEP),
        "sigma_max": described.get("sigma_max", TRAINED_TO),
    }


def _build(config: Config) -> DRUNet:
    return DRUNet(config["inputs"], config["outputs"], config["widths"], config["blocks"])


def _rename(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    return peel(tensors, "m_head.weight")


def _denoiser(network: nn.Module, config: Config) -> Denoiser:
    """D = f(x, sigma), the noise level (a number, (batch,) or a map) as one more channel."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        told = torch.cat([x, noise_channel(sigma, x)], 1)
        return network(padded(told, 2**LEVELS_DOWN))[..., :height, :width]

    return denoise


DRUNET = Family(
    name="drunet",
    title="DRUNet (Zhang et al., TPAMI 2021, arXiv:2008.13751)",
    recognise=_recognise,
    build=_build,
    rename=_rename,
    sigmas=lambda network, config: (config["sigma_min"], config["sigma_max"]),
    shape=lambda config: (config["outputs"], None, None),
    denoiser=_denoiser,
    data_range=lambda config: (0.0, 1.0),
    describes=LEVELS,
)
