"""Train a speech denoiser, told a noisy recording or not; its moving average comes out."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restore.atomic import atomic_path
from restore.networks.training.descent import (
    SAVED,
    Descent,
    Method,
    autocast,
    share_of_rate,
)
from restore.networks.training.loop import append_row
from restore.untrusted.saved_states import saved_state

from ..networks.spectral_unet import HOP, SIGMA_DATA, SpectralUNet
from .losses import log_error, spectral_error
from .pool import Pool

SIGMA_MIN, SIGMA_MAX = 1e-4, 2.0  # of the waveform; speech has a root mean square of 0.05


@dataclass(frozen=True)
class Plan:
    """How a network is trained; excerpts are so many frames of 16 ms."""

    conditional: bool = True
    steps: int = 30_000
    batch: int = 4
    frames: int = 192
    early: float = 0.5  # share of the steps, at the start, with twice as many halves of excerpts
    learning_rate: float = 1e-3
    warmup: int = 300
    decay: float = 0.3  # share of the steps, at the end, in which the rate falls to zero
    average: float = 0.999
    predictive: float = 0.75  # share of a conditional network's examples that see noise alone in u
    dry: float = 0.35  # share of examples in which the room is to be removed
    method: Method = "muon"
    seed: int = 0

    @property
    def samples(self) -> int:
        return HOP * (self.frames - 1)

    def excerpts(self, step: int) -> tuple[int, int]:
        """How many excerpts of how many samples step `step` sees."""
        if step >= self.early * self.steps:
            return self.batch, self.samples
        return 2 * self.batch, HOP * (self.frames // 2 - 1)

    def rate(self, step: int) -> float:
        return self.learning_rate * share_of_rate(step, self.steps, self.warmup, self.decay)


class Run:
    """The descent of a network, which can be gone on with from its checkpoint.

    start: a network of this shape whose weights are begun from.
    """

    def __init__(self, plan: Plan, checkpoint: Path, start: SpectralUNet | None = None, **shape):
        torch.manual_seed(plan.seed)
        self.plan, self.checkpoint = plan, checkpoint
        self.network = SpectralUNet(conditional=plan.conditional, **shape)
        if start is not None:
            self.network.load_state_dict(start.state_dict())
        self.network.to(memory_format=torch.channels_last)
        self.descent = Descent(self.network, plan.learning_rate, plan.average, plan.method)
        self.cast = autocast(torch.device("cpu"))
        self.rng = np.random.default_rng(plan.seed)
        if checkpoint.exists():
            self.descent.go_on_from(saved_state(checkpoint, *SAVED))
            self.rng = np.random.default_rng([plan.seed, self.step])

    @property
    def step(self) -> int:
        return self.descent.step

    def save(self) -> None:
        with atomic_path(self.checkpoint) as partial:
            torch.save(self.descent.state, partial)

    def update(self, pool: Pool) -> float:
        plan = self.plan
        count, samples = plan.excerpts(self.step)
        dry = self.rng.random(count) < (plan.dry if plan.conditional else 0.0)
        noisy, clean = pool.draw(dry, SIGMA_DATA, samples)
        if not plan.conditional:
            clean = at_level(clean)
        sigma = self._levels(count)
        u = clean + sigma[:, None, None] * torch.randn(clean.shape)
        told = (noisy, torch.from_numpy(dry)) if plan.conditional else ()
        with self.cast():
            estimate = self.network(u, sigma, *told)
        loss = objective(self.network, estimate, clean, noisy, sigma)
        return self.descent.descend(loss, plan.rate(self.step))

    def _levels(self, count: int) -> Tensor:
        """A noise level for each example: log-uniform, or the highest, where u tells nothing."""
        plan = self.plan
        span = math.log(SIGMA_MAX / SIGMA_MIN)
        sigma = SIGMA_MIN * np.exp(span * self.rng.random(count))
        if plan.conditional:
            sigma[self.rng.random(count) < plan.predictive] = SIGMA_MAX
        return torch.from_numpy(sigma).float()


def at_level(clean: Tensor) -> Tensor:
    """Speech alone at a root mean square of about 0.05; what is mostly pause stays quieter."""
    power = clean.square().mean((-1, -2), keepdim=True).sqrt()
    return clean * SIGMA_DATA / power.clamp_min(0.3 * SIGMA_DATA)


def objective(
    network: SpectralUNet, estimate: Tensor, clean: Tensor, noisy: Tensor, sigma: Tensor
) -> Tensor:
    """EDM's weighted square error (Karras et al. 2022, table 1), and for a conditional network,
    in its place, errors of compressed spectra and of the waveform in decibels: what is heard."""
    weight = (sigma**2 + SIGMA_DATA**2) / (sigma * SIGMA_DATA) ** 2
    square = weight * (estimate - clean).square().mean((-1, -2))
    if not network.conditional:
        return square.mean()
    estimated, wanted = network.spectrum(estimate[:, 0]), network.spectrum(clean[:, 0])
    heard = spectral_error(estimated, wanted) + 0.02 * log_error(estimate, clean, noisy)
    return (heard + 0.1 * square).mean()


def train(
    run: Run,
    pool: Pool,
    validate: Callable[[SpectralUNet], dict[str, float]],
    *,
    every: int = 1000,
    minutes: float | None = None,
    report: Callable[[str], None] = print,
) -> SpectralUNet:
    """Go on to the plan's last step, or until the minutes are over; the moving average."""
    started, first = time.monotonic(), run.step
    while run.step < run.plan.steps:
        loss = run.update(pool)
        passed = time.monotonic() - started
        ended = run.step == run.plan.steps or (minutes is not None and passed > 60 * minutes)
        if run.step % 100 == 0:
            rate = (run.step - first) / passed
            renewed = int(pool.filled) / passed
            report(f"step {run.step}  loss {loss:.4f}  {rate:.2f} steps/s  {renewed:.1f} new/s")
        if run.step % every == 0 or ended:
            run.save()
            figures = validate(run.descent.average.eval())
            told = {name: f"{value:.4f}" for name, value in figures.items()}
            append_row(run.checkpoint.with_name("curve.csv"), run.step, passed, loss, told)
            report("validation  " + "  ".join(f"{k} {v:.3f}" for k, v in figures.items()))
        if ended:
            break
    return run.descent.average.eval()
