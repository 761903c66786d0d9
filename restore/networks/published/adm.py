"""ADM, OpenAI's guided diffusion: Dhariwal & Nichol, NeurIPS 2021, arXiv:2105.05233.

Names as in openai/guided-diffusion; the FFHQ network of DPS (Chung et al., ICLR 2023) is of this
kind. eps-prediction on a variance-preserving schedule of 1000 steps; pictures in -1 to 1.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..parameterisations import Denoiser, from_eps
from .family import Config, Family, Shapes, Tensors, peel, whole
from .layers.openai_unet import UNet
from .layers.vp_table import SCHEDULES, label_of

FIRST = "input_blocks.0.0.weight"
# What the shapes of the published networks do not tell. Keyed by: features of the time, widths over
# these, blocks of each level, levels with attention, labelled
PUBLISHED: dict[tuple, dict[str, Any]] = {
    (128, (1, 1, 2, 2, 4, 4), 1, (4,), False): {"size": 256, "head_channels": 64},
    (256, (1, 1, 2, 2, 4, 4), 2, (3, 4, 5), False): {"size": 256, "head_channels": 64},
    (256, (1, 1, 2, 2, 4, 4), 2, (3, 4, 5), True): {"size": 256, "head_channels": 64},
    (256, (0.5, 1, 1, 2, 2, 4, 4), 2, (4, 5, 6), True): {"size": 512, "head_channels": 64},
    (256, (0.5, 1, 1, 2, 2, 4, 4), 2, (4, 5, 6), False): {"size": 512, "head_channels": 64},
    (256, (1, 1, 2, 3, 4), 2, (2, 3, 4), True): {"size": 128, "heads": 4},
    (192, (1, 2, 3, 4), 3, (1, 2, 3), True): {
        "size": 64, "head_channels": 64, "new_order": True, "schedule": "cosine",
    },
}  # fmt: skip
DESCRIBES = {
    "heads": "number of attention heads of every level",
    "head_channels": "channels of one attention head, where their number is not fixed",
    "new_order": "true where use_new_attention_order was",
    "schedule": f"noise schedule of 1000 steps: {', '.join(SCHEDULES)}",
    "size": "height and width of the pictures it was trained on",
    "rounded": "true to call it at whole steps only, as in training",
}


def structure(own: Shapes) -> Config:
    """The arguments of the U-Net that its names and shapes tell: all but those of attention."""
    blocks = _blocks(own)
    levels = 1 + max(int(name.split(".")[1]) for name in own if name.startswith("output_blocks."))
    levels //= blocks + 1
    starts = [1 + level * (blocks + 1) for level in range(levels)]
    embedded = own["input_blocks.1.0.emb_layers.1.weight"][0]
    widths = [own[f"input_blocks.{i}.0.out_layers.3.weight"][0] for i in starts]
    tokens = "middle_block.1.transformer_blocks"
    return {
        "inputs": own[FIRST][1],
        "outputs": own["out.2.weight"][0],
        "width": own["time_embed.0.weight"][1],
        "widths": widths,
        "blocks": blocks,
        "attention": [k for k, i in enumerate(starts) if f"input_blocks.{i}.1.norm.weight" in own],
        "updown": levels > 1 and f"input_blocks.{blocks + 1}.0.in_layers.0.weight" in own,
        "scale_shift": embedded == 2 * widths[0],
        "classes": own["label_emb.weight"][0] if "label_emb.weight" in own else None,
        "context": own.get(f"{tokens}.0.attn2.to_k.weight", (0, None))[1],
        "depth": len({n.split(".")[3] for n in own if n.startswith(tokens + ".")}) or 1,
    }


def _blocks(own: Shapes) -> int:
    """Residual blocks of a level: on the way up there is one more before the first enlargement."""
    ups = []
    for name in own:
        room, index, layer, part, *_ = [*name.split("."), "", "", ""]
        if room == "output_blocks" and layer != "0" and part in ("conv", "in_layers"):
            ups.append(int(index))
    last = max(int(name.split(".")[1]) for name in own if name.startswith("output_blocks."))
    return min(ups, default=last)


@whole
def _recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    if any("diffusion_model." in name or "transformer_blocks" in name for name in shapes):
        return None
    own = peel(shapes, FIRST)
    if not {"time_embed.0.weight", "middle_block.1.qkv.weight", "out.2.weight"} <= own.keys():
        return None
    config = structure(own)
    channels = config["inputs"]
    if config["outputs"] not in (channels, 2 * channels):
        raise ValueError(
            f"this ADM takes {channels} channels and gives {config['outputs']}: an enlarger of"
            " pictures is no prior of them"
        )
    known = PUBLISHED.get(_key(config), {}) if config["updown"] and config["scale_shift"] else {}
    config |= {name: known.get(name) for name in ("heads", "head_channels", "size")}
    config |= {"new_order": known.get("new_order", False), "rounded": False}
    config |= {"schedule": known.get("schedule", "linear")}
    config |= {name: described[name] for name in DESCRIBES if name in described}
    return _checked(config)


def _key(config: Config) -> tuple:
    ratios = tuple(width / config["width"] for width in config["widths"])
    labelled = config["classes"] == 1000
    return config["width"], ratios, config["blocks"], tuple(config["attention"]), labelled


def _checked(config: Config) -> Config:
    if not config["heads"] and not config["head_channels"]:
        raise ValueError(
            "shapes do not tell the attention heads of this ADM, and it is none of the published:"
            " say heads or head_channels in the description"
        )
    if config["schedule"] not in SCHEDULES:
        known = ", ".join(SCHEDULES)
        raise ValueError(f"no schedule is called '{config['schedule']}'; known: {known}")
    return config


def _build(config: Config) -> UNet:
    apart = ("inputs", "outputs", "size", "schedule", "rounded")
    options = {name: value for name, value in config.items() if name not in apart}
    return UNet(config["inputs"], config["outputs"], **options)


def _rename(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    return peel(tensors, FIRST)


def _sigmas(network: nn.Module, config: Config) -> tuple[float, float]:
    table = SCHEDULES[config["schedule"]]()
    return table[0].item(), table[-1].item()


def _denoiser(network: nn.Module, config: Config, *, label: int | Tensor | None = None) -> Denoiser:
    """D = x - sigma eps(x / sqrt(1 + sigma^2), t(sigma)); a learned variance is left aside.

    Below the schedule's first level t stays at 0 and sigma is the true one. label: the class, one
    for all or (batch,), for a network of classes and only for it.
    """
    channels = config["inputs"]
    if (label is None) != (config["classes"] is None):
        given = "none was given" if label is None else "one was given"
        raise ValueError(f"a label is for a network of classes, and needed there; {given}")

    def eps(x: Tensor, time: Tensor) -> Tensor:
        if label is None:
            return network(x, time)[:, :channels]
        labels = torch.as_tensor(label, device=x.device).expand(len(x))
        return network(x, time, labels)[:, :channels]

    table = SCHEDULES[config["schedule"]]()
    return from_eps(eps, label_of(table, rounded=config["rounded"]))


ADM = Family(
    name="adm",
    title="ADM, OpenAI guided diffusion (Dhariwal & Nichol, NeurIPS 2021, arXiv:2105.05233)",
    recognise=_recognise,
    build=_build,
    rename=_rename,
    sigmas=_sigmas,
    shape=lambda config: (config["inputs"], config["size"], config["size"]),
    denoiser=_denoiser,
    conditions=lambda config: () if config["classes"] is None else ("label",),
    describes=DESCRIBES,
)
