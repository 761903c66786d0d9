"""Poisson-disc samples whose distance grows from the middle of k-space outwards.

Dart throwing on the grid (Cook, 1986), with the density of Lustig & Vasanawala's masks.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

HALVINGS = 12  # of the slope's interval: far finer than what one sample changes


def poisson_disc(
    shape: tuple[int, int],
    acceleration: float,
    *,
    calibration: int = 0,
    corners: bool = False,
    seed: int | Sequence[int] = 0,
) -> Tensor:
    """Exactly round(ky kx / acceleration) samples of (ky, kx), the middle square among them; bool.

    The least distance of a sample from those before it is 1 + slope r, where r is 0 in the
    calibration square and 1 at the edge; the slope is the steepest that leaves enough samples, and
    what is too many is left out at random. corners: beyond the ellipse of r = 1, too.
    ValueError where that many samples cannot be, or the calibration alone is more.
    """
    height, width = shape
    wanted = round(height * width / acceleration)
    radius, inside, square = _geometry(shape, calibration)
    allowed = np.ones(shape, bool) if corners else inside | square
    if not square.sum() <= wanted <= allowed.sum():
        raise ValueError(
            f"{acceleration:g}-fold acceleration is {wanted} samples of {height}x{width}; with a "
            f"middle of {square.sum()} there may be up to {allowed.sum()}"
        )
    random = np.random.RandomState(seed)
    order = random.permutation(height * width)
    order = order[(allowed & ~square).flat[order]]
    low, high, best = 0.0, float(max(shape)), allowed
    for _ in range(HALVINGS):
        slope = (low + high) / 2
        mask = _throw(order, 1 + slope * radius, square)
        if mask.sum() >= wanted:
            low, best = slope, mask
        else:
            high = slope
        if best.sum() == wanted:
            break
    surplus = np.flatnonzero(best & ~square)
    best = best.copy()
    best.flat[random.choice(surplus, best.sum() - wanted, replace=False)] = False
    return torch.from_numpy(best)


def _geometry(shape: tuple[int, int], calibration: int) -> tuple[np.ndarray, ...]:
    """r from the calibration square outwards, what lies in the ellipse, and the square."""
    beyond, whole, within = [], [], []
    for n in shape:
        distance = np.abs(np.arange(n) - n // 2)
        start = n // 2 - calibration // 2
        within.append((np.arange(n) >= start) & (np.arange(n) < start + calibration))
        clear = np.maximum(distance - calibration / 2, 0)
        beyond.append(clear / max(clear.max(), 1))
        whole.append(distance / max(n // 2, 1))
    radius = np.hypot(beyond[0][:, None], beyond[1])
    ellipse = np.hypot(whole[0][:, None], whole[1]) <= 1
    return radius, ellipse, within[0][:, None] & within[1]


def _throw(order: np.ndarray, distance: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Each sample in turn, unless one before it is nearer than its distance; bool."""
    height, width = distance.shape
    scale = np.array([height, width]) / max(height, width)  # the same distance in cycles per metre
    taken, free = square.copy(), np.ones(distance.shape, bool)
    discs: dict[int, tuple[int, int, np.ndarray]] = {}
    steps = np.round(4 * distance).astype(int)
    for flat in order:
        y, x = divmod(int(flat), width)
        if not free[y, x]:
            continue
        taken[y, x] = True
        step = int(steps[y, x])
        if step not in discs:
            discs[step] = _disc(step / 4, scale)
        down, across, outside = discs[step]
        top, left = max(y - down, 0), max(x - across, 0)
        area = free[top : y + down + 1, left : x + across + 1]
        area &= outside[
            top - y + down : top - y + down + area.shape[0],
            left - x + across : left - x + across + area.shape[1],
        ]
    return taken


def _disc(radius: float, scale: np.ndarray) -> tuple[int, int, np.ndarray]:
    """Half height and width of a disc, and what is not nearer than its radius."""
    down, across = (int(np.ceil(radius * s)) for s in scale)
    y = np.arange(-down, down + 1)[:, None] / scale[0]
    x = np.arange(-across, across + 1) / scale[1]
    return down, across, np.hypot(y, x) >= radius - 1e-9
