"""dehaze: haze out of frames and cines, by two priors that share what was measured."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from restore.files.answers.on_disk import filled
from restore.files.task import Recipe, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.priors.combined.joint import joint
from restore.priors.prior import Prior

from ..baselines import BASELINES
from ..echoes.echoes import echoes
from ..echoes.grid import SIDE
from ..files.frames import BMODE
from ..haze import haze as simulated_haze
from ..haze import hazy
from ..operators.companding import RANGE, HazeSum, companded, expanded, mu_of
from .posing import Posed, checked_noise, checked_warm, format_of

STEPS = 16
NOISE = 0.04  # of brightness: what interference of tissue and haze does to the sum of their powers
LEVEL = -18.0  # dB of simulated haze at its loudest


def solve_dehaze(
    record: Record,
    noise: float | None,
    *,
    strength: float = 1.0,
    region: str = "",
    haze: str = "us-haze",
    side: int = SIDE,
    warm: float = 0.0,
    motion: bool = False,
) -> Task:
    """Take haze out of ultrasound: y = tissue + haze + noise, both with a prior of their own.

    Echoes are companded, and add up by their powers. Frames of a cine are restored one after
    another. What is written beside: `removed`, the haze that was taken out.

    strength: share of the haze that is taken out, 0 to 2
    region: box of the echoes, x0,y0,x1,y1, or all; else the file's own ultrasound regions
    haze: prior of the haze, a name or a folder
    side: pixels of the grid that the priors see, at most
    warm: noise of the frame before that the next one begins from, 0.2; 0 for none
    motion: move the frame before to where the next one shows its tissue, with --warm
    """
    if motion and not warm:
        raise ValueError("--motion moves what --warm begins from: give --warm 0.2, too")
    if not 0 <= strength <= 2:
        raise ValueError(f"the strength is a share of the haze, 0 to 2, got {strength}")
    noise = checked_noise(noise, NOISE)
    seen = echoes(record, region, side)

    def measurement(k: int) -> Measurement:
        y = seen.grid(k)
        return Measurement(y, HazeSum(tuple(y.shape[1:]), seen.mu), Gaussian(noise))

    def removed(k: int, signal: Tensor) -> Tensor:
        return strength * (seen.grid(k) - signal[:1]).clamp_min(0)

    sampler = SamplerChoice("pigdm", STEPS)
    posed = Posed(seen, measurement, removed, sampler, checked_warm(warm), "removed", motion)
    facts = {"strength": strength, "noise of brightness": noise}
    task = posed.task(_baselines(), facts, format_of(record, seen))
    return replace(task, adapt_prior=with_haze(haze))


def with_haze(name: str) -> Callable[[Prior], Prior]:
    """Tissue's prior -> the prior of tissue and haze, by the haze prior of a name or folder."""

    def adapt(tissue: Prior) -> Prior:
        from restore.sampling.by_name import load_prior

        return joint(tissue, load_prior(name))

    return adapt


def _baselines() -> dict[str, Callable[[Tensor], Tensor]]:
    """Classical answers of a frame, and what they leave, as signals of both priors."""

    def with_rest(baseline: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        def answer(y: Tensor) -> Tensor:
            x = baseline(y)
            return torch.cat([x, (y - x).clamp_min(0)])

        return answer

    return {name: with_rest(baseline) for name, baseline in BASELINES.items()}


def simulate_dehaze(
    record: Record, noise: float | None, seed: int, *, level: float = LEVEL, region: str = ""
) -> dict[str, Record]:
    """Simulated haze (`restore_ultrasound.haze`) over the frames of a file.

    level: dB of the haze at its loudest, under white
    region: box of the echoes, x0,y0,x1,y1, or all; else the file's own ultrasound regions
    """
    if noise is not None:
        raise ValueError("haze is simulated with --level, not with --noise")
    if record.kind != BMODE:
        raise ValueError(f"haze is simulated on frames as displayed, not on {record.kind}")
    seen = echoes(record, region, SIDE)
    generator = torch.Generator().manual_seed(seed)
    fields = simulated_haze(seen.size, generator, level)
    mu = mu_of(RANGE)

    def spoiled(k: int) -> np.ndarray:
        clean, frame = seen.brightness(k), record.signal[0, k].clone()
        y = companded(hazy(expanded(clean, mu), fields, generator).clamp(max=1), mu)
        frame[seen.box.slices] = torch.where(seen.inside, y, clean)
        return frame.numpy()

    frames = filled(map(spoiled, range(seen.count)), record.signal.shape[1:], np.float32)
    return {"measurement": record.with_signal(torch.from_numpy(frames)[None]), "reference": record}


dehaze = Recipe(solve_dehaze, simulate=simulate_dehaze, slices=True)
