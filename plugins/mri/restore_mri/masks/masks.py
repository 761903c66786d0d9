"""Which samples of k-space are measured: the definitions of fastMRI, Poisson disc, radial, spiral.

Zbontar et al., arXiv:1811.08839, for random and equispaced lines; Defazio, arXiv:1912.01101, for
magic ones. All draw from numpy's RandomState, whose stream is frozen: with one acceleration, one
centre fraction and the same seed, the lines are those that fastMRI's own `MaskFunc` gives (0.2 and
later), bit by bit. The seed it takes for a file is `file_seed(name)`. Poisson discs and
trajectories are not bit-equal to any other package's.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from restore.files.naming import naming
from restore.untrusted.arrays import Archive, is_archive, read_array

from ..kspace.calibration import middle
from .poisson import poisson_disc
from .spokes_and_spirals import nearest, radial, spiral

Seed = int | Sequence[int]


def random_lines(n: int, acceleration: float, centre: int, seed: Seed = 0) -> Tensor:
    """Each line outside the centre with the probability that makes n / acceleration expected."""
    outside = (n / acceleration - centre) / (n - centre) if n > centre else 0
    drawn = np.random.RandomState(seed).uniform(size=n) < outside
    return torch.from_numpy(drawn) | centre_lines(n, centre)


def equispaced_lines(n: int, acceleration: float, centre: int, seed: Seed = 0) -> Tensor:
    """Every acceleration-th line from a random first one; the centre comes on top."""
    step = _whole(acceleration)
    first = np.random.RandomState(seed).randint(0, step)
    mask = centre_lines(n, centre)
    mask[first::step] = True
    return mask


def equispaced_fraction_lines(n: int, acceleration: float, centre: int, seed: Seed = 0) -> Tensor:
    """Wider steps, rounded to lines, so that n / acceleration are measured with the centre.

    Those of the public multi-coil data of fastMRI. ValueError where the centre alone is as many.
    """
    _leaves_lines(n, acceleration, centre)
    step = acceleration * (centre - n) / (centre * acceleration - n)
    first = np.random.RandomState(seed).randint(0, round(step))
    mask = centre_lines(n, centre)
    mask[np.around(np.arange(first, n - 1, step)).astype(int)] = True
    return mask


def magic_lines(n: int, acceleration: float, centre: int, seed: Seed = 0) -> Tensor:
    """Every acceleration-th line, the negative half off the mirror image of the positive one.

    Conjugate symmetry then gives a real image twice as many lines.
    """
    step = _whole(acceleration)
    first = np.random.RandomState(seed).randint(0, step)
    positive, negative = (first + 1, first + 2) if first % 2 == 0 else (first + 2, first - 1)
    half = (n + 1) // 2
    right, left = np.zeros(half, bool), np.zeros(n - half, bool)
    right[positive::step] = True
    left[negative::step] = True
    lines = np.fft.fftshift(np.concatenate([right, left[::-1]]))
    return torch.from_numpy(lines) | centre_lines(n, centre)


def magic_fraction_lines(n: int, acceleration: float, centre: int, seed: Seed = 0) -> Tensor:
    """Magic lines in wider steps, so that about n / acceleration are measured with the centre."""
    wanted = round(n / acceleration)
    centre = max(min(centre, wanted), 1)
    if wanted == centre:
        return centre_lines(n, centre)
    return magic_lines(n, round(n / (wanted - centre)), centre, seed)


LINES: dict[str, Callable[[int, float, int, Seed], Tensor]] = {
    "random": random_lines,
    "equispaced": equispaced_lines,
    "equispaced-fraction": equispaced_fraction_lines,
    "magic": magic_lines,
    "magic-fraction": magic_fraction_lines,
}
PLANES = ("poisson", "radial", "spiral")
MASKS = (*LINES, *PLANES)


def accelerate(
    name: str,
    shape: Sequence[int],
    acceleration: float,
    *,
    calibration: int | None = None,
    seed: Seed = 0,
    phase_axis: int = -1,
) -> Tensor:
    """A mask by name, one of `MASKS`: which samples of (ky, kx) are measured; bool.

    fastMRI's lines lie across phase_axis. Poisson, radial and spiral samples are spread over the
    plane, as 3-D encoding allows, and are exactly as many as asked for; the latter two are the
    grid points nearest to golden-angle trajectories, whose last arm is cut short.
    calibration: lines in the middle, or the side of a square there, measured in any case; None:
    the share of fastMRI, 0.32 / acceleration. `centre_count` gives them for another share.
    KeyError for an unknown name; ValueError for an acceleration below 1, or one that cannot be had
    with that much calibration.
    """
    if not acceleration >= 1:
        raise ValueError(f"the acceleration must be at least 1, got {acceleration}")
    if name not in MASKS:
        raise KeyError(f"no mask is called {name!r}; there are {', '.join(MASKS)}")
    height, width = shape
    extent = shape[phase_axis] if name in LINES else min(shape)
    centre = centre_count(extent, 0.32 / acceleration) if calibration is None else calibration
    if not 0 <= centre <= extent:
        raise ValueError(f"{centre} calibration lines do not fit into {extent}")
    if name in LINES:
        lines = LINES[name](extent, acceleration, centre, seed)
        return (lines if phase_axis == -1 else lines[:, None]).expand(height, width).clone()
    if name == "poisson":
        corners = acceleration < 1.5  # the ellipse holds 1 / 1.27 of all samples
        return poisson_disc(
            (height, width), acceleration, calibration=centre, corners=corners, seed=seed
        )
    points = radial(shape, 4 * max(shape)) if name == "radial" else spiral(shape, 128)
    return _along(points, (height, width), acceleration, centre)


def centre_count(n: int, fraction: float) -> int:
    """fastMRI's number of central lines."""
    return round(n * fraction)


