"""Proximal gradients for any linear operator: the descent, and the steps of two penalties."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.signal import column, dot, norm

from ..pixels.channels import ChannelsToComplex
from ..transforms.wavelet import Wavelet

INNER = 10  # dual steps of a total-variation step; with 5 strong weights stay 1e-3 off the optimum
MARGIN = 1.02  # power iteration comes to a norm from below

Proximal = Callable[[Tensor, float], Tensor]  # argmin_z |z - x|^2 / 2 + step g(z)


class Problem:
    """|y - A x|^2 / 2 and its descent; the signals of `operator` are complex where channels are."""

    def __init__(self, y, operator, steps, complex_valued, weights=None):
        back = begun(y, operator, steps)
        self.norm = largest(operator, back)
        self.pairs = ChannelsToComplex(operator.in_shape) if complex_valued else None
        self.operator = operator @ self.pairs.H if complex_valued else operator
        self.back = self.pairs(back) if complex_valued else back
        self.y, self.steps, self.weights = y, steps, weights
        if weights is not None:
            self.weights = weights.to(y.device, y.real.dtype)
            if not self.weights.isfinite().all() or (self.weights < 0).any():
                raise ValueError("weights must be finite and not negative")

    def start(self, x: Tensor | None) -> Tensor:
        if x is None:
            return torch.zeros_like(self.back)
        return x if self.pairs is None else self.pairs(x)

    def channels(self, x: Tensor) -> Tensor:
        return x if self.pairs is None else self.pairs.adjoint(x)

    def descended(
        self,
        proximal: Proximal,
        x: Tensor,
        operator: LinearOperator | None = None,
        averaged: int = 1,
    ) -> Tensor:
        """FISTA from x; momentum starts anew where it points uphill (O'Donoghue & Candès 2015).

        operator: in place of its own, with no larger a norm. averaged: the last results of which
        the mean is given, for a step that is random.
        """
        operator = operator or self.operator
        largest = 1.0 if self.weights is None else self.weights.max().item()
        length = 1 / max((MARGIN * self.norm) ** 2 * largest, torch.finfo(self.y.real.dtype).tiny)
        pulled = operator.adjoint(self.y) if self.weights is None else None
        ahead, age = x, torch.ones(len(x), dtype=x.real.dtype, device=x.device)
        total = torch.zeros_like(x)
        for step in range(self.steps):
            if pulled is not None:
                slope = pulled - operator.normal(ahead)
            else:
                slope = operator.adjoint(self.weights * (self.y - operator(ahead)))
            after = proximal(ahead + length * slope, length)
            age = torch.where(dot(ahead - after, after - x) > 0, 1, age)
            older = (1 + (1 + 4 * age**2).sqrt()) / 2
            ahead = after + column((age - 1) / older, x) * (after - x)
            x, age = after, older
            if step >= self.steps - averaged:
                total = total + x / averaged
        return total


class Variation:
    """The proximal step of weight |grad x|, a projected dual ascent that goes on between calls."""

    def __init__(self, axes: Sequence[int], weight: float, nonnegative: bool):
        self.axes, self.weight, self.nonnegative = axes, weight, nonnegative
        self.dual: Tensor | None = None  # (axes, batch, *in_shape), none longer than the weight

    def __call__(self, x: Tensor, step: float) -> Tensor:
        limit = max(step * self.weight, torch.finfo(x.real.dtype).tiny)
        dual = x.new_zeros(len(self.axes), *x.shape) if self.dual is None else self.dual
        ahead, age = dual, 1.0
        for _ in range(INNER):
            after = ahead + self._slopes(self._moved(x, ahead)) / (4 * len(self.axes))
            length = (after * after.conj()).real.sum(0, keepdim=True).sqrt()
            after = after / (length / limit).clamp(min=1)
            older = (1 + (1 + 4 * age**2) ** 0.5) / 2
            ahead = after + (age - 1) / older * (after - dual)
            dual, age = after, older
        self.dual = dual
        return self._moved(x, dual)

    def _moved(self, x: Tensor, dual: Tensor) -> Tensor:
        for axis, part in zip(self.axes, dual):
            x = x + part.diff(dim=axis, prepend=torch.zeros_like(part.narrow(axis, 0, 1)))
        return x.clamp(min=0) if self.nonnegative else x

    def _slopes(self, x: Tensor) -> Tensor:
        """Forward differences, none at the end; (axes, *x.shape)."""
        return torch.stack(
            [x.diff(dim=a, append=x.narrow(a, x.shape[a] - 1, 1)) for a in self.axes]
        )


class Threshold:
    """The proximal step of weight |details of W x|_1, W shifted at random unless spin is None."""

    def __init__(self, wavelet: Wavelet, weight: float, spin: int | None):
        self.wavelet, self.weight = wavelet, weight
        self.generator = None if spin is None else torch.Generator().manual_seed(spin)

    def __call__(self, x: Tensor, step: float) -> Tensor:
        shift = [0, 0]
        if self.generator is not None:
            size = (2,)
            shift = torch.randint(2**self.wavelet.levels, size, generator=self.generator).tolist()
        coords = self.wavelet(x.roll(shift, (-2, -1)))
        limit = step * self.weight * self.wavelet.details.to(x.device, x.real.dtype)
        tiny = torch.finfo(x.real.dtype).tiny
        coords = coords * (1 - limit / coords.abs().clamp(min=tiny)).clamp(min=0)
        return self.wavelet.adjoint(coords).roll([-n for n in shift], (-2, -1))


class Crop(LinearOperator):
    """The signal in a frame whose last two sizes 2^levels divides; (..., H, W) -> (..., h, w)."""

    def __init__(self, signal: Sequence[int], levels: int):
        *rest, height, width = signal
        super().__init__((*rest, *(-(-n >> levels) << levels for n in (height, width))), signal)

    def _forward(self, x: Tensor) -> Tensor:
        return x[..., : self.out_shape[-2], : self.out_shape[-1]]

    def _adjoint(self, y: Tensor) -> Tensor:
        down, right = (self.in_shape[i] - self.out_shape[i] for i in (-2, -1))
        return F.pad(y, (0, right, 0, down))


def begun(y: Tensor, operator: LinearOperator, steps: int) -> Tensor:
    """A^H y of a measurement and a number of steps that pass."""
    if steps < 1:
        raise ValueError(f"need at least 1 step, got {steps}")
    if not (torch.view_as_real(y) if y.is_complex() else y).isfinite().all():
        raise ValueError("the measurement holds values that are not finite (NaN or infinity)")
    return operator.adjoint(y)


def largest(operator: LinearOperator, like: Tensor, steps: int = 100) -> float:
    """|A|; over complex signals by iteration, as an operator does not know that its signals are."""
    if not like.is_complex():
        return operator.norm()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(like[:1].shape, dtype=like.dtype, generator=generator).to(like.device)
    for _ in range(steps):
        x = operator.normal(x / norm(x).clamp(min=1e-30).item())
    return norm(x).item() ** 0.5
