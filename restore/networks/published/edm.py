"""EDM: Karras et al., NeurIPS 2022, arXiv:2206.00364; the networks of its release.

Names as in NVlabs/edm, under "model." or bare. The release's pickles hold code and are not read:
its weights are taken as safetensors. Pictures lie in -1 to 1. Which preconditioning a network was
trained with stands in no shape: edm in the files "edm-...", vp or ve in "baseline-...".
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from ..parameterisations import Denoiser, from_edm, from_eps
from .family import Config, Family, Shapes, Tensors, peel, whole
from .layers.edm_unet import EDMUNet
from .layers.vp_table import continuous_label, continuous_range

MARKER = "map_layer0.weight"
KINDS = ("edm", "vp", "ve", "iddpm")
RANGES = {"edm": (0.002, 80.0), "ve": (0.02, 100.0)}  # table 1
STEPS = 1000  # of iddpm
DESCRIBES = {
    "preconditioning": f"how it was trained, one of {', '.join(KINDS)}: edm in the files edm-...,"
    " vp or ve in baseline-...",
    "sigma_data": "standard deviation of the pictures that edm assumed, 0.5",
}


@whole
def _recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    own = peel(shapes, MARKER)
    sides = {
        int(name.split(".")[1].split("x")[0]) for name in own if name.startswith("enc.")
        and name.endswith("_conv.weight")
    }  # fmt: skip
    if len(sides) != 1 or "map_layer1.weight" not in own:
        return None
    buffered = any(name == "u" or name.endswith(".u") for name in shapes)
    kind = described.get("preconditioning", "iddpm" if buffered else None)
    if kind not in KINDS:
        met = "shapes do not tell" if kind is None else f"there is no '{kind}' among"
        raise ValueError(
            f"{met} the preconditionings of EDM: say preconditioning in the description,"
            f" one of {', '.join(KINDS)}"
        )
    if kind == "iddpm" and not buffered:
        raise ValueError("a network of iddpm has its noise levels as 'u', which is not there")
    return {
        "unet": _structure(own, sides.pop()),
        "preconditioning": kind,
        "sigma_data": described.get("sigma_data", 0.5),
    }


def _structure(own: Shapes, size: int) -> Config:
    """The arguments of EDMUNet, read from the names and shapes of its parts."""
    sides = sorted(
        {int(n.split(".")[1].split("x")[0]) for n in own if n.startswith("enc.")}, reverse=True
    )
    song = "out_norm.weight" not in own
    finest, second = f"{size}x{size}", f"{size // 2}x{size // 2}"
    last = f"dec.{finest}_aux_conv.weight" if song else "out_conv.weight"
    filters = [shape for name, shape in own.items() if name.endswith("resample_filter")]
    embedding, width = own[MARKER]
    entries = [f"enc.{second}_aux_{kind}.weight" for kind in ("residual", "skip")]
    encoder = next((e.split("_aux_")[1][:-7] for e in entries if e in own), "standard")
    return {
        "inputs": own[f"enc.{finest}_conv.weight"][1],
        "outputs": own[last][0],
        "size": size,
        "width": width,
        "embedding": embedding,
        "first": own[f"enc.{finest}_conv.weight"][0],
        "widths": [own[f"enc.{s}x{s}_block0.conv1.weight"][0] for s in sides],
        "blocks": len({n.split(".")[1] for n in own if n.startswith(f"enc.{finest}_block")}),
        "attention": [s for s in sides if f"enc.{s}x{s}_block0.qkv.weight" in own],
        "song": song,
        "fourier": "map_noise.freqs" in own,
        "encoder": encoder,
        "decoder": "skip" if f"dec.{second}_aux_norm.weight" in own else "standard",
        "taps": [1, 3, 3, 1] if any(shape[-1] == 4 for shape in filters) else [1, 1],
        "labels": own.get("map_label.weight", (0, 0))[1],
        "augment": own.get("map_augment.weight", (0, 0))[1],
    }


class Preconditioned(nn.Module):
    """The network as the release wraps it: `model`, and with iddpm the noise levels `u`."""

    def __init__(self, config: Config):
        super().__init__()
        unet = dict(config["unet"])
        self.model = EDMUNet(unet.pop("inputs"), unet.pop("outputs"), **unet)
        if config["preconditioning"] == "iddpm":
            self.register_buffer("u", torch.linspace(1, 0, STEPS + 1))


def _rename(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    own = {f"model.{name}": value for name, value in peel(tensors, MARKER).items() if name != "u"}
    levels = [value for name, value in tensors.items() if name == "u" or name.endswith(".u")]
    return own | ({"u": levels[0]} if config["preconditioning"] == "iddpm" else {})


def _sigmas(network: nn.Module, config: Config) -> tuple[float, float]:
    kind = config["preconditioning"]
    if kind == "iddpm":
        return network.u[-2].item(), network.u[0].item()
    if kind == "vp":
        return continuous_range()
    return RANGES[kind]


def _denoiser(network: nn.Module, config: Config, *, label: int | Tensor | None = None) -> Denoiser:
    """D of table 1. label: the class, for a network of labels and only for it."""
    labels, channels = config["unet"]["labels"], config["unet"]["inputs"]
    if (label is None) != (labels == 0):
        given = "none was given" if label is None else "one was given"
        raise ValueError(f"a label is for a network of labels, and needed there; {given}")

    def model(x: Tensor, noise: Tensor) -> Tensor:
        classes = None
        if label is not None:
            index = torch.as_tensor(label, device=x.device).expand(len(x))
            classes = one_hot(index.long(), labels).to(x.dtype)
        return network.model(x, noise, classes)[:, :channels]

    kind = config["preconditioning"]
    if kind == "edm":
        return from_edm(model, sigma_data=config["sigma_data"])
    if kind == "ve":
        return _from_ve(model)
    return from_eps(
        model, continuous_label if kind == "vp" else lambda sigma: _step(network.u, sigma)
    )


def _from_ve(model) -> Denoiser:
    """D = x + sigma F(x, ln(sigma / 2))."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        return x + sigma.reshape(-1, *(1,) * (x.ndim - 1)) * model(x, (sigma / 2).log())

    return denoise


def _step(levels: Tensor, sigma: Tensor) -> Tensor:
    """The number, from the lowest, of the level that is nearest to sigma."""
    nearest = (levels.to(sigma) - sigma[:, None]).abs().argmin(1)
    return (len(levels) - 2 - nearest).to(sigma.dtype)


EDM = Family(
    name="edm",
    title="EDM's DDPM++, NCSN++ and ADM (Karras et al., NeurIPS 2022, arXiv:2206.00364)",
    recognise=_recognise,
    build=Preconditioned,
    rename=_rename,
    sigmas=_sigmas,
    shape=lambda config: tuple(config["unet"][part] for part in ("inputs", "size", "size")),
    denoiser=_denoiser,
    conditions=lambda config: ("label",) if config["unet"]["labels"] else (),
    describes=DESCRIBES,
)
