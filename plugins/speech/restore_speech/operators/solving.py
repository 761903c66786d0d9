"""Conjugate gradients helped by a rough inverse."""

from collections.abc import Callable

from torch import Tensor

from restore.measurement.signal import conjugate_gradient

Map = Callable[[Tensor], Tensor]


def preconditioned(matvec: Map, half_inverse: Map, b: Tensor, *, what: object) -> Tensor:
    """x with matvec(x) = b, positive definite; (batch, ...) -> (batch, ...).

    half_inverse: E, symmetric and positive, with E E about matvec^-1. Solves E matvec E u = E b
    and gives E u, to a relative residual of 1e-7 in u.
    """
    u = conjugate_gradient(
        lambda v: half_inverse(matvec(half_inverse(v))),
        half_inverse(b),
        max_steps=200,
        rtol=1e-7,
        what=what,
    )
    return half_inverse(u)
