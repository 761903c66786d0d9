"""One step after another down a loss, and the moving average of the weights that comes out."""

import math
from collections.abc import Mapping
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from .muon import Muon

Method = Literal["adamw", "muon"]
SAVED = ("network", "average", "optimisers", "step")  # of a descent


class Descent:
    """A network that is trained, with the moving average of its weights; clipped gradients.

    average: how much of the moving average stays at each step, once it has been going for a while.
    method: of descent; muon takes AdamW for weights of one axis.
    """

    def __init__(
        self, network: nn.Module, learning_rate: float, average: float, method: Method = "adamw"
    ):
        self.network, self.keep = network, average
        self.average = deepcopy(network).requires_grad_(False)
        self.step, self.loss = 0, math.nan  # steps taken; the loss of late
        weights = list(network.parameters())
        matrices = [w for w in weights if w.ndim >= 2] if method == "muon" else []
        others = [w for w in weights if w.ndim < 2] if method == "muon" else weights
        self.optimisers: list[torch.optim.Optimizer] = []
        if matrices:
            self.optimisers.append(Muon(matrices, learning_rate))
        if others:
            adam = torch.optim.AdamW(others, learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
            self.optimisers.append(adam)

    @property
    def state(self) -> dict[str, Any]:
        """What must be saved to go on."""
        return {
            "network": self.network.state_dict(), "average": self.average.state_dict(),
            "optimisers": [each.state_dict() for each in self.optimisers], "step": self.step,
        }  # fmt: skip

    def go_on_from(self, state: Mapping[str, Any]) -> None:
        """Take up what was saved."""
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        for mine, saved in zip(self.optimisers, state["optimisers"], strict=True):
            mine.load_state_dict(saved)
        self.step = state["step"]

    def descend(self, loss: Tensor, rate: float) -> float:
        """One step down a loss at this learning rate; the loss of late. FloatingPointError if it
        is no number."""
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss left the real numbers at step {self.step}")
        self.network.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
        self.step += 1
        keep = min(self.keep, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, now in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mean.lerp_(now, 1 - keep)
        smooth = 0.99 if math.isfinite(self.loss) else 0.0
        self.loss = smooth * (self.loss if smooth else 0.0) + (1 - smooth) * loss.item()
        return self.loss


def share_of_rate(step: int, steps: int, warmup: int, decay: float) -> float:
    """The share of the learning rate at a step: it rises over `warmup`, falls to zero at the end.

    decay: the share of all steps, the last ones, in which it falls.
    """
    rise = min(1.0, (step + 1) / max(1, warmup))
    fall = min(1.0, (steps - step) / max(1, round(decay * steps)))
    return min(rise, fall)


def autocast(device: torch.device, bfloat16: bool | None = None):
    """What makes the context of a step; None: in bfloat16 where the processor computes in it."""
    enabled = _has_bfloat16(device) if bfloat16 is None else bfloat16
    return (lambda: torch.autocast(device.type, torch.bfloat16)) if enabled else nullcontext


def _has_bfloat16(device: torch.device) -> bool:
    """Whether the processor multiplies in bfloat16 natively; emulated, it is slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and (
        "avx512_bf16" in _cpu_flags() or "amx_bf16" in _cpu_flags()
    )


def _cpu_flags() -> str:
    path = Path("/proc/cpuinfo")
    return path.read_text() if path.exists() else ""
