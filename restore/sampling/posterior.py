"""Posterior: samples with their mean, deviation and quantiles, and how they were made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import atomic_path
from ..measurement.checks import real_number


@dataclass(frozen=True)
class Posterior:
    """Samples of p(x | y): (chains, *shape), or (observations, chains, *shape) of a stack."""

    samples: Tensor
    shape: tuple[int, ...]  # of one signal
    provenance: Mapping[str, Any] = field(default_factory=dict)
    latents: Tensor | None = None  # that were decoded to the samples, where the prior is of latents
    # how much wider std and intervals are than the samples, a number or (*shape): samples keep
    # their shapes, and a calibration tells how far they can be trusted
    width: float | Tensor = 1.0

    @property
    def chains(self) -> int:
        return self.samples.shape[self._axis]

    @property
    def mean(self) -> Tensor:
        """The average over the chains; (*shape)."""
        return self.samples.mean(self._axis)

    @property
    def std(self) -> Tensor:
        """The unbiased standard deviation over the chains, times width; (*shape).

        ValueError for one chain.
        """
        if self.chains < 2:
            raise ValueError("one chain has no standard deviation; run at least 2 chains")
        return self.width * self.samples.std(self._axis)

    @property
    def spread(self) -> Tensor:
        """The samples with their deviations from the mean times width: what intervals are of."""
        if not isinstance(self.width, Tensor) and self.width == 1:
            return self.samples
        mean = self.samples.mean(self._axis, keepdim=True)
        return mean + self.width * (self.samples - mean)

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
        """The central interval that holds `coverage` of the samples; two of (*shape).

        Where a width is set, its ends lie so much farther from the mean.
        """
        if not 0 < real_number(coverage, "coverage") < 1:
            raise ValueError(f"coverage must lie between 0 and 1, got {coverage}")
        ends, mean = self.quantiles([(1 - coverage) / 2, (1 + coverage) / 2]), self.mean
        low, high = mean + self.width * (ends - mean)
        return low, high

    def widened(self, factor: float) -> "Posterior":
        """A posterior of this mean, the samples' deviations from it times `factor`."""
        mean = self.samples.mean(self._axis, keepdim=True)
        return replace(
            self,
            samples=mean + factor * (self.samples - mean),
            provenance={**self.provenance, "width": factor},
            latents=None,
        )

    def observation(self, index: int) -> "Posterior":
        """The posterior of one observation of a stack."""
        if not self._axis:
            raise ValueError("this posterior is of one observation, not of a stack")
        latents = None if self.latents is None else self.latents[index]
        return replace(self, samples=self.samples[index], latents=latents)

    def save(self, path: str | Path) -> None:
        """Samples, latents, width and provenance in one safetensors file, whole or not at all."""
        from safetensors.torch import save_file

        notes = {
            "shape": json.dumps(list(self.shape)),
            "provenance": json.dumps(dict(self.provenance), default=str),
        }
        width = torch.as_tensor(self.width)
        tensors = {"samples": self.samples, "latents": self.latents, "width": width}
        kept = {name: value.contiguous() for name, value in tensors.items() if value is not None}
        with atomic_path(Path(path)) as partial:
            save_file(kept, partial, metadata=notes)

    @classmethod
    def load(cls, path: str | Path) -> "Posterior":
        from safetensors import safe_open

        with safe_open(path, "pt") as file:
            notes = file.metadata() or {}
            if "provenance" not in notes:
                raise ValueError(f"{path} holds no posterior: it was not written by Posterior.save")
            samples = file.get_tensor("samples")
            held = set(file.keys())
            latents = file.get_tensor("latents") if "latents" in held else None
            width = file.get_tensor("width") if "width" in held else torch.tensor(1.0)
        made = json.loads(notes["provenance"])
        width = width if width.ndim else width.item()
        return cls(samples, tuple(json.loads(notes["shape"])), made, latents, width)

    @property
    def _axis(self) -> int:
        return self.samples.ndim - len(self.shape) - 1
