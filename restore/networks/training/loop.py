"""Train a denoiser on signals of any kind: noisy patches in, EDM loss, a moving average out.

Loss, weighting and preconditioning: Karras et al., NeurIPS 2022, arXiv:2206.00364, table 1.
"""

import csv
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...atomic import atomic_path
from ...priors.coloured import Bands
from ...untrusted.saved_states import saved_state
from ..material import Material, Patches
from ..parameterisations import left_unknown, noise_map
from ..unets.kinds import preconditioned
from .descent import SAVED, Descent, Method, autocast, share_of_rate
from .noise_colours import draw_coloured
from .noise_levels import NoiseLevels, draw_maps, uniform

COLOURED = 0.5  # share of a band-wise network's examples with coloured noise, not a map of it
MEAN, SIGMA_DATA = 0.5, 0.25  # of signals that are told no others: photographs from 0 to 1


@dataclass(frozen=True)
class Training:
    """The plan of a training run; sizes in samples of the signal, sigma in its units."""

    steps: int = 20_000
    batch: int = 16
    patch: int = 64
    learning_rate: float = 1e-3
    warmup: int = 200  # steps of linear rise
    decay: float = 0.3  # share of the steps, at the end, in which the rate falls to zero
    average: float = 0.999  # of the exponential moving average of the weights
    levels: NoiseLevels = field(default_factory=NoiseLevels)
    early_patch: int = 32  # smaller patches at first, as many more of them: the quicker way
    early_steps: int = 0  # so many steps of them
    method: Method = "adamw"
    seed: int = 0

    def patches(self, step: int, dims: int) -> tuple[int, int]:
        """How many patches of what side step `step` sees."""
        if step >= self.early_steps:
            return self.batch, self.patch
        side = min(self.early_patch, self.patch)
        return self.batch * (self.patch // side) ** dims, side

    def rate(self, step: int) -> float:
        return self.learning_rate * share_of_rate(step, self.steps, self.warmup, self.decay)

    @property
    def facts(self) -> dict[str, Any]:
        """All numbers of the plan by name, as a prior's card and a run's folder state them."""
        facts: dict[str, Any] = {}
        for name, value in asdict(self).items():
            facts |= value if name == "levels" else {name: value}
        return facts


@dataclass(frozen=True)
class Session:
    """How long and where a training run is carried on now, and what it leaves behind."""

    checkpoint: Path | None = None  # gone on from if it exists; written at validations, at the end
    curve: Path | None = None  # a CSV file with a row for each validation
    device: str = "cpu"
    bfloat16: bool | None = None  # None: where the processor computes in it
    minutes: float | None = None  # stop after so long; a later session goes on
    validate_every: int = 1000  # steps
    validation_sigmas: Sequence[float] = (15 / 255, 25 / 255, 50 / 255)
    report: Callable[[str], None] = lambda line: None


def denoising_psnr(
    denoise: Callable[[Tensor, Tensor], Tensor],
    signals: Sequence[Tensor],
    sigma: float,
    *,
    peak: float = 1.0,
    seed: int = 0,
) -> float:
    """Mean over signals (channels, *size) of the PSNR in dB of one-pass denoising at sigma."""
    total = 0.0
    for index, signal in enumerate(signals):
        generator = torch.Generator().manual_seed(seed * 1000 + index)
        clean = (signal.float() / 255 if signal.dtype == torch.uint8 else signal.float())[None]
        noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
        with torch.no_grad():
            error = denoise(noisy, torch.tensor(sigma)).cpu() - clean
        total += 10 * math.log10(peak**2 / max(error.square().mean().item(), 1e-20))
    return total / len(signals)


def train(
    network: nn.Module,
    material: Material,
    training: Training,
    session: Session = Session(),
) -> nn.Module:
    """The network's moving average after training, in evaluation mode.

    The preconditioning takes the material's mean and sigma_data, 0.5 and 0.25 where it has none.
    Its augment makes each batch of patches before the noise; validation's signals are as they are.
    """
    run = _Run(network, material, training, session)
    patches = Patches(material.signals, training.patch, augment=material.augment)
    cast = autocast(run.device, session.bfloat16)
    started, seen = time.monotonic(), 0
    while run.step < training.steps:
        try:
            loss = run.update(patches, cast)
        except KeyboardInterrupt:
            run.save(session.checkpoint)
            raise
        seen += 1
        seconds = time.monotonic() - started
        late = session.minutes is not None and seconds > 60 * session.minutes
        ended = late or run.step == training.steps
        if run.step % 100 == 0 or ended:
            speed = f"{seen * training.batch / seconds:.0f} patches/s"
            session.report(f"step {run.step}/{training.steps}  loss {loss:.4f}  {speed}")
        if run.step % session.validate_every == 0 or ended:
            _validate(run, material.validation, session, seconds, loss)
        if ended:
            break
    return run.average.eval()


def _validate(
    run: "_Run", validation: Sequence[Tensor], session: Session, seconds: float, loss: float
) -> None:
    """Save the run, and tell how well it denoises what was held back; in words and in the curve."""
    sigmas = session.validation_sigmas if validation else ()
    psnrs = [denoising_psnr(run.denoiser(), validation, sigma) for sigma in sigmas]
    run.save(session.checkpoint)
    if session.curve is not None:
        named = {f"psnr_at_{sigma:.4f}": "" for sigma in session.validation_sigmas}
        named |= {f"psnr_at_{s:.4f}": f"{p:.3f}" for s, p in zip(sigmas, psnrs, strict=True)}
        append_row(Path(session.curve), run.step, seconds, loss, named)
    told = (f"sigma {s:.3g}: {p:.2f} dB" for s, p in zip(sigmas, psnrs, strict=True))
    session.report("validation  " + "  ".join(told))


class _Run:
    """The state of a training run: the descent of a network, and what the noise is drawn by."""

    def __init__(
        self, network: nn.Module, material: Material, training: Training, session: Session
    ):
        device, checkpoint = torch.device(session.device), session.checkpoint
        mean = MEAN if material.mean is None else material.mean
        sigma_data = SIGMA_DATA if material.sigma_data is None else material.sigma_data
        layout = torch.channels_last if network.dims == 2 else torch.preserve_format
        self.network = network.to(device, memory_format=layout)
        self.descent = Descent(
            self.network, training.learning_rate, training.average, training.method
        )
        self.training, self.mean, self.sigma_data = training, mean, sigma_data
        self.device = device
        self.generator = torch.Generator().manual_seed(training.seed)
        if checkpoint is not None and Path(checkpoint).exists():
            state = saved_state(checkpoint, *SAVED, "generator", device=device)
            self.descent.go_on_from(state)
            self.generator.set_state(state["generator"].cpu())

    @property
    def step(self) -> int:
        return self.descent.step

    @property
    def average(self) -> nn.Module:
        return self.descent.average

    def save(self, path: Path | None) -> None:
        if path is None:
            return
        generator = self.generator.get_state()
        state = {**self.descent.state, "generator": generator, "training": self.training.facts}
        with atomic_path(Path(path)) as partial:
            torch.save(state, partial)

    def denoiser(self):
        return preconditioned(self.average, mean=self.mean, sigma_data=self.sigma_data)

    def _noisy(self, clean: Tensor) -> tuple[Tensor, Tensor | Bands]:
        """Noisy signals, and their noise as the network is told it: (batch,), a map, or bands."""
        levels, generator = self.training.levels, self.generator
        white = torch.randn(clean.shape, generator=generator)
        if self.network.told == "bands":
            return self._in_colour(clean, white)
        if self.network.told == "map":
            sigma = draw_maps(levels, len(clean), clean.shape[1:], generator)
        else:
            sigma = levels.draw(len(clean), generator)
        clean, sigma, white = (v.to(self.device) for v in (clean, sigma, white))
        return clean + noise_map(sigma, clean) * white, sigma

    def _in_colour(self, clean: Tensor, white: Tensor) -> tuple[Tensor, Bands]:
        """Signals with coloured noise; a share of them with maps of it, as one band."""
        levels, generator = self.training.levels, self.generator
        maps = draw_maps(levels, len(clean), clean.shape[1:], generator)
        noisy, bands = [], []
        for index in range(len(clean)):
            x, z, own = (v[index : index + 1] for v in (clean, white, maps))
            if uniform(generator) < COLOURED:
                law = draw_coloured(levels, self.sigma_data, clean.shape[2:], generator)
                noisy.append(x + law.of(z))
                bands.append(law.in_bands(noisy[-1], self.mean))
            else:
                noisy.append(x + own * z)
                bands.append(Bands.one(noisy[-1] - self.mean, own))
        return torch.cat(noisy).to(self.device), Bands.together(bands).to(self.device)

    def update(self, patches: Patches, cast) -> float:
        training = self.training
        count, side = training.patches(self.step, patches.dims)
        clean = patches.draw(count, self.generator, side)
        noisy, noise = self._noisy(clean)
        clean = clean.to(self.device)
        with cast():
            denoise = preconditioned(self.network, mean=self.mean, sigma_data=self.sigma_data)
            denoised = denoise(noisy, noise)
        unknown = left_unknown(noise, noisy, self.sigma_data)
        loss = ((denoised.float() - clean).square() / unknown).mean()
        return self.descent.descend(loss, training.rate(self.step))


def append_row(
    path: Path, step: int, seconds: float, loss: float, figures: Mapping[str, str]
) -> None:
    """A validation's row in a CSV file of them, with its heading where it is the first."""
    new = not path.exists()
    with open(path, "a", newline="") as file:
        rows = csv.writer(file)
        if new:
            rows.writerow(["step", "seconds", "loss", *figures])
        rows.writerow([step, f"{seconds:.0f}", f"{loss:.5f}", *figures.values()])
