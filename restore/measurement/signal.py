"""Arithmetic per chain: inner products, conjugate gradients, and noise that knows its chain."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor

RandnLike = Callable[[Tensor], Tensor]
LOOK = 8  # steps of a loop on a GPU between two looks at its values


@dataclass
class Solves:
    """How the linear systems of a run were solved."""

    count: int = 0
    short: int = 0  # of them, those that ended before a chain's residual was small enough
    worst: float = 0.0  # relative residual of a chain at such an end

    def add(self, squares: Sequence[float]) -> None:
        """Solves by the square of the relative residual that each left; negative: none too much."""
        short = [square for square in squares if not square < 0]
        self.count += len(squares)
        self.short += len(short)
        self.worst = max([self.worst, *(square**0.5 for square in short)])


# the count that runs, and what solves on a GPU left: there a look stalls, and comes at the end
_solves: ContextVar[tuple[Solves, list[Tensor]] | None] = ContextVar("solves", default=None)


@contextmanager
def counted_solves() -> Iterator[Solves]:
    """A count of the solves and descents within; those on a GPU are in it when it is left."""
    counted, unseen = Solves(), []
    token = _solves.set((counted, unseen))
    try:
        yield counted
    finally:
        _solves.reset(token)
    if unseen:
        counted.add(torch.stack(unseen).tolist())


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Re<a, b> of each chain; (batch, ...), (batch, ...) -> (batch,)."""
    if a.is_complex():
        a, b = torch.view_as_real(a), torch.view_as_real(b)
    return (a * b).flatten(1).sum(1)


def norm(a: Tensor) -> Tensor:
    """Euclidean norm of each chain; (batch, ...) -> (batch,)."""
    return dot(a, a).sqrt()


def column(value: Tensor, like: Tensor) -> Tensor:
    """(batch,) -> (batch, 1, ..., 1), ready to multiply `like`."""
    return value.reshape(-1, *(1,) * (like.ndim - 1))


