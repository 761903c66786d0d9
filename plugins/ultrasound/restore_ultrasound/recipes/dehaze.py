"""dehaze: haze out of frames and cines, by two priors that share what was measured."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from restore.files.task import Comparison, Frames, Recipe, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.priors.combined.joint import joint
from restore.priors.prior import Prior

from ..baselines import BASELINES
from ..echoes import Echoes, echoes
from ..files.frames import BMODE
from ..grid import SIDE
from ..haze import haze as simulated_haze
from ..haze import hazy
from ..operators.companding import RANGE, HazeSum, companded, expanded, mu_of

STEPS = 12  # of Heun's method, two calls each: Euler's steps leave samples 15 % too narrow
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
    warm: float = 0.2,
) -> Task:
    """Take haze out of ultrasound: y = tissue + haze + noise, both with a prior of their own.

    Echoes are companded, and add up by their powers. Frames of a cine are restored one after
    another. What is written beside: `removed`, the haze that was taken out.

    strength: share of the haze that is taken out, 0 to 2
    region: box of the echoes, x0,y0,x1,y1, or all; else the file's own ultrasound regions
    haze: prior of the haze, a name or a folder
    side: pixels of the grid that the priors see, at most
    warm: noise of the frame before that the next one begins from; 0 for none
    """
    if not 0 <= strength <= 2:
        raise ValueError(f"the strength is a share of the haze, 0 to 2, got {strength}")
    if not 0 <= warm <= 3:
        raise ValueError(f"the noise of a warm start is in brightness, 0 to 3, got {warm}")
    noise = NOISE if noise is None else noise
    if noise <= 0:
        raise ValueError("the noise of a measurement must be positive")
    seen = echoes(record, region, side)
    middle = seen.count // 2

    def measurement(k: int) -> Measurement:
        y = seen.grid(k)
        return Measurement(y, HazeSum(tuple(y.shape[1:]), seen.mu), Gaussian(noise))

    def without(k: int, signal: Tensor) -> Record:
        return seen.without(k, strength * haze_of(seen, k, signal))

    def removed(k: int, signal: Tensor) -> Record:
        return seen.removed(k, strength * haze_of(seen, k, signal))

    frames = Frames(
        seen.count, middle, seen.record, measurement, without, {"removed": removed}, warm or None
    )
    return Task(
        measurement(middle),
        "us-tissue",
        SamplerChoice("tmpd", STEPS, {"integrator": "heun"}),
        lambda signal: without(middle, signal),
        adapt_prior=with_haze(haze),
        comparison=_comparison(seen, middle),
        parts={"removed": lambda signal: removed(middle, signal)},
        frames=frames if seen.count > 1 else None,
        facts=_facts(seen, strength, noise),
        format=".h5" if record.kind != seen.record.kind else None,
    )


def with_haze(name: str) -> Callable[[Prior], Prior]:
    """Tissue's prior -> the prior of tissue and haze, by the haze prior of a name or folder."""

    def adapt(tissue: Prior) -> Prior:
        from restore.sampling.by_name import load_prior

        return joint(tissue, load_prior(name))

    return adapt


def haze_of(seen: Echoes, k: int, signal: Tensor) -> Tensor:
    """What brightness loses where tissue alone is left, (1, rows, columns); never negative."""
    return (seen.grid(k) - signal[:1]).clamp_min(0)


def _comparison(seen: Echoes, k: int) -> Comparison:
    frame = seen.record.with_signal(seen.record.signal[:, k : k + 1])
    y = seen.grid(k)

    def answer(baseline: Callable[[Tensor], Tensor]) -> Callable[[], Tensor]:
        def of_frame() -> Tensor:
            x = baseline(y)
            return torch.cat([x, (y - x).clamp_min(0)])

        return of_frame

    return Comparison(
        input_shown=frame,
        baselines={name: answer(baseline) for name, baseline in BASELINES.items()},
        views=None if seen.record.kind == BMODE else seen.view,
    )


def _facts(seen: Echoes, strength: float, noise: float) -> Mapping[str, object]:
    facts = {
        "strength": strength,
        "noise of brightness": noise,
        "mu of the companding": round(seen.mu, 1),
        "box of the echoes": str(seen.box),
        "grid": "x".join(map(str, seen.grid(0).shape[1:])),
    }
    seconds = seen.record.meta.get("seconds")
    if seconds and len(seconds) > 1 and seconds[-1] > 0:
        facts["frames a second"] = round((len(seconds) - 1) / seconds[-1], 2)
    return facts


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
    signal, mu = record.signal.clone(), mu_of(RANGE)
    for k in range(seen.count):
        clean = seen.brightness(k)
        y = companded(hazy(expanded(clean, mu), fields, generator).clamp(max=1), mu)
        signal[(0, k, *seen.box.slices)] = torch.where(seen.inside, y, clean)
    return {"measurement": record.with_signal(signal), "reference": record}


dehaze = Recipe(solve_dehaze, simulate=simulate_dehaze)
