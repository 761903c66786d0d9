"""DnCNN, FDnCNN, FFDNet and BF-CNN: stacks of 3x3 convolutions that remove white noise.

Names as in KAIR and DPIR (Zhang et al.): `model.N.weight`, N counting convolutions, batch norms and
rectifiers. Pictures lie in 0 to 1; they may be of any size.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad, pixel_shuffle, pixel_unshuffle

from ..bf_cnn import BFCNN, TRAINED_TO
from ..parameterisations import Denoiser, from_blind, noise_map
from .family import Config, Family, Shapes, Tensors, peel, whole

GREY_STEP = 1 / 255  # below this a picture of 8 bits has no noise to speak of
NORM_EPS = 1e-4  # KAIR's batch normalisation
LEVELS = {
    "sigma_min": "lowest noise level, of pictures in 0 to 1",
    "sigma_max": "highest noise level that the network was trained for",
}


class Stack(nn.Module):
    """Convolutions with rectifiers between them; (batch, inputs, h, w) -> (batch, outputs, h, w).

    norm: batch normalisation after every convolution but the first and the last.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int, norm: bool):
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
        for _ in range(depth - 2):
            layers.append(nn.Conv2d(width, width, 3, padding=1))
            layers += [nn.BatchNorm2d(width, eps=NORM_EPS)] if norm else []
            layers.append(nn.ReLU())
        self.model = nn.Sequential(*layers, nn.Conv2d(width, outputs, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


def noise_channel(sigma: float | Tensor, x: Tensor) -> Tensor:
    """(batch, 1, height, width): sigma beside x, from a number, (batch,), or a map over x."""
    return noise_map(sigma, x).mean(1, keepdim=True)


def padded(x: Tensor, multiple: int) -> Tensor:
    """The last two axes filled up to a multiple by repeating the edge."""
    height, width = x.shape[-2:]
    return pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def _layers(shapes: Shapes) -> tuple[list[tuple[int, ...]], bool] | None:
    """Shapes of the 3x3 convolutions in their order, and whether there are batch norms."""
    own = peel(shapes, "model.0.weight")
    numbers = sorted({int(part) for name in own if (part := name.split(".")[1]).isdigit()})
    kernels = [own.get(f"model.{n}.weight", ()) for n in numbers]
    convolutions = [shape for shape in kernels if len(shape) == 4]
    if len(convolutions) < 3 or any(shape[2:] != (3, 3) for shape in convolutions):
        return None
    if not set(own) <= {f"model.{n}.{part}" for n in numbers for part in _PARTS}:
        return None
    return convolutions, any(name.endswith("running_mean") for name in own)


_PARTS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _recognise(kind: str) -> Callable[[Shapes, Mapping[str, Any]], Config | None]:
    @whole
    def recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
        found = _layers(shapes)
        if found is None:
            return None
        convolutions, norm = found
        inputs, outputs = convolutions[0][1], convolutions[-1][0]
        if kind != _kind(inputs, outputs):
            return None
        return {
            "inputs": inputs,
            "outputs": outputs,
            "width": convolutions[0][0],
            "depth": len(convolutions),
            "norm": norm,
            "sigma_min": described.get("sigma_min", GREY_STEP),
            "sigma_max": described.get("sigma_max", _TRAINED_TO[kind]),
        }

    return recognise


def _kind(inputs: int, outputs: int) -> str:
    if outputs % 4 == 0 and inputs == outputs + 1:
        return "ffdnet"
    return {0: "dncnn", 1: "fdncnn"}.get(inputs - outputs, "")


_TRAINED_TO = {"dncnn": 55 / 255, "fdncnn": 75 / 255, "ffdnet": 75 / 255}


def _build(config: Config) -> Stack:
    parts = ("inputs", "outputs", "width", "depth", "norm")
    return Stack(*(config[part] for part in parts))


def _rename(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    return peel(tensors, "model.0.weight")


def _sigmas(network: nn.Module, config: Config) -> tuple[float, float]:
    return config["sigma_min"], config["sigma_max"]


def _dncnn(network: nn.Module, config: Config) -> Denoiser:
    """D = x - f(x): the network gives the noise, and is not told how much there is."""
    return from_blind(network)


def _fdncnn(network: nn.Module, config: Config) -> Denoiser:
    """D = f(x, sigma), the noise level as one more channel of the picture."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return network(torch.cat([x, noise_channel(sigma, x)], 1))

    return denoise


def _ffdnet(network: nn.Module, config: Config) -> Denoiser:
    """D = f on the four half-size pictures of every second pixel, the noise level a channel more.

    A map of sigma is averaged over each 2x2 pixels.
    """

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        level = avg_pool2d(padded(noise_channel(sigma, x), 2), 2)
        quarters = pixel_unshuffle(padded(x, 2), 2)
        return pixel_shuffle(network(torch.cat([quarters, level], 1)), 2)[..., :height, :width]

    return denoise


def _of(kind: str, title: str, denoiser: Callable[..., Denoiser], share: int = 1) -> Family:
    return Family(
        name=kind,
        title=title,
        recognise=_recognise(kind),
        build=_build,
        rename=_rename,
        sigmas=_sigmas,
        shape=lambda config: (config["outputs"] // share, None, None),
        denoiser=denoiser,
        data_range=lambda config: (0.0, 1.0),
        describes=LEVELS,
    )


DNCNN = _of("dncnn", "DnCNN, blind (Zhang et al., TIP 2017, arXiv:1608.03981)", _dncnn)
FDNCNN = _of("fdncnn", "FDnCNN, told the noise (Zhang et al., TIP 2018, arXiv:1710.04026)", _fdncnn)
FFDNET = _of("ffdnet", "FFDNet (Zhang et al., TIP 2018, arXiv:1710.04026)", _ffdnet, share=4)


@whole
def _recognise_bf_cnn(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    own = peel(shapes, "conv_layers.0.weight")
    if "gammas.0" not in own or "running_sd.0" not in own:
        return None
    return {
        "channels": own["conv_layers.0.weight"][1],
        "width": own["conv_layers.0.weight"][0],
        "depth": sum(name.startswith("conv_layers.") for name in own),
        "sigma_min": described.get("sigma_min", 0.01),
        "sigma_max": described.get("sigma_max", TRAINED_TO),
    }


def _build_bf_cnn(config: Config) -> BFCNN:
    channels, width, depth = config["channels"], config["width"], config["depth"]
    sizes = [(width, channels), *[(width, width)] * (depth - 2), (channels, width)]
    state = {
        f"conv_layers.{i}.weight": torch.randn(a, b, 3, 3) / (3 * b**0.5)
        for i, (a, b) in enumerate(sizes)
    }
    for name in ("gammas", "running_sd"):
        state |= {f"{name}.{i}": torch.ones(1, width, 1, 1) for i in range(depth - 2)}
    return BFCNN(state)


def _rename_bf_cnn(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    """Our network holds gamma / running_sd."""
    own = peel(tensors, "conv_layers.0.weight")
    depth = config["depth"]
    kernels = {f"kernels.{i}": own[f"conv_layers.{i}.weight"] for i in range(depth)}
    scales = {f"scales.{i}": own[f"gammas.{i}"] / own[f"running_sd.{i}"] for i in range(depth - 2)}
    return kernels | scales


BF_CNN = Family(
    name="bf-cnn",
    title="BF-CNN, blind and without biases (Mohan et al., ICLR 2020, arXiv:1906.05478)",
    recognise=_recognise_bf_cnn,
    build=_build_bf_cnn,
    rename=_rename_bf_cnn,
    sigmas=_sigmas,
    shape=lambda config: (config["channels"], None, None),
    denoiser=_dncnn,
    data_range=lambda config: (0.0, 1.0),
    describes=LEVELS,
)
