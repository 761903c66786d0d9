"""us-despeckle: speckle by its own law, that of intensities, and not as noise of a log image."""

from restore.files.task import Recipe, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement
from restore.measurement.not_gaussian import Speckle

from ..baselines import BASELINES
from ..echoes.echoes import echoes
from ..echoes.grid import SIDE
from ..operators.companding import Intensity, expanded
from .posing import Posed, checked_warm, format_of

STEPS = 20
FAINT = 1e-7  # of the loudest intensity: black pixels are taken for as much, 70 dB below


def solve_despeckle(
    record: Record,
    noise: float | None,
    *,
    looks: float = 1.0,
    region: str = "",
    side: int = SIDE,
    warm: float = 0.0,
) -> Task:
    """Take speckle out of ultrasound: intensities are the tissue's times Gamma noise of mean 1.

    looks: how many independent looks a pixel averages, 1 of full speckle, more of compounding
    region: box of the echoes, x0,y0,x1,y1, or all; else the file's own ultrasound regions
    side: pixels of the grid that the prior sees, at most
    warm: noise of the frame before that the next one begins from; 0 for none
    """
    if noise is not None:
        raise ValueError("speckle is told by --looks, not by --noise")
    if not 0.5 <= looks <= 100:
        raise ValueError(f"a pixel averages 0.5 to 100 looks, got {looks}")
    seen = echoes(record, region, side)

    def measurement(k: int) -> Measurement:
        y = expanded(seen.grid(k), seen.mu).square().clamp_min(FAINT)
        return Measurement(y, Intensity(tuple(y.shape), seen.mu), Speckle(looks))

    posed = Posed(
        seen,
        measurement,
        lambda k, signal: seen.grid(k) - signal,
        SamplerChoice("daps", STEPS),
        checked_warm(warm),
    )
    return posed.task(BASELINES, {"looks": looks}, format_of(record, seen))


despeckle = Recipe(solve_despeckle, slices=True)
