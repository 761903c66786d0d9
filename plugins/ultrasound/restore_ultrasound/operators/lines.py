"""Which scan lines were taken: masks across the frame, and the next line to take."""

import torch
from restore_operators import Mask
from torch import Tensor

EQUISPACED, RANDOM = "equispaced", "random"


def line_mask(lines: int, taken: int, kind: str = EQUISPACED, seed: int = 0) -> Tensor:
    """1 where a line was taken, (lines,); exactly `taken` of them.

    ValueError for a count that does not fit, or a kind that is neither equispaced nor random.
    """
    if not 1 <= taken <= lines:
        raise ValueError(f"of {lines} lines 1 to {lines} can be taken, not {taken}")
    mask = torch.zeros(lines)
    if kind == EQUISPACED:
        mask[((torch.arange(taken) + 0.5) * lines / taken).long()] = 1
    elif kind == RANDOM:
        mask[torch.randperm(lines, generator=torch.Generator().manual_seed(seed))[:taken]] = 1
    else:
        raise ValueError(f"lines are {EQUISPACED} or {RANDOM}, not {kind!r}")
    return mask


def taken_lines(shape: tuple[int, int, int], mask: Tensor) -> Mask:
    """y = x in the lines that were taken, and 0, black, in the others; (channels, depth, lines)."""
    return Mask(mask[None, None], shape)


def next_line(particles: Tensor, mask: Tensor, std: float) -> int:
    """The line not yet taken about which posterior samples differ most, by its greedy entropy.

    particles: (samples, channels, depth, lines). A line's measurement is taken for a mixture of
    Gaussians of width std about the samples; its entropy is bounded through the pairs' distances,
    -mean_i log mean_j exp(-|x_i - x_j|^2 / 4 std^2) (Nolan et al. 2024, active diffusion
    subsampling, arXiv:2406.14388; Kolchinsky & Tracey 2017 for the bound). ValueError where all
    are taken.
    """
    if bool(mask.all()):
        raise ValueError("all lines are taken")
    columns = particles.flatten(1, 2)
    power = columns.square().sum(1)
    products = torch.einsum("idl,jdl->ijl", columns, columns)
    distances = (power[:, None] + power[None] - 2 * products).clamp_min(0)
    logs = torch.logsumexp(-distances / (4 * std**2), 1) - torch.log(torch.tensor(len(columns)))
    entropy = -logs.mean(0)
    return int(torch.where(mask > 0, -torch.inf, entropy).argmax())
