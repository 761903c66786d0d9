"""NCSN++ and DDPM++ of score_sde (Song et al., ICLR 2021, arXiv:2011.13456).

Averaged weights lie in these files as a list without names, `ema.shadow_params.N`, in the order of
the parameters; they are taken where they are there.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..parameterisations import Denoiser, from_eps
from .family import Config, Family, Shapes, Tensors, peel, whole
from .layers.ncsnpp_unet import NCSNpp
from .layers.vp_table import continuous_label, continuous_range

MARKERS = ("all_modules.0.W", "all_modules.0.weight")
ATTENDED = 16  # pixels: where all published networks have their attention
DESCRIBES = {
    "process": "ve (labels are noise levels), vp or subvp (positional labels, 999 t)",
    "size": "height and width of the pictures it was trained on",
    "sigma_min": "lowest noise level of ve, of pictures in 0 to 1",
    "sigma_max": "highest noise level of ve",
    "fir": "true where resizing uses the filter 1 3 3 1, false where blocks of 2 x 2",
}
PROCESSES = ("ve", "vp", "subvp")


def own_names(named: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of an NCSN++ by their names within it; empty where there is none."""
    return next((own for marker in MARKERS if (own := peel(named, marker))), {})


def _kinds(own: Shapes) -> list[str]:
    """What each of all_modules is; "nothing" for one without weights."""
    parts: dict[int, set[str]] = {}
    for name in own:
        room, number, *rest = [*name.split("."), ""]
        if room == "all_modules" and number.isdigit():
            parts.setdefault(int(number), set()).add(".".join(rest).strip("."))
    return [_kind(own, number, parts.get(number, set())) for number in range(max(parts) + 1)]


def _kind(own: Shapes, number: int, parts: set[str]) -> str:
    if {"GroupNorm_0.weight", "Conv_0.weight", "Dense_0.weight"} <= parts:
        outputs, inputs = own[f"all_modules.{number}.Conv_0.weight"][:2]
        return "resize" if inputs == outputs and "Conv_2.weight" in parts else "residual"
    for part, kind in (("NIN_0.W", "attention"), ("Conv2d_0.weight", "shrink"), ("W", "fourier")):
        if part in parts:
            return kind
    if "Conv_0.weight" in parts:
        return "combine"
    if not parts:
        return "nothing"
    axes = len(own.get(f"all_modules.{number}.weight", ()))
    return {1: "norm", 2: "linear", 4: "conv"}.get(axes, "unknown")


