"""Plug-and-play diffusion, first on a coarse grid: where the views are far fewer than the pixels.

Ours, on the steps of DiffPIR (Zhu et al., CVPRW 2023, arXiv:2305.08995). A network that was
trained on patches knows the parts of a slice better than the whole; on a grid of half as many
pixels the whole is no larger than such parts are.
"""

from dataclasses import replace
from itertools import pairwise

from torch import Tensor
from torch.nn.functional import interpolate, pad

from restore.measurement.measurement import Measurement
from restore.measurement.operator import LinearOperator
from restore.samplers.base import Step, sampler

Place = tuple[int, float]  # how many pixels a side of the grid's make one, the noise level


class Enlarged(LinearOperator):
    """Each pixel becomes a block of `times` a side; (..., y / times, x / times) -> (..., y, x).

    Sizes that `times` does not divide are rounded up, and the last blocks are cut.
    """

    def __init__(self, out_shape: tuple[int, ...], times: int):
        super().__init__((*out_shape[:-2], *(-(-n // times) for n in out_shape[-2:])), out_shape)
        self.times = times

    def _forward(self, x: Tensor) -> Tensor:
        height, width = self.out_shape[-2:]
        larger = x.repeat_interleave(self.times, -2).repeat_interleave(self.times, -1)
        return larger[..., :height, :width]

    def _adjoint(self, y: Tensor) -> Tensor:
        (rows, columns), (height, width) = self.in_shape[-2:], self.out_shape[-2:]
        whole = pad(y, (0, columns * self.times - width, 0, rows * self.times - height))
        blocks = whole.unflatten(-1, (columns, self.times)).unflatten(-3, (rows, self.times))
        return blocks.sum((-3, -1))


@sampler(resumes=True, regrids=True)
def coarse_to_fine(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    grid: int = 2,
    begin: float = 0.3,
    trust: float = 1.0,
    resumed,
):
    """A chain of DiffPIR on a coarse grid, then one on the fine grid that begins where it ended.

    The coarse answer is a start, not a term of the posterior: interpolated, with noise of `begin`
    that hides what it cannot hold, it stands in for the levels above `begin`. From there on the
    chain is DiffPIR's, on all pixels, and it is that which fits the data. Means agree; samples of
    a wide Gaussian prior spread 0.65 times as far as DiffPIR's own, those of slices about as far:
    views that are kept back tell. All draws are the chain's own. On the coarse grid an image is
    one of blocks of equal pixels, seen by the measurement's own operator. For signals (..., y, x),
    and a prior of any size.

    grid: pixels of the fine grid a side to one of the first grid, a power of 2; each grid after it
    is twice as fine. 1 is DiffPIR.
    begin: the level that a finer grid begins at; where the run begins at less, so does it.
    trust: lambda of DiffPIR, the weight of the prior in the proximal step.
    ValueError for signals of fewer than two axes.
    """
    if len(measurement.operator.in_shape) < 2:
        raise ValueError("coarse grids are of signals with rows and columns")
    seen = {n: _on_grid(measurement, n) for n in _grids(grid)}
    way = list(pairwise(places(sigmas.tolist(), grid, begin)))
    for (times, sigma), (times_next, sigma_next) in way[resumed.passed :]:
        denoised = denoise(x[..., ::times, ::times], sigma)
        estimate = seen[times].proximal(denoised, sigma**2 / trust)
        shown = _larger(estimate, measurement, times)
        if times_next < times:
            rows, columns = x[..., ::times_next, ::times_next].shape[-2:]
            estimate = _interpolated(estimate, times // times_next)[..., :rows, :columns]
        noisy = estimate + sigma_next * randn_like(estimate)
        x = _larger(noisy, measurement, times_next)  # blocks of equal pixels: all that a grid holds
        yield Step(x, shown, sigma)


def places(sigmas: list[float], grid: int, begin: float) -> list[Place]:
    """The grids and levels that a chain passes: (grid, sigma_max), ..., (1, begin), ..., (1, 0).

    ValueError for a grid that is no power of 2, or a level that is not positive.
    """
    if not begin > 0:
        raise ValueError(f"the level that a finer grid begins at must be positive, got {begin}")
    begin = min(begin, sigmas[0])
    first, *after = _grids(grid)
    way = [(first, sigma) for sigma in sigmas]
    for times in after:
        way = way[:-1] + [(times, begin)] + [(times, s) for s in sigmas if s < begin * (1 - 1e-9)]
    return way


def _grids(grid: int) -> list[int]:
    """4, 2, 1 of a grid of 4."""
    if grid < 1 or grid & (grid - 1):
        raise ValueError(f"the first grid is 1, 2, 4, ... pixels of the fine one, got {grid}")
    return [grid >> k for k in range(grid.bit_length())]


def _on_grid(measurement: Measurement, times: int) -> Measurement:
    """The measurement of an image of blocks."""
    if times == 1:
        return measurement
    operator = measurement.operator
    return replace(measurement, operator=operator @ Enlarged(operator.in_shape, times))


def _larger(x: Tensor, measurement: Measurement, times: int) -> Tensor:
    return x if times == 1 else Enlarged(measurement.operator.in_shape, times)(x)


def _interpolated(x: Tensor, times: int) -> Tensor:
    """Smooth between the middles of the blocks; (..., y, x) -> (..., times y, times x)."""
    pictures = x.flatten(0, -3)[:, None]
    larger = interpolate(pictures, scale_factor=times, mode="bicubic", align_corners=False)
    return larger[:, 0].unflatten(0, x.shape[:-2])
