"""Posterior: the samples, what they say, and how they were made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Posterior:
    """Samples of p(x | y): (chains, *shape), or (observations, chains, *shape) of a stack."""

    samples: Tensor
    shape: tuple[int, ...]  # of one signal
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def chains(self) -> int:
        return self.samples.shape[self._axis]

    @property
    def mean(self) -> Tensor:
        """The average over the chains; (*shape)."""
        return self.samples.mean(self._axis)

    @property
    def std(self) -> Tensor:
        """The unbiased standard deviation over the chains; (*shape). ValueError for one chain."""
        if self.chains < 2:
            raise ValueError("one chain has no standard deviation; run at least 2 chains")
        return self.samples.std(self._axis)

    def quantiles(self, levels: float | list[float]) -> Tensor:
        """Empirical quantiles of each value, linearly interpolated; (levels, *shape)."""
        q = torch.atleast_1d(torch.as_tensor(levels, dtype=self.samples.dtype))
        ordered = self.samples.sort(self._axis).values.movedim(self._axis, 0)
        place = q.to(ordered.device) * (self.chains - 1)
        low = place.floor().long()
        high = (low + 1).clamp(max=self.chains - 1)
        share = (place - low).reshape(-1, *(1,) * (ordered.ndim - 1))
        return ordered[low] + share * (ordered[high] - ordered[low])

    def interval(self, coverage: float = 0.9) -> tuple[Tensor, Tensor]:
        """The central interval that holds `coverage` of the samples; two of (*shape)."""
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must lie between 0 and 1, got {coverage}")
        low, high = self.quantiles([(1 - coverage) / 2, (1 + coverage) / 2])
        return low, high

    def widened(self, factor: float) -> "Posterior":
        """The same mean with deviations from it so many times as large (`restore.held_out`)."""
        mean = self.samples.mean(self._axis, keepdim=True)
        return replace(
            self,
            samples=mean + factor * (self.samples - mean),
            provenance={**self.provenance, "width": factor},
        )

    def observation(self, index: int) -> "Posterior":
        """The posterior of one observation of a stack."""
        if not self._axis:
            raise ValueError("this posterior is of one observation, not of a stack")
        return Posterior(self.samples[index], self.shape, self.provenance)

    def save(self, path: str | Path) -> None:
        """Samples and provenance in one safetensors file, whole or not at all."""
        from safetensors.torch import save_file

        path = Path(path)
        partial = path.with_name(path.name + ".partial")
        notes = {
            "shape": json.dumps(list(self.shape)),
            "provenance": json.dumps(dict(self.provenance), default=str),
        }
        save_file({"samples": self.samples.contiguous()}, partial, metadata=notes)
        partial.replace(path)

    @classmethod
    def load(cls, path: str | Path) -> "Posterior":
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
            if "provenance" not in notes:
                raise ValueError(f"{path} holds no posterior: it was not written by Posterior.save")
            samples = file.get_tensor("samples")
        return cls(samples, tuple(json.loads(notes["shape"])), json.loads(notes["provenance"]))

    @property
    def _axis(self) -> int:
        return self.samples.ndim - len(self.shape) - 1


def spread(signals: Sequence[Tensor]) -> Tensor:
    """The unbiased standard deviation of signals of one shape, in double precision.

    Of complex signals that of their magnitudes.
    """
    signals = [magnitude(signal) for signal in signals]
    mean = sum(signal.double() for signal in signals) / len(signals)
    power = sum((signal - mean).square() for signal in signals)
    return (power / (len(signals) - 1)).sqrt().float()


def covered(signals: Sequence[Tensor], truth: Tensor, share: float = 0.9) -> float:
    """The share of the true values that lie in their interval of `share`, from few samples.

    The interval is Student's for the next draw, mean +- t sqrt(1 + 1/n) s: of Gaussian samples of
    the true posterior it holds exactly `share`, however few they are. Complex signals are compared
    by their magnitudes.
    """
    count, signals, truth = (
        len(signals),
        [magnitude(signal) for signal in signals],
        magnitude(truth),
    )
    quantile = _student(count - 1, (1 + share) / 2)
    width = quantile * (1 + 1 / count) ** 0.5 * spread(signals)
    mean = sum(signal.double() for signal in signals) / count
    return ((truth - mean).abs() <= width + 1e-12).double().mean().item()


def magnitude(signal: Tensor) -> Tensor:
    """Of what is complex; what is real is itself."""
    return signal.abs() if signal.is_complex() else signal


def _student(freedom: int, level: float) -> float:
    """A quantile of Student's t, by its regularised incomplete beta integral and bisection."""
    t = torch.linspace(0, 400, 400_001, dtype=torch.float64)
    density = (1 + t.square() / freedom) ** (-(freedom + 1) / 2)
    below = torch.cumulative_trapezoid(density, t)
    tail = density[-1] * t[-1] / freedom  # of a power law, beyond the grid
    reached = 0.5 + 0.5 * below / (below[-1] + tail)
    return t[1 + int(torch.searchsorted(reached, level))].item()
