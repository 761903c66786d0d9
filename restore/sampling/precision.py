"""The network at its own speed: precision by measurement, calls counted, memory looked up."""

import hashlib
import platform
import time
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from ..priors.coloured import Coloured
from ..priors.prior import Prior
from .keeping.verdicts import kept_verdict

# bfloat16 keeps 8 bits: a denoiser may differ by this share of sigma, far below what it leaves
# unknown, before "auto" declines it.
TOLERANCE = 0.05
PATCH = 128  # of a signal, along each axis, that both are tried on
FASTER = 1.15  # and it must be this much faster to be worth it


# network -> (size, device) -> whether bfloat16 is worthwhile
_tried: WeakKeyDictionary[Any, dict[Any, bool]] = WeakKeyDictionary()


class Counted:
    """A denoiser that runs in a chosen precision and counts its calls."""

    def __init__(self, prior: Prior, precision: str, device: torch.device):
        self.denoise, self.precision, self.device = prior.denoise, precision, device
        # a network's weights are float32: with states in float64 only it rounds
        self.native = torch.float32 if prior.network is not None else None
        self.calls = 0
        self.pullbacks = 0

    def __call__(self, x: Tensor, sigma: float | Tensor | Coloured) -> Tensor:
        self.calls += 1
        if not isinstance(sigma, Coloured):
            sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
        if self.precision != "bfloat16":
            own = self.native or x.dtype
            denoised = self.denoise(x.to(own), sigma.to(own)).to(x.dtype)
        else:
            with torch.autocast(self.device.type, torch.bfloat16):
                denoised = self.denoise(x, sigma).to(x.dtype)
        if denoised.requires_grad:
            denoised.register_hook(self._count)
        return denoised

    def _count(self, gradient: Tensor) -> None:
        self.pullbacks += 1


def choose_precision(
    precision: str | None, prior: Prior, shape: tuple[int, ...], device: torch.device
) -> str:
    """The precision's name; "auto" measures, once on a machine. ValueError for an unknown one."""
    known = ("float32", "float64", "bfloat16")
    precision = precision or "float32"
    if precision in known:
        return precision
    if precision != "auto":
        raise ValueError(f"precision must be auto, {', '.join(known)}; got '{precision}'")
    size = (shape[0], *(min(n, PATCH) for n in shape[1:]))
    if prior.network is None or not prior.accepts(size):  # bound to its signals: not to be tried
        return "float32"
    tried = _tried.setdefault(prior.network, {})
    if (size, device) not in tried:  # once for many files of one size
        about = [_fingerprint(prior.network), *map(str, size), _named(device), torch.__version__]
        tried[size, device] = kept_verdict(
            "precision", about, lambda: _worthwhile(prior, size, device)
        )
    return "bfloat16" if tried[size, device] else "float32"


def _fingerprint(network: torch.nn.Module) -> str:
    """A hash of what a network is made of and of its weights."""
    digest = hashlib.sha256(repr(network).encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _named(device: torch.device) -> str:
    """What computes. In how many threads is left out: workers that have more or fewer agree."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{device.type} {platform.machine()} {capability}"


def _worthwhile(prior: Prior, size: tuple[int, ...], device: torch.device) -> bool:
    """Whether bfloat16 is faster and near enough on a patch."""
    generator = torch.Generator().manual_seed(0)
    mean = torch.as_tensor(prior.mean).mean().item()
    x = (mean + torch.randn(1, *size, generator=generator)).to(device)
    seconds, results = {}, {}
    for name in ("float32", "bfloat16"):
        denoise = Counted(prior, name, device)
        with torch.no_grad():
            results[name] = [denoise(x * s, s) for s in (0.05, 1.0)]
            seconds[name] = min(_timed(lambda: denoise(x, 1.0), device) for _ in range(3))  # noqa: B023
    errors = [
        (a - b).square().mean().sqrt().item() / s
        for a, b, s in zip(results["float32"], results["bfloat16"], (0.05, 1.0))
    ]
    return seconds["float32"] > FASTER * seconds["bfloat16"] and max(errors) < TOLERANCE


def _timed(call, device: torch.device) -> float:
    """Seconds of the processor, which a busy machine does not stretch as it does those of a clock;
    of the clock on a GPU."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    start = clock()
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start