def structure(own: Shapes) -> Config | None:
    """The arguments of NCSNpp, from the sequence of its modules."""
    kinds = _kinds(own)
    if "conv" not in kinds or "attention" not in kinds or "unknown" in kinds:
        return None
    first = kinds.index("conv")
    resizes = [i for i, kind in enumerate(kinds) if kind == "resize"]
    if kinds[:first] not in (["fourier", "linear", "linear"], ["linear", "linear"], ["fourier"]):
        return None
    untold = {} if "linear" in kinds else {"conditional": False}
    if len(resizes) < 2 or len(resizes) % 2:
        return None
    downs = resizes[: len(resizes) // 2]
    starts = [first + 1]  # the first residual block of each level
    for down in downs:
        starts.append(next(i for i in range(down + 1, len(kinds)) if kinds[i] == "residual"))
    width = own[f"all_modules.{first}.weight"][0]
    entries = {"combine": "input_skip", "shrink": "residual"}
    entry = next((entries[k] for k in kinds[downs[0] : starts[1]] if k in entries), "none")
    return {
        "channels": own[f"all_modules.{first}.weight"][1],
        "width": width,
        "widths": [own[f"all_modules.{i}.Conv_0.weight"][0] for i in starts],
        "blocks": kinds[starts[0] : downs[0]].count("residual"),
        "attention": [k for k, i in enumerate(starts[:-1]) if kinds[i + 1] == "attention"]
        + _last_attention(kinds[starts[-1] : resizes[len(downs)]], len(starts) - 1),
        "fourier": kinds[0] == "fourier",
        "entry": entry,
        "summed": kinds.count("norm") > 1,
        "fir": kinds[0] == "fourier" or "shrink" in kinds,
        "numbered": "output_layer.weight" not in own,
        "outputs": own.get("output_layer.weight", (None,))[0],
        "scales": own["sigmas"][0] if "sigmas" in own else None,
        **untold,
    }


def _last_attention(kinds: list[str], level: int) -> list[int]:
    """Whether the coarsest level has attention beside the one in the middle."""
    return [level] if kinds.count("attention") > 1 else []


@whole
def _recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    own = own_names(shapes)
    unet = structure(own) if own else None
    if unet is None or unet["outputs"] is not None or "conditional" in unet:
        return None
    process = described.get("process", "ve" if unet["fourier"] else None)
    if process not in PROCESSES:
        raise ValueError(
            "shapes do not tell the process of an NCSN++ or DDPM++ with positional labels: say"
            " process in the description, ve, vp or subvp"
        )
    if process == "ve" and not unet["fourier"]:
        raise ValueError("a ve process with positional labels is of numbered levels: not known")
    if (
        process == "ve"
        and unet["scales"] is None
        and not {"sigma_min", "sigma_max"} <= {*described}
    ):
        raise ValueError("its noise levels are not in it: say sigma_min and sigma_max")
    unet["fir"] = described.get("fir", unet["fir"])
    levels = unet["attention"]
    size = ATTENDED << levels[0] if len(levels) == 1 else None
    told = {name: described.get(name) for name in ("sigma_min", "sigma_max")}
    return {"unet": unet, "process": process, "size": described.get("size", size), **told}


def build(config: Config) -> NCSNpp:
    """The network of a configuration, with weights of no account."""
    unet = dict(config["unet"])
    return NCSNpp(unet.pop("channels"), **unet)


def rename(tensors: Tensors, config: Config) -> dict[str, Tensor]:
    """The named weights, replaced by the averaged ones where a list of these is there."""
    own = own_names(tensors)
    listed = {
        int(name.rpartition(".")[2]): value
        for name, value in tensors.items()
        if ".shadow_params." in f".{name}"
    }
    averaged = [listed[i] for i in sorted(listed)]
    with torch.device("meta"):
        network = build(config)
    every = [name for name, _ in network.named_parameters()]
    trained = [name for name, value in network.named_parameters() if value.requires_grad]
    for names in (every, trained):
        if len(names) == len(averaged):
            return own | dict(zip(names, averaged, strict=True))
    if averaged:
        raise ValueError(
            f"its averaged weights are {len(averaged)}, where {len(every)} or {len(trained)} belong"
        )
    return own


def _sigmas(network: NCSNpp, config: Config) -> tuple[float, float]:
    if config["process"] == "vp":
        return continuous_range()
    if config["process"] == "subvp":
        low, high = continuous_range()
        return _sub_level(low), _sub_level(high)
    ends = [config["sigma_min"], config["sigma_max"]]
    levels = network.sigmas.tolist() if config["unet"]["scales"] else []
    return tuple(
        pick(levels) if end is None else end for end, pick in zip(ends, (min, max), strict=True)
    )


def _denoiser(network: nn.Module, config: Config) -> Denoiser:
    """ve: D = x + sigma F(2 x - 1, sigma) of pictures in 0 to 1; vp: an eps-network in -1 to 1."""
    if config["process"] == "vp":
        return from_eps(network, continuous_label)
    if config["process"] == "subvp":
        return _sub_vp(network)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        return x + sigma.reshape(-1, 1, 1, 1) * network(2 * x - 1, sigma)

    return denoise


def _sub_vp(network: nn.Module) -> Denoiser:
    """The sub-VP process, x_t = a x0 + (1 - a^2) n: an eps-network in -1 to 1 that sees x_t.

    Its times are those of the VP process with the same a, whose noise level is v = sqrt(1/a^2 - 1);
    its own is sigma = 1 / a - a (Song et al. 2021, equation 29).
    """

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        signal = 2 / (sigma + (sigma**2 + 4).sqrt())  # a > 0 of 1 / a - a = sigma
        label = continuous_label((sigma / signal).sqrt())  # v^2 = sigma / a
        s, a = (value[:, None, None, None] for value in (sigma, signal))
        return x - s * network(a * x, label)

    return denoise


def _sub_level(level: float) -> float:
    """sigma of the sub-VP process at the time at which the VP process has this noise level."""
    signal = (1 + level**2) ** -0.5
    return 1 / signal - signal


NCSNPP = Family(
    name="ncsnpp",
    title="NCSN++ and DDPM++ of score_sde (Song et al., ICLR 2021, arXiv:2011.13456)",
    recognise=_recognise,
    build=build,
    rename=rename,
    sigmas=_sigmas,
    shape=lambda config: (config["unet"]["channels"], config["size"], config["size"]),
    denoiser=_denoiser,
    data_range=lambda config: (0.0, 1.0) if config["process"] == "ve" else (-1.0, 1.0),
    describes=DESCRIBES,
)
