"""Two or more independent signals restored at once: structured noise, unknown blurs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...measurement.signal import column
from ..prior import Denoiser, Prior, of_signals


def joint(*priors: Prior) -> Prior:
    """The prior of the stack (x, h, ...), p(x) p(h) ...; `restore_operators.Take` takes parts out.

    Signals that differ only in their first axis are stacked along it, (channels of all, *rest);
    others are flattened and laid end to end, (values of all,), and each must know its shape.

    All parts stand at one noise level sigma. If h is s times as large as x, let the state hold
    h / s, joint(prior_x, normalised(prior_h, 0, 1 / s)), and the operator s h, A @ take_x +
    s * take_h: then one schedule and one variance law suit both. Levels that a part was not
    trained for: below its sigma_min it is asked at sigma_min; above its sigma_max, where nothing
    is known of the signal, its departure from its mean is scaled down to sigma_max and falls on
    as that of a Gaussian does, 1 / sigma^2.

    Stevens et al. 2025 (structured noise), arXiv:2302.05290; Chung et al. 2023 (BlindDPS),
    arXiv:2211.10656. There the parts have guidance weights of their own; the stack needs none.
    ValueError for fewer than two priors, or flat parts of unknown size.
    """
    of_signals(*priors)
    if len(priors) < 2:
        raise ValueError(f"a joint prior is made of at least 2, got {len(priors)}")
    layout = _layout([prior.shape for prior in priors])
    shares = _shares(layout)
    networks = [prior.network for prior in priors if prior.network is not None]
    limits = [prior.limit for prior in priors]
    return Prior(
        _stacked([within(prior) for prior in priors], layout),
        layout.shape,
        sigma_min=min(prior.sigma_min for prior in priors),
        sigma_max=max(prior.sigma_max for prior in priors),
        mean=_mean(priors, layout),
        variance=lambda sigma: sum(w * p.variance(sigma) for w, p in zip(shares, priors)),
        card={"name": "joint", "kind": "joint", "parts": [dict(p.card) for p in priors]},
        network=nn.ModuleList(networks) if networks else None,
        footprint=sum(w * prior.footprint for w, prior in zip(shares, priors)),
        limit=None if None in limits else sum(limits),
    )


def within(prior: Prior) -> Denoiser:
    """Its denoiser at any noise level, inside or outside the range it was trained for."""
    low, high = prior.sigma_min, prior.sigma_max

    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        sigma = torch.as_tensor(sigma, dtype=x.dtype, device=x.device)
        mean = torch.as_tensor(prior.mean, dtype=x.dtype, device=x.device)
        shrink = (high / sigma).clamp(max=1)
        shrink = column(shrink, x) if shrink.ndim else shrink
        seen = prior.denoise(mean + shrink * (x - mean), sigma.clamp(low, high))
        return mean + shrink * (seen - mean)

    return denoise


@dataclass(frozen=True)
class Layout:
    """How parts make up a signal: `sizes` along the first axis; `parts`' shapes where flattened."""

    shape: tuple[int | None, ...]
    sizes: list[int]
    parts: list[tuple[int, ...]] | None

    def split(self, x: Tensor) -> Sequence[Tensor]:
        pieces = x.split(self.sizes, 1)
        if self.parts is None:
            return pieces
        return [piece.unflatten(1, part) for piece, part in zip(pieces, self.parts, strict=True)]

    def join(self, pieces: Sequence[Tensor]) -> Tensor:
        return torch.cat([p.flatten(1) for p in pieces] if self.parts else list(pieces), 1)


def _layout(shapes: list[tuple[int | None, ...] | None]) -> Layout:
    if None in shapes:
        raise ValueError("the parts of a joint prior must know how many axes they have")
    rests = {shape[1:] for shape in shapes}
    if len(rests) == 1 and all(shape[0] is not None for shape in shapes):
        sizes = [shape[0] for shape in shapes]
        return Layout((sum(sizes), *rests.pop()), sizes, None)
    if any(None in shape for shape in shapes):
        raise ValueError(
            f"parts of different shapes are laid end to end, which needs sizes, got {shapes}; "
            "give one with dataclasses.replace(prior, shape=...)"
        )
    sizes = [math.prod(shape) for shape in shapes]
    return Layout((sum(sizes),), sizes, shapes)


def _shares(layout: Layout) -> list[float]:
    return [size / sum(layout.sizes) for size in layout.sizes]


def _stacked(denoisers: list[Denoiser], layout: Layout) -> Denoiser:
    def denoise(x: Tensor, sigma: float | Tensor) -> Tensor:
        pieces = layout.split(x)
        return layout.join([d(piece, sigma) for d, piece in zip(denoisers, pieces, strict=True)])

    return denoise


def _mean(priors: Sequence[Prior], layout: Layout) -> float | Tensor:
    """One number where all agree, else of each part, broadcastable to the stack."""
    means = [prior.mean for prior in priors]
    if all(not isinstance(mean, Tensor) and mean == means[0] for mean in means):
        return means[0]
    means = [torch.as_tensor(mean, dtype=torch.float64) for mean in means]
    if layout.parts is not None:
        parts = zip(means, layout.parts, strict=True)
        return torch.cat([mean.expand(part).flatten() for mean, part in parts])
    rest = torch.broadcast_shapes((1,) * (len(layout.shape) - 1), *(m.shape[1:] for m in means))
    return torch.cat([m.expand(n, *rest) for m, n in zip(means, layout.sizes, strict=True)])
