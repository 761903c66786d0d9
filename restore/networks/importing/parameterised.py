"""A denoiser out of a network and what is told of it: its parameterisation, schedule and label."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..parameterisations import (
    Denoiser,
    from_blind,
    from_edm,
    from_eps,
    from_flow,
    from_v,
    from_x0,
)
from ..published.layers.vp_table import SCHEDULES, label_of

STEPS, BETAS = 1000, {"linear": (1e-4, 0.02), "root-linear": (0.00085, 0.012)}
EDGE = 1e-3  # of a flow's time, next to 0 and 1, where sigma is 0 and infinite
EDM_RANGE = (0.002, 80.0)


def denoiser_of(network: Callable[..., Tensor], told: Mapping[str, Any]) -> Denoiser:
    """D(x, sigma) of a network f(x, label), by a checked description. ValueError if it lacks some.

    A network that gives more channels than it takes has learned a variance, too: it is left aside.
    """

    def plain(x: Tensor, *label: Tensor) -> Tensor:
        return network(x, *label)[:, : x.shape[1]]

    kind = told["kind"]
    if kind == "edm":
        return from_edm(plain, sigma_data=told.get("sigma_data", 0.5))
    if kind == "flow":
        return from_flow(lambda x, t: plain(x, t * told.get("steps", 1.0)))
    if kind == "score":
        return lambda x, sigma: x + _column(sigma, x) ** 2 * plain(x, _each(sigma, x))
    if kind == "blind":
        return from_blind(plain, residual=told.get("residual", True))
    make = {"eps": from_eps, "v": from_v, "x0": from_x0}[kind]
    return make(plain, _label(told))


def range_of(told: Mapping[str, Any]) -> tuple[float, float] | None:
    """The noise levels it was trained for: the ends of its schedule; None: none are told."""
    if told["kind"] in ("eps", "v", "x0"):
        table = table_of(told.get("schedule"))
        return table[0].item(), table[-1].item()
    if told["kind"] == "flow":
        return EDGE / (1 - EDGE), (1 - EDGE) / EDGE
    return EDM_RANGE if told["kind"] == "edm" else None


def table_of(schedule: Mapping[str, Any] | None) -> Tensor:
    """The rising noise levels of a schedule's steps, float64. ValueError where they are not."""
    if schedule is None:
        raise ValueError("denoiser.schedule is missing: eps, v and x0 need the schedule's levels")
    kind = schedule["kind"]
    if kind == "given":
        products = torch.tensor(schedule.get("alphas_cumprod") or [0.0], dtype=torch.float64)
        table = (1 / products - 1).sqrt()
    elif kind == "cosine":
        table = SCHEDULES[kind](schedule.get("steps", STEPS))
    else:
        first, last = BETAS[kind]
        ends = schedule.get("first", first), schedule.get("last", last)
        table = SCHEDULES[kind](schedule.get("steps", STEPS), *ends)
    table = table[table > 0]
    if len(table) < 2 or not bool(torch.isfinite(table).all() & (table.diff() > 0).all()):
        raise ValueError("denoiser.schedule does not rise from step to step")
    return table


def _each(sigma: float | Tensor, x: Tensor) -> Tensor:
    """sigma as (batch,)."""
    return torch.as_tensor(sigma, dtype=x.dtype, device=x.device).expand(len(x))


def _column(sigma: float | Tensor, x: Tensor) -> Tensor:
    return _each(sigma, x).reshape(-1, *(1,) * (x.ndim - 1))


def _label(told: Mapping[str, Any]) -> Callable[[Tensor], Tensor]:
    labels: dict[str, Callable[[Tensor], Tensor]] = {
        "sigma": lambda sigma: sigma,
        "log sigma": lambda sigma: sigma.log(),
    }
    return labels.get(told.get("label", "step")) or label_of(table_of(told.get("schedule")))
