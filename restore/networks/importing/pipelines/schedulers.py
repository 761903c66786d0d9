"""What a scheduler_config.json of diffusers says of the network: its parameterisation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ....errors import WeightsError
from ....untrusted.schema import number, several

PREDICTS = {"epsilon": "eps", "v_prediction": "v", "sample": "x0"}
BETAS = {"linear": "linear", "scaled_linear": "root-linear", "squaredcos_cap_v2": "cosine"}
FLOWS = ("FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler")
UNLIKE = ("CMStochasticIterativeScheduler", "LCMScheduler", "TCDScheduler", "VQDiffusionScheduler",
          "ScoreSdeVpScheduler", "RePaintScheduler", "KarrasVeScheduler")  # fmt: skip
RANGE = {"ScoreSdeVeScheduler": (0.01, 1348.0), "EDM": (0.002, 80.0)}
BETA = number(above=0.0, high=1.0)


def parameterisation(path: Path, found: Mapping[str, Any]) -> dict[str, Any]:
    """A description's `denoiser`, and its sigma_min and sigma_max where the table is not all.

    WeightsError for a scheduler that tells of no denoiser, or whose values are out of range.
    """
    name = found.get("_class_name", "")
    try:
        if name in FLOWS:
            return {"denoiser": {"kind": "flow", "steps": float(_steps(found))}}
        if name == "ScoreSdeVeScheduler":
            low, high = RANGE[name]
            ends = {"sigma_min": found.get("sigma_min", low)}
            return {
                "denoiser": {"kind": "score"},
                **ends,
                "sigma_max": found.get("sigma_max", high),
            }
        if name.startswith("EDM"):
            return _edm(found)
        if name in UNLIKE or not name.endswith("Scheduler"):
            raise ValueError(f"the scheduler {name or 'of no name'} tells of no denoiser")
        return {"denoiser": _discrete(found)}
    except (ValueError, TypeError) as error:
        raise WeightsError(f"{path}: {error}; describe it (--describe FILE.yaml)") from None


def _edm(found: Mapping[str, Any]) -> dict[str, Any]:
    if found.get("prediction_type", "epsilon") != "epsilon":
        raise ValueError(f"EDM with prediction_type {found['prediction_type']} is not known")
    low, high = RANGE["EDM"]
    return {
        "denoiser": {"kind": "edm", "sigma_data": found.get("sigma_data", 0.5)},
        "sigma_min": found.get("sigma_min", low),
        "sigma_max": found.get("sigma_max", high),
    }


def _discrete(found: Mapping[str, Any]) -> dict[str, Any]:
    predicts = found.get("prediction_type", "epsilon")
    if predicts not in PREDICTS:
        raise ValueError(f"no network predicts '{predicts}'; known: {', '.join(PREDICTS)}")
    return {"kind": PREDICTS[predicts], "schedule": _schedule(found), "label": "step"}


def _schedule(found: Mapping[str, Any]) -> dict[str, Any]:
    kind, steps = found.get("beta_schedule", "linear"), _steps(found)
    first = BETA(found.get("beta_start", 1e-4), "beta_start")
    last = BETA(found.get("beta_end", 0.02), "beta_end")
    given, flat = found.get("trained_betas"), found.get("rescale_betas_zero_snr")
    if kind in BETAS and given is None and not flat:
        ends = {} if kind == "squaredcos_cap_v2" else {"first": first, "last": last}
        return {"kind": BETAS[kind], "steps": steps, **ends}
    betas = _betas(kind, steps, first, last, given)
    products = (1 - betas).cumprod(0)
    if flat:  # Lin et al., WACV 2024: the last step is pure noise
        root = products.sqrt()
        products = ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2
    return {"kind": "given", "alphas_cumprod": products[products > 0].tolist()}


def _betas(kind: str, steps: int, first: float, last: float, given: Any) -> torch.Tensor:
    if given is not None:
        betas = several(BETA, 2, 100_000)(given, "trained_betas")
        return torch.tensor(betas, dtype=torch.float64)
    if kind == "sigmoid":
        spread = torch.linspace(-6, 6, steps, dtype=torch.float64).sigmoid()
        return spread * (last - first) + first
    if kind == "squaredcos_cap_v2":
        from ...published.layers.vp_table import cosine

        return 1 - _ratios(1 / (1 + cosine(steps) ** 2))
    ends = (first, last) if kind == "linear" else (first**0.5, last**0.5)
    betas = torch.linspace(*ends, steps, dtype=torch.float64)
    if kind not in BETAS:
        raise ValueError(f"no beta_schedule is known as '{kind}'")
    return betas if kind == "linear" else betas**2


def _ratios(products: torch.Tensor) -> torch.Tensor:
    return products / torch.cat([products.new_ones(1), products[:-1]])


def _steps(found: Mapping[str, Any]) -> int:
    steps = found.get("num_train_timesteps", 1000)
    if type(steps) is not int or not 2 <= steps <= 100_000:
        raise ValueError(f"num_train_timesteps must be a number of steps, got {steps!r:.40}")
    return steps
