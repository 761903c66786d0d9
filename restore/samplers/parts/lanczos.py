"""Lanczos' method: a symmetric map on the Krylov space of a vector (Lanczos, 1950)."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...measurement.signal import column, dot, norm

# what is left of a vector below this share of the first entry of T is rounding: the space is
# exhausted there
LOST = 1e-5


def lanczos(
    times: Callable[[Tensor], Tensor], v: Tensor, steps: int
) -> tuple[list[Tensor], Tensor]:
    """An orthonormal basis of v, C v, C^2 v, ..., and T = <q_i, C q_j>, each chain on its own.

    times: C, symmetric; (batch, ...) -> (batch, ...). At most `steps` vectors, beginning with
    v / |v|; vectors past a chain's exhausted space are 0, and so are their entries of T.
    -> list of (batch, ...), (batch, vectors, vectors).
    """
    basis, diagonal, beside = [v / column(norm(v), v)], [], []
    for step in range(count := min(steps, v[0].numel() * (2 if v.is_complex() else 1))):
        image = times(basis[-1])
        diagonal.append(dot(basis[-1], image))
        if step == count - 1:
            break
        for _ in range(2):  # once leaves rounding behind
            for one in basis:
                image = image - column(dot(one, image), v) * one
        length = norm(image)
        lost = length <= LOST * diagonal[0].abs()
        beside.append(torch.where(lost, 0, length))
        basis.append(image / column(torch.where(lost, torch.inf, length), v))
    matrix = torch.diag_embed(torch.stack(diagonal, 1))
    if beside:
        off = torch.stack(beside, 1)
        matrix = matrix + torch.diag_embed(off, 1) + torch.diag_embed(off, -1)
    return basis, matrix
