"""The Fourier transform at any points (Dutt & Rokhlin, 1993), by finufft (Barnett et al., 2019).

Its normal operator is Toeplitz: one pair of FFTs of twice the size, however many points there are
(Wajer & Pruessmann, ISMRM 2001).
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from math import prod

import torch
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.signal import column, norm

try:
    import finufft
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "NUFFT needs the package finufft: pip install finufft, or restore-operators[nufft]"
    ) from missing

EXACT = 1e-12  # error of the Toeplitz kernel, computed once in double precision
SINGLE = 1e-6  # what finufft reaches in single precision
PLANS = 4  # that are kept: one for each direction, batch size and precision


class NUFFT(LinearOperator):
    """y_s = prod(size)^-1/2 sum_n x_n exp(-2 pi i k_s . (n - size // 2) / size), complex.

    in_shape: (*lead, height, width) for points of two columns, (*lead, depth, height, width) for
        three; out_shape is (*lead, samples). The lead axes share the points.
    points: (..., 2 or 3), k in cycles per field of view, from -size/2 to size/2; its columns
        stand in the order of the signal's axes, (ky, kx) or (kz, ky, kx). At all whole numbers
        this is `Fourier`.
    weights: (...), >= 0: y is weighted by their square root. Density compensation belongs here,
        where the adjoint stays the adjoint.
    eps: relative error of the transform, at best 1e-6 in single precision. Transform and adjoint
        are each other's to rounding whatever it is; `normal` is exact to 1e-12.

    finufft runs on the CPU: signals of another device go there and come back, but for `normal`.
    ValueError for points out of range or not finite, and weights that are negative.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        points: Tensor,
        *,
        weights: Tensor | None = None,
        eps: float = 1e-6,
    ):
        points = torch.as_tensor(points).detach().cpu().double()
        self.size = _size_for(in_shape, points)
        points = points.reshape(-1, len(self.size))
        super().__init__(in_shape, (*in_shape[: -len(self.size)], len(points)))
        self.angles = (2 * torch.pi * points / torch.tensor(self.size)).T.contiguous()
        self.weights = _checked_weights(weights, len(points))
        self.root = self.weights.sqrt()
        self.eps = float(eps)
        self._plans: dict = {}

    def _forward(self, x: Tensor) -> Tensor:
        return self._like("root", x) * _Transform.apply(self._complex(x), self, 2)

    def _adjoint(self, y: Tensor) -> Tensor:
        return _Transform.apply(self._like("root", y) * self._complex(y), self, 1)

    def _normal(self, x: Tensor) -> Tensor:
        return self.toeplitz(self._complex(x))

    def norm(self, steps: int = 50) -> float:
        if "norm" not in self._moved:
            self._moved["norm"] = largest_value(self.normal, self.in_shape, steps)
        return self._moved["norm"]

    @cached_property
    def toeplitz(self) -> "Toeplitz":
        """A^H A."""
        double = tuple(2 * n for n in self.size)
        kernel = self.transform(self.weights.to(torch.complex128), 1, size=double, eps=EXACT)
        return Toeplitz(self.in_shape, kernel * (2 ** len(double) / prod(self.size)) ** 0.5)

    def transform(
        self,
        x: Tensor,
        kind: int,
        *,
        size: tuple[int, ...] | None = None,
        eps: float | None = None,
    ) -> Tensor:
        """Without weights, of kind 2: (..., *size) -> (..., samples), or 1: its adjoint."""
        size, samples = size or self.size, self.angles.shape[1:]
        eps = max(eps or self.eps, SINGLE if x.dtype == torch.complex64 else 0)
        source, target = (size, samples) if kind == 2 else (samples, size)
        lead = x.shape[: x.ndim - len(source)]
        rows = x.detach().cpu().resolve_conj().reshape(-1, *source).contiguous()
        found = torch.empty(len(rows), *target, dtype=x.dtype)
        if len(rows):
            plan = self._plan(kind, size, len(rows), x.dtype, eps)
            one = 0 if len(rows) == 1 else slice(None)  # finufft wants no axis of one
            plan.execute(rows.numpy()[one], out=found.numpy()[one])
        return found.mul_(prod(size) ** -0.5).reshape(*lead, *target).to(x.device)

    def _plan(self, kind: int, size: tuple[int, ...], count: int, dtype: torch.dtype, eps: float):
        key = (kind, size, count, dtype, eps)
        if key not in self._plans:
            while len(self._plans) >= PLANS:
                del self._plans[next(iter(self._plans))]
            precision = str(dtype).removeprefix("torch.")
            # one kernel for both directions, or the adjoint would have one of its own
            plan = finufft.Plan(
                kind, size, count, eps, 1 if kind == 1 else -1, precision,
                nthreads=torch.get_num_threads(), upsampfac=2.0,
            )  # fmt: skip
            real = dtype.to_real()
            plan.setpts(*(angle.to(real).numpy() for angle in self.angles))
            self._plans[key] = plan
        return self._plans[key]

    def _complex(self, x: Tensor) -> Tensor:
        if not x.is_complex():
            raise TypeError(f"{self}: takes complex signals, got {x.dtype}")
        return x


class _Transform(torch.autograd.Function):
    """One direction of a NUFFT, whose derivative is the other."""

    @staticmethod
    def forward(ctx, x: Tensor, operator: NUFFT, kind: int) -> Tensor:
        ctx.operator, ctx.kind = operator, kind
        return operator.transform(x, kind)

    @staticmethod
    def backward(ctx, v: Tensor):
        return _Transform.apply(v, ctx.operator, 3 - ctx.kind), None, None


class Toeplitz(LinearOperator):
    """y_n = sum_m t_(n - m) x_m over the last axes, for a Hermitian kernel: t_(-n) = conj(t_n).

    kernel: (2 height, 2 width), or of three axes; its origin is at (height, width).
    """

    def __init__(self, in_shape: Sequence[int], kernel: Tensor):
        super().__init__(in_shape, in_shape)
        self.axes = tuple(range(-kernel.ndim, 0))
        kernel = torch.fft.ifftshift(kernel)
        for axis in self.axes:  # the lag -n meets nothing, and would not be Hermitian
            kernel.narrow(axis, kernel.shape[axis] // 2, 1).zero_()
        self.spectrum = torch.fft.fftn(kernel).real.contiguous()

    def _forward(self, x: Tensor) -> Tensor:
        sizes = x.shape
        for axis in reversed(self.axes):  # axis by axis: what is still zero is not transformed
            x = torch.fft.fft(x, n=2 * sizes[axis], dim=axis)
        x = x * self._like("spectrum", x)
        for axis in self.axes:
            x = torch.fft.ifft(x, dim=axis).narrow(axis, 0, sizes[axis])
        return x

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._forward(y)


def largest_value(normal: Callable[[Tensor], Tensor], shape: Sequence[int], steps: int) -> float:
    """The largest singular value of an operator on complex signals, from its A^H A.

    By power iteration from a constant with noise on it: most of what is measured lies there.
    """
    generator = torch.Generator().manual_seed(0)
    x = 1 + 0.5 * torch.randn(1, *shape, dtype=torch.complex64, generator=generator)
    for _ in range(steps):
        x = normal(x / column(norm(x), x))
    return norm(x).item() ** 0.5


def _size_for(in_shape: Sequence[int], points: Tensor) -> tuple[int, ...]:
    axes = points.shape[-1] if points.ndim > 1 else 0
    if axes not in (2, 3) or len(in_shape) < axes:
        raise ValueError(
            f"points must be (..., 2 or 3) for as many axes of a signal of {tuple(in_shape)}, "
            f"got {tuple(points.shape)}"
        )
    size = tuple(int(n) for n in in_shape[-axes:])
    if not points.isfinite().all():
        raise ValueError("the points hold values that are not finite")
    reach = points.reshape(-1, axes).abs().amax(0) if points.numel() else torch.zeros(axes)
    for axis, n in enumerate(size):
        if reach[axis] > n / 2 * (1 + 1e-6):
            raise ValueError(
                f"points of axis {axis} must lie in -{n / 2:g} to {n / 2:g} cycles per field of "
                f"view, got {reach[axis]:.4g}; columns stand in the order of the signal's axes"
            )
    return size


def _checked_weights(weights: Tensor | None, samples: int) -> Tensor:
    if weights is None:
        return torch.ones(samples, dtype=torch.float64)
    weights = torch.as_tensor(weights).detach().cpu().double().flatten()
    if len(weights) != samples or not (weights.isfinite() & (weights >= 0)).all():
        raise ValueError(f"weights must be {samples} finite numbers that are not negative")
    return weights
