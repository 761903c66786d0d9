"""Latent diffusion: Rombach et al., CVPR 2022, arXiv:2112.10752; stable diffusion 1 and 2.

Names as in the checkpoints of CompVis and Stability: `model.diffusion_model.`, averaged weights
under `model_ema.` without dots, `first_stage_model.`, and the schedule as buffers. The condition of
a conditional network is given as it enters the U-Net, tokens (batch, tokens, channels): encoders of
text are not read. Pictures lie in -1 to 1.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..parameterisations import Denoiser, from_eps, from_v
from .adm import structure
from .family import Autoencoder, Config, Family, Shapes, Tensors, count, peel, whole
from .layers.first_stage import FirstStage
from .layers.openai_unet import UNet
from .layers.vp_table import label_of, root_linear

UNET = "model.diffusion_model."
STAGE = "first_stage_model."
STAGE_PARTS = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.", "quantize.embedding.")
STEPS = 1000
HALF = 1e-3  # values below one that were stored in half precision are this near
KL_SCALE = 0.18215  # of stable diffusion: its latents have a standard deviation of about one
# What the shapes do not tell: features of the time, widths over these, levels with attention,
# channels of the tokens
PUBLISHED: dict[tuple, dict[str, Any]] = {
    (224, (1, 2, 3, 4), (1, 2, 3), None): {"head_channels": 32, "betas": [0.0015, 0.0195]},
    (256, (1, 2, 4), (0, 1, 2), 512): {"head_channels": 32, "betas": [0.0015, 0.0195]},
    (320, (1, 2, 4, 4), (0, 1, 2), 768): {
        "heads": 8, "betas": [0.00085, 0.012], "scale_factor": KL_SCALE, "prediction": "eps",
    },
    (320, (1, 2, 4, 4), (0, 1, 2), 1024): {
        "head_channels": 64, "betas": [0.00085, 0.012], "scale_factor": KL_SCALE,
        "prediction": None,
    },
}  # fmt: skip
DESCRIBES = {
    "heads": "number of attention heads of every level",
    "head_channels": "channels of one attention head, where their number is not fixed",
    "betas": "first and last beta of its schedule (linear_start, linear_end), where it has none",
    "scale_factor": "what latents of the autoencoder are multiplied by",
    "prediction": "eps or v",
}


@whole
def _recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    own = peel(shapes, UNET + "input_blocks.0.0.weight")
    unet = {n.removeprefix(UNET): shape for n, shape in own.items() if n.startswith(UNET)}
    if "time_embed.0.weight" not in unet or "middle_block.1.norm.weight" not in unet:
        return None
    parts = structure(unet)
    ratios = tuple(width / parts["width"] for width in parts["widths"])
    key = (parts["width"], ratios, tuple(parts["attention"]), parts["context"])
    told = PUBLISHED.get(key, {}) | {n: described[n] for n in DESCRIBES if n in described}
    parts |= {name: told.get(name) for name in ("heads", "head_channels")}
    stage = _stage({n.removeprefix(STAGE): s for n, s in own.items() if n.startswith(STAGE)})
    return _checked(
        {
            "unet": parts,
            "stage": stage,
            "steps": own["alphas_cumprod"][0] if "alphas_cumprod" in own else None,
            "betas": told.get("betas"),
            "scaled": "scale_factor" in own,
            "scale_factor": told.get("scale_factor", 1.0 if stage and stage["entries"] else None),
            "prediction": told.get("prediction", "eps"),
        }
    )


def _checked(config: Config) -> Config:
    def ask(what: str, how: str) -> None:
        raise ValueError(f"shapes do not tell {what} of this latent model: say {how}")

    unet, stage = config["unet"], config["stage"]
    if not unet["heads"] and not unet["head_channels"]:
        ask("the attention heads", "heads or head_channels in the description")
    if config["steps"] is None and config["betas"] is None:
        ask("the noise schedule", "betas in the description, its first and its last")
    if stage and not config["scaled"] and config["scale_factor"] is None:
        ask("the scale of the latents", "scale_factor in the description")
    if config["prediction"] not in ("eps", "v"):
        ask("the prediction", "prediction in the description, eps or v")
    if unet["inputs"] != unet["outputs"]:
        raise ValueError(
            f"its U-Net takes {unet['inputs']} channels and gives {unet['outputs']}: one that is"
            " conditioned by more channels (inpainting, depth) is not known"
        )
    return config


def _stage(own: Shapes) -> Config | None:
    """The arguments of FirstStage, from the names and shapes of its parts."""
    if not {"encoder.conv_in.weight", "decoder.conv_in.weight", "quant_conv.weight"} <= {*own}:
        return None
    levels = range(count(own, "encoder.down."))
    return {
        "channels": own["encoder.conv_in.weight"][1],
        "latents": own["post_quant_conv.weight"][1],
        "inner": own["post_quant_conv.weight"][0],
        "first": own["encoder.conv_in.weight"][0],
        "widths": [own[f"encoder.down.{k}.block.0.conv1.weight"][0] for k in levels],
        "blocks": count(own, "encoder.down.0.block."),
        "attention": [k for k in levels if f"encoder.down.{k}.attn.0.q.weight" in own],
        "up_attention": [k for k in levels if f"decoder.up.{k}.attn.0.q.weight" in own],
        "entries": own.get("quantize.embedding.weight", (None,))[0],
    }


class LatentDiffusion(nn.Module):
    """The parts of a checkpoint under their official names."""

    def __init__(self, config: Config):
        super().__init__()
        unet = dict(config["unet"])
        self.model = nn.Module()
        self.model.diffusion_model = UNet(unet.pop("inputs"), unet.pop("outputs"), **unet)
        if config["stage"]:
            self.first_stage_model = _first_stage(config["stage"])
        if config["steps"] is not None:
            self.register_buffer("alphas_cumprod", torch.ones(config["steps"]))
        if config["scaled"]:
            self.register_buffer("scale_factor", torch.ones(()))


def _first_stage(config: Config) -> FirstStage:
    parts = dict(config)
    return FirstStage(parts.pop("channels"), parts.pop("latents"), **parts)


def _rename(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    """The parts that are used, averaged where an average is there; projections as convolutions."""
    own = peel(tensors, UNET + "input_blocks.0.0.weight")
    stage = tuple(STAGE + part for part in STAGE_PARTS) if config["stage"] else ()
    kept = {}
    for name, value in own.items():
        if name.startswith(UNET):
            averaged = "model_ema." + name.removeprefix("model.").replace(".", "")
            value = own.get(averaged, value)
            if name.endswith(("proj_in.weight", "proj_out.weight")) and value.ndim == 2:
                value = value[:, :, None, None]  # stable diffusion 2
            kept[name] = value
        elif name.startswith(stage) or name == "alphas_cumprod":
            kept[name] = value
    if config["scaled"]:
        kept["scale_factor"] = own["scale_factor"].reshape(())
    return kept


def _table(network: LatentDiffusion, config: Config) -> Tensor:
    """sigma of each step: the file's own, or the published where the file's is it, rounded."""
    published = root_linear(*_ends(config)) if config["betas"] else None
    if config["steps"] is None:
        return published
    signal = network.alphas_cumprod.double().cpu()
    if published is not None and len(published) == len(signal):
        exact = 1 / (1 + published**2)
        if torch.allclose(exact, signal, rtol=0, atol=HALF):
            return published
    return (1 / signal - 1).sqrt()


def _ends(config: Config) -> tuple[int, float, float]:
    first, last = config["betas"]
    return STEPS, first, last


def _sigmas(network: LatentDiffusion, config: Config) -> tuple[float, float]:
    table = _table(network, config)
    return table[0].item(), table[-1].item()


def _denoiser(
    network: LatentDiffusion,
    config: Config,
    *,
    context: Tensor | None = None,
    label: int | Tensor | None = None,
) -> Denoiser:
    """D of latents. context: tokens (batch, tokens, channels); label: the class; where needed."""
    unet = network.model.diffusion_model
    for given, name in ((context, "context"), (label, "label")):
        if (given is None) == (name in _conditions(config)):
            raise ValueError(f"a {name} is for a network conditioned by it, and needed there")

    def model(x: Tensor, time: Tensor) -> Tensor:
        labels = None if label is None else torch.as_tensor(label, device=x.device).expand(len(x))
        tokens = None if context is None else context.to(x).expand(len(x), -1, -1)
        return unet(x, time, labels, tokens)

    make = from_v if config["prediction"] == "v" else from_eps
    return make(model, label_of(_table(network, config)))


def _conditions(config: Config) -> tuple[str, ...]:
    unet = config["unet"]
    told = (("context", unet["context"]), ("label", unet["classes"]))
    return tuple(name for name, value in told if value is not None)


def _autoencoder(network: LatentDiffusion, config: Config) -> Autoencoder:
    """Latents as the denoiser sees them: those of the autoencoder times its scale."""
    stage = config["stage"]
    if not stage:
        raise ValueError("there is no autoencoder in it: its U-Net only")
    model = network.first_stage_model
    scale = network.scale_factor.item() if config["scaled"] else config["scale_factor"]
    return _scaled(model, stage, scale)


def _scaled(model: FirstStage, stage: Config, scale: float) -> Autoencoder:
    return Autoencoder(
        encode=lambda x: model.encode(x) * scale,
        decode=lambda z: model.decode(z / scale),
        channels=stage["latents"],
        factor=2 ** (len(stage["widths"]) - 1),
        data_range=(-1.0, 1.0),
    )


@whole
def _recognise_stage(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    if any("diffusion_model." in name for name in shapes):
        return None
    stage = _stage(peel(shapes, "encoder.conv_in.weight"))
    if stage is None:
        return None
    return {"stage": stage, "scale_factor": described.get("scale_factor", 1.0)}


def _rename_stage(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    own = peel(tensors, "encoder.conv_in.weight")
    return {name: value for name, value in own.items() if name.startswith(STAGE_PARTS)}


COMPVIS = Family(
    name="latent-diffusion",
    title="latent diffusion of CompVis, stable diffusion (Rombach et al., arXiv:2112.10752)",
    recognise=_recognise,
    build=LatentDiffusion,
    rename=_rename,
    sigmas=_sigmas,
    shape=lambda config: (config["unet"]["inputs"], None, None),
    denoiser=_denoiser,
    autoencoder=_autoencoder,
    data_range=lambda config: None,
    conditions=_conditions,
    describes=DESCRIBES,
)
FIRST_STAGE = Family(
    name="latent-autoencoder",
    title="an autoencoder of latent diffusion alone (Rombach et al., arXiv:2112.10752)",
    recognise=_recognise_stage,
    build=lambda config: _first_stage(config["stage"]),
    rename=_rename_stage,
    sigmas=None,
    shape=lambda config: (config["stage"]["latents"], None, None),
    autoencoder=lambda network, config: _scaled(network, config["stage"], config["scale_factor"]),
    data_range=lambda config: None,
    describes={"scale_factor": DESCRIBES["scale_factor"]},
)