def per_chain(value: Tensor, batch: int) -> Tensor:
    """One row for each chain of a batch; (observations, ...) -> (1 or batch, ...).

    Chains of one observation stand next to each other; a single row is left to broadcasting.
    """
    if len(value) in (1, batch):
        return value
    if batch % len(value):
        raise ValueError(f"{batch} chains cannot be shared out among {len(value)} observations")
    return value.repeat_interleave(batch // len(value), 0)


def conjugate_gradient(
    matvec: Callable[[Tensor], Tensor],
    b: Tensor,
    *,
    start: Tensor | None = None,
    max_steps: int = 50,
    rtol: float = 1e-6,
    truncated: bool = False,
    what: object = "a linear system",
) -> Tensor:
    """x with matvec(x) = b for a positive definite matvec; (batch, ...) -> (batch, ...).

    Each chain stops by itself, when its residual is below rtol |b|, and is not touched after:
    its result does not depend on its batch. Hestenes & Stiefel, 1952. An end after max_steps is
    counted as short (`counted_solves`), but where `truncated`: so few are meant.
    FloatingPointError, which names `what` (the operator), where a residual is not finite.
    """
    x = torch.zeros_like(b) if start is None else start
    residual = b if start is None else b - matvec(x)
    direction = residual
    power = dot(residual, residual)
    goal = rtol**2 * dot(b, b)
    for step in range(max_steps):
        if worth_a_look(step, b) and not _excess(power, goal, what) > 0:
            break
        active = power > goal
        image = matvec(direction)
        length = torch.where(active, power / dot(direction, image), 0)
        x = x + column(length, x) * direction
        residual = residual - column(length, x) * image
        after = dot(residual, residual)
        ratio = torch.where(active, after / power, 0)
        direction = residual + column(ratio, x) * direction
        power = torch.where(active, after, power)
    if b.device.type == "cpu":
        _excess(power, goal, what)
    if len(b):
        _count(power / dot(b, b), (power > goal) & (not truncated))
    return x


def _count(square: Tensor, short: Tensor) -> None:
    """A solve for the count, if there is one; square: of each chain's relative residual.

    short: bool, which chains ended before it was small enough.
    """
    counted = _solves.get()
    if counted is None:
        return
    most = torch.where(short, square, -1).max()
    if most.device.type == "cpu":
        counted[0].add([most.item()])
    else:
        counted[1].append(most)


def worth_a_look(step: int, like: Tensor) -> bool:
    """Whether to look at values after so many steps, to see if a loop may end before its last.

    On a GPU a look waits for all that was asked of it: there it is worth one step in eight. For
    loops that leave a chain as it is once it is done.
    """
    return like.device.type == "cpu" or (step > 0 and step % LOOK == 0)


def _excess(power: Tensor, goal: Tensor, what: object) -> float:
    """The most by which a chain's power exceeds its goal; FloatingPointError if not finite."""
    excess = (power - goal).max().item() if len(power) else 0.0
    if not math.isfinite(excess):
        raise FloatingPointError(f"{what}: conjugate gradients left the real numbers")
    return excess


class ChainNoise:
    """Standard normal noise with one generator a chain.

    Chain 17 of a seed is the same whatever the batch, the device or the precision: numbers are
    drawn in float32 on the CPU. A complex signal gets unit variance in each of its two parts.
    A signal of k times as many rows as chains (particles) gives each chain k rows in turn.
    """

    def __init__(self, seed: int, chains: Sequence[int]):
        self.generators = [torch.Generator().manual_seed(_mix(seed, chain)) for chain in chains]

    def __call__(self, like: Tensor) -> Tensor:
        each, rest = divmod(len(like), len(self.generators))
        if rest:
            raise ValueError(f"noise for {len(self.generators)} chains, asked for {len(like)} rows")
        size = (*like.shape, 2) if like.is_complex() else like.shape
        noise = torch.empty(size)
        parts = noise.view(len(self.generators), -1) if each else noise.view(0)
        for part, generator in zip(parts, self.generators, strict=True):
            part.normal_(generator=generator)
        if like.is_complex():
            noise = torch.view_as_complex(noise)
        return noise.to(like.device, like.dtype, non_blocking=True)

    def state(self) -> Tensor:
        """Where every generator stands; (chains, bytes)."""
        return torch.stack([generator.get_state() for generator in self.generators])

    def set_state(self, state: Tensor) -> None:
        for generator, one in zip(self.generators, state, strict=True):
            generator.set_state(one.clone())  # a view of a larger tensor is refused by torch


def _mix(seed: int, chain: int) -> int:
    """A well-spread seed for one chain (the finaliser of splitmix64; Steele et al., 2014)."""
    mask = 2**64 - 1
    z = (seed * 0x9E3779B97F4A7C15 + (chain + 1) * 0xD1B54A32D192ED03) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (z ^ (z >> 31)) & (2**63 - 1)


def minimise(
    objective: Callable[[Tensor], tuple[Tensor, Tensor]],
    x: Tensor,
    *,
    step: float | Tensor,
    max_steps: int = 200,
    rtol: float = 1e-4,
) -> Tensor:
    """A local minimum of objective: x -> (value, gradient), from x; (batch, ...) -> (batch, ...).

    Gradient descent with Barzilai & Borwein's step (1988) and backtracking, each chain on its own;
    a chain stops when its gradient has fallen by rtol, or when a step would change the value by
    less than rounding does. step: the first step's length. An end after max_steps is counted as
    short, by the gradient that is left (`counted_solves`).
    """
    value, gradient = objective(x)
    first = norm(gradient)
    goal = rtol * first
    length = torch.as_tensor(step, dtype=value.dtype, device=x.device).expand(len(x)).clone()
    rounding = 10 * torch.finfo(value.dtype).eps

    def unfinished() -> Tensor:
        square = dot(gradient, gradient)
        return (square.sqrt() > goal) & (length * square > rounding * value.abs())

    for k in range(max_steps):
        active = unfinished()
        if worth_a_look(k, x) and not active.any():
            break
        trial = x - column(torch.where(active, length, 0), x) * gradient
        tried, slope = objective(trial)
        enough = value - 1e-4 * length * dot(gradient, gradient)
        better = active & (tried <= enough + 1e-6 * value.abs())
        move, turn = trial - x, slope - gradient
        bend = dot(move, turn)
        longer = torch.where(bend > 0, dot(move, move) / bend, 4 * length)
        length = torch.where(better, longer, torch.where(active, length / 4, length))
        x = torch.where(column(better, x), trial, x)
        gradient = torch.where(column(better, x), slope, gradient)
        value = torch.where(better, tried, value)
    if len(x):
        _count((norm(gradient) / first) ** 2, unfinished())
    return x