def centre_lines(n: int, count: int) -> Tensor:
    """The `count` central lines of n, as fastMRI places them; bool, (n,)."""
    mask = torch.zeros(n, dtype=torch.bool)
    first = (n - count + 1) // 2
    mask[first : first + count] = True
    return mask


def file_seed(name: str) -> tuple[int, ...]:
    """The seed of fastMRI for a file of this name, its extension included."""
    return tuple(map(ord, name))


def from_file(path: str | Path, shape: Sequence[int], *, phase_axis: int = -1) -> Tensor:
    """A mask of (ky, kx) or (slice, ky, kx) from a .npy or .npz file; bool, true where not 0.

    One axis only are lines across phase_axis. shape: (ky, kx) of the k-space. ValueError, naming
    the file, for another size or what is no array of finite numbers.
    """
    path = Path(path)
    with naming(path):
        values = next(iter(Archive(path).values())) if is_archive(path) else read_array(path)
    if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise ValueError(f"{path}: an array of finite real numbers is needed")
    mask = torch.from_numpy(values != 0)
    if mask.ndim == 1 and len(mask) == shape[phase_axis]:
        mask = (mask if phase_axis == -1 else mask[:, None]).expand(*shape).clone()
    if mask.ndim not in (2, 3) or tuple(mask.shape[-2:]) != tuple(shape):
        raise ValueError(
            f"{path}: a mask of {shape[0]}x{shape[1]} is needed, this has the shape {values.shape}"
        )
    if not mask.any():
        raise ValueError(f"{path}: the mask measures nothing")
    return mask


def _along(points: Tensor, shape: tuple[int, int], acceleration: float, centre: int) -> Tensor:
    """The first samples that points (..., 2) come near, as many as the acceleration leaves."""
    wanted = round(shape[0] * shape[1] / acceleration)
    mask = torch.zeros(shape, dtype=torch.bool)
    middle(mask, (centre, centre)).fill_(True)
    met = nearest(points, shape).flatten().numpy()
    met, first = np.unique(met[~mask.flatten().numpy()[met]], return_index=True)
    more = wanted - int(mask.sum())
    if not 0 <= more <= len(met):
        raise ValueError(
            f"{acceleration:g}-fold acceleration is {wanted} samples: {mask.sum()} lie in the "
            f"middle and {len(met)} more on the trajectory"
        )
    mask.view(-1)[torch.from_numpy(met[first.argsort()[:more]])] = True
    return mask


def _whole(acceleration: float) -> int:
    if acceleration != round(acceleration):
        raise ValueError(f"lines in equal steps take a whole acceleration, got {acceleration:g}")
    return round(acceleration)


def _leaves_lines(n: int, acceleration: float, centre: int) -> None:
    if centre * acceleration >= n:
        raise ValueError(
            f"{centre} calibration lines of {n} are all that {acceleration:g}-fold acceleration "
            "leaves: take fewer"
        )
