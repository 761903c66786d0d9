"""us-deconvolve: the width of the beam out of frames, by the point spread of their powers."""

from torch import Tensor

from restore.files.task import Recipe, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.operator import LinearOperator

from ..echoes.echoes import echoes
from ..echoes.grid import SIDE
from ..operators.companding import PowerBlur
from ..operators.point_spread import DepthVarying, beam, point_spread
from .posing import Posed, checked_noise, checked_warm, format_of

STEPS = 12
NOISE = 0.03
DEPTHS = 4  # at which a beam that widens is evaluated


def solve_deconvolve(
    record: Record,
    noise: float | None,
    *,
    lateral: str = "3",
    axial: float = 1.5,
    region: str = "",
    side: int = SIDE,
    warm: float = 0.2,
) -> Task:
    """Sharpen ultrasound: powers of echoes are blurred by the square of the beam and the pulse.

    Phases of neighbouring scatterers are random, so that powers blur in the mean, not amplitudes.
    Widths are of the squared profile, at half of its maximum, in pixels of the grid.

    lateral: width of the beam, or near:far where it widens with depth, 2:6
    axial: width of the pulse in depth
    region: box of the echoes, x0,y0,x1,y1, or all; else the file's own ultrasound regions
    side: pixels of the grid that the prior sees, at most
    warm: noise of the frame before that the next one begins from; 0 for none
    """
    noise = checked_noise(noise, NOISE)
    seen = echoes(record, region, side)
    spread = spread_of(tuple(seen.grid(0).shape), lateral, axial)

    def measurement(k: int) -> Measurement:
        return Measurement(seen.grid(k), PowerBlur(spread, seen.mu), Gaussian(noise))

    def removed(k: int, signal: Tensor) -> Tensor:
        return seen.grid(k) - signal

    sampler = SamplerChoice("tmpd", STEPS, options={"integrator": "heun"})
    posed = Posed(seen, measurement, removed, sampler, checked_warm(warm))
    facts = {"lateral width": lateral, "axial width": axial, "noise of brightness": noise}
    return posed.task({}, facts, format_of(record, seen))


def spread_of(shape: tuple[int, int, int], lateral: str, axial: float) -> LinearOperator:
    """The blur of powers, (1, depth, lines); ValueError for widths that are no positive numbers."""
    try:
        widths = [float(word) for word in lateral.split(":")]
    except ValueError:
        widths = []
    if len(widths) not in (1, 2) or min(*widths, axial) <= 0:
        raise ValueError(f"--lateral is a width in pixels, or near:far, got {lateral!r}")
    pulse = beam(axial)
    if len(widths) == 1:
        return point_spread(shape, pulse, beam(widths[0]))
    near, far = widths
    steps = [near + (far - near) * k / (DEPTHS - 1) for k in range(DEPTHS)]
    return DepthVarying([point_spread(shape, pulse, beam(width)) for width in steps])


deconvolve = Recipe(solve_deconvolve, slices=True)
