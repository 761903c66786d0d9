"""SGMSE+'s NCSN++ of noisy speech: Richter et al., TASLP 2023, arXiv:2208.05830.

Compressed complex spectrograms as two channels (real, imaginary) of 256 frequencies. The state
drifts from the clean to the noisy speech, x_t = w(t) x0 + (1 - w(t)) y + std(t) z, z complex of
variance one: by a process of `restore.networks.paths`; of Schroedinger bridges (Richter et al.,
arXiv:2409.10753) networks that predict the clean speech are known.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...parameterisations import Denoiser
from ...paths import (
    BrownianBridge,
    OrnsteinUhlenbeck,
    Path,
    SchroedingerBridge,
    from_score,
    level,
    state,
)
from ..family import Config, Family, Shapes, whole
from ..ncsnpp import ATTENDED, build, own_names, rename, structure

BACKBONES = ("ncsnpp", "ncsnpp_48k", "ncsnpp_v2")
OUVE = {
    "theta": (1.5, "stiffness of the process that drifts to the noisy speech"),
    "sigma_min": (0.05, "its smallest sigma"),
    "sigma_max": (0.5, "its largest sigma"),
    "t_eps": (0.03, "its earliest time"),
}
BRIDGE = {
    "k": (2.6, "of a bridge (process: bbed or sbve), the base of its growth"),
    "c": (0.4, "of sbve, its scale; theta is that of bbed"),
}
BBED_THETA = 0.52
LATEST = 0.999  # time of a bridge: at 1 there is nothing left of the clean speech
PROCESSES = ("ouve", "bbed", "sbve")
LOSSES = ("score_matching", "denoiser", "data_prediction")
V2 = {  # what backbone ncsnpp_v2 leaves outside the network, the first of each its default
    "loss_type": LOSSES,
    "network_scaling": ("none", "1/t", "1/sigma"),
    "c_in": ("1", "edm"),
    "c_out": ("1", "sigma", "1/sigma", "edm"),
    "c_skip": ("0", "edm"),
}
SIGMA_DATA = 0.1
DESCRIBES = {
    **{name: words for name, (_, words) in {**OUVE, **BRIDGE}.items()},
    **{name: f"of ncsnpp_v2: {', '.join(choices)}" for name, choices in V2.items()},
    "backbone": ", ".join(BACKBONES),
    "process": ", ".join(PROCESSES),
    "sigma_data": "of ncsnpp_v2 with edm, the standard deviation of its signals",
}


@whole
def _recognise(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
    own = own_names(shapes)
    unet = structure(own) if own else None
    if unet is None or unet["outputs"] is None:
        return None
    if "conditional" in unet:
        raise ValueError("a network that is told no time is a first stage of StoRM, no prior alone")
    backbone = described.get("backbone", "ncsnpp" if unet["summed"] else "ncsnpp_48k")
    if not unet["fourier"] or backbone not in BACKBONES:
        raise ValueError(f"of SGMSE's networks {', '.join(BACKBONES)} are known, not '{backbone}'")
    unet["early"] = backbone != "ncsnpp_48k"
    told = {name: described.get(name, usual) for name, (usual, _) in {**OUVE, **BRIDGE}.items()}
    told["process"] = described.get("process", "ouve")
    if told["process"] not in PROCESSES:
        known = ", ".join(PROCESSES)
        raise ValueError(f"process described as '{told['process']}'; {known} are known")
    if told["process"] == "bbed":
        told["theta"] = described.get("theta", BBED_THETA)
    if backbone != "ncsnpp_v2":
        if told["process"] == "sbve":
            raise ValueError(f"{backbone} gives scores: of the processes ouve and bbed, not sbve")
        return {"unet": unet, **told}
    unet["divided"] = False
    return {"unet": unet, **told, "v2": _v2(described, told["process"])}


def _v2(described: Mapping[str, Any], process: str) -> Config:
    """How the network of backbone ncsnpp_v2 is called. ValueError where it is not told."""
    if "loss_type" not in described:
        raise ValueError(f"shapes do not tell loss_type: describe it, {', '.join(LOSSES)}")
    found = {name: str(described.get(name, choices[0])) for name, choices in V2.items()}
    for name, choices in V2.items():
        if found[name] not in choices:
            raise ValueError(f"{name} described as '{found[name]}'; {', '.join(choices)} are known")
    if process == "sbve" and found["loss_type"] != "data_prediction":
        raise ValueError("networks of a bridge are known with loss_type data_prediction described")
    return {**found, "sigma_data": described.get("sigma_data", SIGMA_DATA)}


def _denoiser(network: nn.Module, config: Config, *, noisy: Tensor) -> Denoiser:
    """E[clean speech | noisy speech, x], in the variable without drift.

    x_t = w (x0 + sigma n) + (1 - w) y, sigma = std(t) / (w sqrt 2) for each of the two channels, as
    z is complex of variance one. noisy: y, (2, frequencies, frames) or a batch of these.
    """
    predict = _second(network, config["v2"]) if config.get("v2") else _first(network)
    return denoiser_of(config, noisy, predict)


def denoiser_of(config: Config, centre: Tensor, predict: "Predict") -> Denoiser:
    """E[x0 | x] where the process drifts to the centre, (2, frequencies, frames) or a batch."""
    path, (first, last) = path_of(config), times_of(config)

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))
        time = path.time(sigma * 2**0.5).clamp(first, last)
        std = path.std(time)[:, None, None, None]
        y = centre.to(x).expand_as(x)
        clean, score = predict(state(path, x, y, time), y, time, std)
        return from_score(path, x, score, time) if clean is None else clean

    return denoise


# (state, noisy, time, std as a column) -> the clean speech, or None and the score
Predict = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor | None, Tensor | None]]


def _first(network: nn.Module) -> Predict:
    """ncsnpp and ncsnpp_48k: minus the score."""
    return lambda state, y, time, std: (None, -network(torch.cat([state, y], 1), time))


def _second(network: nn.Module, told: Config) -> Predict:
    """ncsnpp_v2: F of both, scaled outside the network, is what the loss compares it with."""
    data = told["sigma_data"]

    def predict(state: Tensor, y: Tensor, time: Tensor, std: Tensor):
        total = (std**2 + data**2).sqrt()
        c_in = 1 / total if told["c_in"] == "edm" else 1.0
        given = network(torch.cat([c_in * state, c_in * y], 1), time)
        scale = {"none": 1.0, "1/t": time[:, None, None, None], "1/sigma": std}
        given = given / scale[told["network_scaling"]]
        if told["loss_type"] == "denoiser":  # of the state's mean
            return None, (given - state) / std**2
        outs = {"1": 1.0, "sigma": std, "1/sigma": 1 / std, "edm": std * data / total}
        skip = (data / total) ** 2 if told["c_skip"] == "edm" else 0.0
        made = skip * state + outs[told["c_out"]] * given
        return (made, None) if told["loss_type"] == "data_prediction" else (None, made)

    return predict


def path_of(config: Config) -> Path:
    if config.get("process") == "sbve":
        return SchroedingerBridge(config["k"], config["c"])
    if config.get("process") == "bbed":
        return BrownianBridge(config["k"], config["theta"], LATEST)
    return OrnsteinUhlenbeck(config["theta"], config["sigma_min"], config["sigma_max"])


def times_of(config: Config) -> tuple[float, float]:
    return config["t_eps"], 1.0 if config.get("process", "ouve") == "ouve" else LATEST


def sigmas_of(network: nn.Module, config: Config) -> tuple[float, float]:
    ends = torch.tensor(times_of(config), dtype=torch.float64)
    return tuple((level(path_of(config), ends) / 2**0.5).tolist())


def schedule_of(config: Config, steps: int) -> Tensor:
    """Levels of times evenly spread from the last to t_eps, as SGMSE+ takes them, then zero."""
    first, last = times_of(config)
    times = torch.linspace(last, first, steps, dtype=torch.float64)
    return torch.cat([level(path_of(config), times) / 2**0.5, times.new_zeros(1)])


def _shape(config: Config) -> tuple[int | None, ...]:
    levels = config["unet"]["attention"]
    return (2, ATTENDED << levels[0], None) if levels else (2, None, None)


SGMSE = Family(
    name="sgmse",
    title="SGMSE+'s NCSN++ of noisy speech (Richter et al., TASLP 2023, arXiv:2208.05830)",
    recognise=_recognise,
    build=build,
    rename=rename,
    sigmas=sigmas_of,
    shape=_shape,
    denoiser=_denoiser,
    data_range=lambda config: None,
    conditions=lambda config: ("noisy",),
    told_by_recipe={"noisy": ("a noisy recording", "enhance")},
    schedule=schedule_of,
    describes=DESCRIBES,
)
