"""Prior: what is known of a signal before it is measured, as a denoiser."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..measurement.checks import real_number, shown, sizes
from ..measurement.codec import Codec

# D(x, sigma) = E[x0 | x0 + sigma n = x]; x (batch, *shape), sigma a number, () or (batch,);
# a prior that offers NOISE_MAPS takes a map of them, too: as many axes as x, broadcastable to it;
# one that offers COLOURED takes a `coloured.Coloured` in its place
Denoiser = Callable[[Tensor, float | Tensor], Tensor]
# r^2(sigma) = E |x0 - D|^2 / n, the mean posterior variance of one value: an isotropic Cov[x0|x]
Law = Callable[[float], float]


def isotropic(std: float = 1.0) -> Law:
    """r^2 = sigma^2 std^2 / (sigma^2 + std^2): exact for white Gaussian signals of this std."""
    return lambda sigma: sigma**2 * std**2 / (sigma**2 + std**2)


DROWNED = 0.1  # of sigma^2: a signal of less variance is lost in noise of that level
NOISE_MAPS = "noise maps"  # what a denoiser that is told the noise of every value offers
COLOURED = "coloured noise"  # what one offers that takes `priors.coloured.Coloured` for sigma

UNIT = isotropic(1.0)  # the law of a prior that names none


def tabulated(sigmas: Sequence[float], variances: Sequence[float]) -> Law:
    """Measured mean square errors of a denoiser, interpolated in log-log; sigmas rising.

    Below the table r^2 falls as sigma^2, above it stays.
    """
    levels = [math.log(sigma) for sigma in sigmas]
    values = [math.log(max(variance, 1e-30)) for variance in variances]

    def law(sigma: float) -> float:
        level = math.log(sigma)
        if level <= levels[0]:
            return math.exp(values[0] + 2 * (level - levels[0]))
        if level >= levels[-1]:
            return math.exp(values[-1])
        i = next(k for k in range(1, len(levels)) if levels[k] >= level)
        share = (level - levels[i - 1]) / (levels[i] - levels[i - 1])
        return math.exp(values[i - 1] + share * (values[i] - values[i - 1]))

    return law


def as_measured(errors: Mapping[float, float]) -> Law:
    """The law of measured errors, sigma -> mean square; sigmas in any order."""
    sigmas = sorted(errors)
    return tabulated(sigmas, [errors[sigma] for sigma in sigmas])


class Guarded:
    """A denoiser that is given its own copy of x, and answers with a signal of x's shape.

    One that works in place, as networks with in-place activations do, leaves the chains as they
    are; another shape or batch, which would broadcast in silence, is a ValueError.
    """

    def __init__(self, denoise: Denoiser):
        self.denoise = denoise

    def __call__(self, x: Tensor, sigma: float | Tensor) -> Tensor:
        denoised = self.denoise(x.clone(), sigma)
        if not isinstance(denoised, Tensor):
            raise TypeError(f"a denoiser must give a tensor, got {shown(denoised)}")
        if denoised.shape != x.shape:
            raise ValueError(
                f"the denoiser gave {sizes(denoised.shape)} for a batch of {sizes(x.shape)}; "
                "D(x, sigma) must have the shape of x"
            )
        return denoised


@dataclass(frozen=True)
class Prior:
    """A pretrained denoiser with what must be known to use it.

    TypeError for a denoiser that is no function, or levels that are no numbers. What its denoiser
    answers is looked at by every call (Guarded).
    """

    denoise: Denoiser
    shape: tuple[int | None, ...] | None = None  # of one signal; None: any
    sigma_min: float = 0.002  # the noise levels that it was trained for
    sigma_max: float = 80.0
    mean: float | Tensor = 0.0  # about which a signal lies; a tensor has a signal's axes, or 1s
    variance: Law = UNIT
    card: Mapping[str, Any] = field(default_factory=dict)  # name, units, data, licence, sha256
    network: nn.Module | None = None  # what `to` moves; None: the denoiser follows its input
    footprint: float = 0.0  # bytes of memory per value of the signal in one call with gradient
    limit: int | None = None  # most values that one network call sees (tiles)
    offers: frozenset[str] = frozenset()  # beyond D(x, sigma), by the names that samplers ask for
    codec: Codec | None = None  # where the prior is of latents
    # what must be told something that only a recipe knows: its conditions -> the prior given them
    tell: Callable[..., "Prior"] | None = None
    # steps -> noise levels, as the authors of its network run it; None: they say nothing of it
    schedule: Callable[[int], Tensor] | None = None
    folder: Path | None = None  # that it was read from

    def __post_init__(self):
        if not callable(self.denoise):
            raise TypeError(f"denoise must be a function D(x, sigma), got {shown(self.denoise)}")
        if not isinstance(self.denoise, Guarded):
            object.__setattr__(self, "denoise", Guarded(self.denoise))
        for name in ("sigma_min", "sigma_max"):
            real_number(getattr(self, name), f"a prior's {name}")

    def to(self, device: torch.device | str) -> "Prior":
        if self.network is not None:
            self.network.to(device)
        return self

    @property
    def reaches_noise(self) -> bool:
        """Whether a signal with noise of sigma_max is as good as noise alone.

        Elsewhere, as for denoisers that were trained for small noise, a run begins from a first
        guess of the signal: from noise alone it would take the noise for a signal. Exact priors'
        levels are chosen so that they do.
        """
        exact = self.card.get("kind") == "exact"
        return exact or self.variance(self.sigma_max) <= DROWNED * self.sigma_max**2

    @property
    def on_any_grid(self) -> bool:
        """Whether a signal's last two axes may have any length."""
        return self.shape is None or self.shape[-2:] == (None, None)

    def accepts(self, shape: Sequence[int]) -> bool:
        """Whether signals of this shape are in its domain."""
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            mine in (None, given) for mine, given in zip(self.shape, shape, strict=True)
        )


def are_priors(*priors: Prior) -> None:
    """TypeError for what is no prior."""
    for prior in priors:
        if not isinstance(prior, Prior):
            raise TypeError(f"need a restore.Prior, got {shown(prior)}")


def of_signals(*priors: Prior) -> None:
    """ValueError where one is of latents: what changes a signal's shape or units stands within."""
    are_priors(*priors)
    if any(prior.codec is not None for prior in priors):
        raise ValueError("latent goes around other combinators: give them the prior of z itself")


def score(denoise: Denoiser, x: Tensor, sigma: float) -> Tensor:
    """grad log p_sigma(x) = (D - x) / sigma^2 (Tweedie)."""
    return (denoise(x, sigma) - x) / sigma**2


def linearize(
    denoise: Denoiser, x: Tensor, sigma: float | Tensor
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """D(x, sigma), and the pullback v -> J^T v; the pullback may be called again and again.

    J is the denoiser's Jacobian in x; for an exact denoiser sigma^2 J = Cov[x0 | x].
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        denoised = denoise(x, sigma)

    def pullback(v: Tensor) -> Tensor:
        return torch.autograd.grad(denoised, x, v, retain_graph=True)[0]

    return denoised.detach(), pullback
