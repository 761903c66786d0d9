"""Multi-coil MRI, y_c = M F (S_c x) + n_c (Pruessmann et al., 1999), on volumes.

A shift by half a field of view is a phase along each axis. These phases stand in the maps and in
the mask, once: nothing is shifted when the operator runs, and what comes out is centred k-space.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from restore_operators.pixels.channels import ChannelsToComplex
from restore_operators.pixels.diagonal import Identity, Unitary
from restore_operators.pixels.mask import Mask
from restore_operators.transforms.nufft import largest_value
from torch import Tensor

from restore.measurement.operator import LinearOperator
from restore.measurement.signal import conjugate_gradient
from restore.measurement.spectral import Spectral

from .row_by_row import RowEigenbasis, systems

CACHED = 2**17  # elements transformed in one go on a CPU: they stay in its cache
LARGE = 2**27  # the same elsewhere, 1 GiB
PAYS = 3 * 10**9  # rows times their length cubed that are decomposed, a few seconds, not iterated
FEASIBLE = 2 * 10**10  # the same where the decomposition itself is asked for
MEMORY = 2**30  # bytes that it may take
STEPS = 100  # of conjugate gradients at most
NULL = 1e-10  # eigenvalues below this share of the largest are not told from 0

Blocks = Iterator[tuple[slice, int, slice, slice]]


class Sense(LinearOperator):
    """y = M F S x; complex (frames, slice, y, x) -> (frames * slice, coil, ky, kx).

    F is the centred orthonormal transform of each slice. Frames are echoes, repetitions, times.
    maps: (slice or 1, coil, y, x), complex; where sum_c |S_c|^2 <= 1, the norm is at most 1. One
        coil with |S| = 1 is a Fourier mask: all about it is closed.
    mask: (ky, kx), (slice, ky, kx) or (frames * slice, ky, kx): bool, or weights >= 0 (the root
        of a number of averages); None: all was measured.
    volume: F transforms the slice axis too, whose k-space is the first axis of y and of the mask.

    A^H A transforms only those axes along which the mask changes. Where that is one axis, and it
    pays, A^H A is decomposed row by row and `solve_normal` exact; else it is iterated.
    ValueError for maps and masks that do not fit or hold values that are not finite.
    """

    def __init__(
        self,
        in_shape: Sequence[int],
        maps: Tensor,
        mask: Tensor | None = None,
        *,
        volume: bool = False,
    ):
        maps, weights = checked_maps(maps, in_shape), _checked_mask(mask, in_shape)
        frames, slices, *plane = in_shape
        super().__init__(in_shape, (frames * slices, maps.shape[1], *plane))
        self.axes = (-3, -2, -1) if volume else (-2, -1)
        before, after = _phases(in_shape, self.axes)
        self.coils = (maps.transpose(0, 1) * before).to(maps.dtype).contiguous()
        self.encoding = weights * after
        self.folded = tuple(axis for axis in self.axes if _changes(weights, axis))
        for axis in set(self.axes) - set(self.folded):
            weights = weights.narrow(axis, 0, 1)
        self.gains = weights.square()
        self.power = maps.abs().double().square().sum(1)  # (slice or 1, y, x)
        self.closed = None
        if len(self.coils) == 1 and torch.allclose(self.power, torch.ones(()).double()):
            fourier = _CoilFourier(in_shape, self.coils[0], self.axes)
            self.closed = Mask(self.encoding, in_shape) @ fourier

    def _forward(self, x: Tensor) -> Tensor:
        coils, encoding = self._like("coils", x), self._like("encoding", x)
        y = x.new_empty(len(x), *self.in_shape[:2], *self.out_shape[1:])
        for rows, frame, planes, coil in self._blocks(x):
            image = _at(coils, coil, planes) * x[rows, None, frame, planes]
            k = torch.fft.fftn(image, dim=self.axes, norm="ortho")
            k *= _at(encoding, frame, planes)
            y[rows, frame, planes, coil] = k.transpose(1, 2)
        return y.flatten(1, 2)

    def _adjoint(self, y: Tensor) -> Tensor:
        coils, encoding = self._like("coils", y).conj(), self._like("encoding", y).conj()
        y = y.unflatten(1, self.in_shape[:2])
        x = y.new_zeros(len(y), *self.in_shape)
        for rows, frame, planes, coil in self._blocks(x):
            k = y[rows, frame, planes, coil].transpose(1, 2) * _at(encoding, frame, planes)
            image = torch.fft.ifftn(k, dim=self.axes, norm="ortho")
            add_products(x[rows, frame, planes], _at(coils, coil, planes), image)
        return x

    def _normal(self, x: Tensor) -> Tensor:
        coils, gains = self._like("coils", x), self._like("gains", x)
        if not self.folded:
            return self._like("power", x) * gains * x
        found = torch.zeros_like(x)
        for rows, frame, planes, coil in self._blocks(x):
            maps = _at(coils, coil, planes)
            k = torch.fft.fftn(maps * x[rows, None, frame, planes], dim=self.folded)
            k *= _at(gains, frame, planes)
            image = torch.fft.ifftn(k, dim=self.folded)
            add_products(found[rows, frame, planes], maps.conj(), image)
        return found

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        if self.closed is not None:
            return self.closed.solve_normal(b, shift)
        if not self.folded:
            return b / (self._like("power", b) * self._like("gains", b) + shift)
        if (rows := self._eigenbasis(PAYS)) is not None:
            return rows.solve(b, shift)
        return conjugate_gradient(
            lambda x: self._normal(x) + shift * x, b, start=start, max_steps=STEPS, what=self
        )

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        if self.closed is not None:
            return self.closed.tikhonov(y.reshape(-1, *self.in_shape), shift)
        rows = self._eigenbasis(PAYS) if self.folded else None
        if rows is None:
            return super()._tikhonov(y, shift)
        # in double precision: a small shift would blow up the rounding of what A does not see
        return rows.solve(self._adjoint(y.to(torch.complex128)), shift).to(y.dtype)

    def norm(self, steps: int = 30) -> float:
        if self.closed is not None:
            return self.closed.norm()
        if not self.folded:
            return (self.power * self.gains).max().item() ** 0.5
        if "eigenbasis" in self._moved:
            return self._moved["eigenbasis"].values.max().item() ** 0.5
        if "norm" not in self._moved:
            self._moved["norm"] = largest_value(self.normal, self.in_shape, steps)
        return self._moved["norm"]

    def svd(self) -> Spectral | None:
        """The decomposition for one coil with |S| = 1, for no mask, and for a mask along one axis.

        None for other masks, and where one axis is too long to be decomposed.
        """
        if self.closed is not None:
            found = self.closed.svd()
            return replace(
                found, from_measurement=lambda y: found.from_measurement(y.view(-1, *self.in_shape))
            )
        rows = self._eigenbasis(FEASIBLE) if self.folded else Identity(self.in_shape)
        if rows is None:
            return None
        squares = rows.values if self.folded else self.power * self.gains
        seen = squares > NULL * squares.max()
        values = torch.where(seen, squares, 0).sqrt()
        inverse = torch.where(seen, 1 / values, 0)

        def from_measurement(y: Tensor) -> Tensor:
            spectrum = rows(self._adjoint(y.to(torch.complex128)))
            return (inverse.to(y.device) * spectrum).to(y.dtype)

        return Spectral(values, rows.adjoint, rows, from_measurement)

    def _eigenbasis(self, work: int) -> RowEigenbasis | None:
        """The decomposition by rows, made once, where there is one that takes no more work."""
        if "eigenbasis" not in self._moved and len(self.folded) == 1:
            problem = (self.in_shape, self.coils, self.gains, self.folded[0])
            count, size = systems(*problem)
            if count * size**3 <= work and 16 * count * size**2 <= MEMORY:
                self._moved["eigenbasis"] = RowEigenbasis(*problem)
        return self._moved.get("eigenbasis")

    def _blocks(self, x: Tensor) -> Blocks:
        """Batch, frame, slices and coils of what is transformed in one go."""
        frames, slices, height, width = self.in_shape
        room = (CACHED if x.device.type == "cpu" else LARGE) // (height * width)
        planes = slices if -3 in self.axes else _between(1, room, slices)
        coils = _between(1, room // planes, len(self.coils))
        rows = _between(1, room // (planes * coils), len(x))
        for row in range(0, len(x), rows):
            for frame in range(frames):
                for plane in range(0, slices, planes):
                    for coil in range(0, len(self.coils), coils):
                        yield (
                            slice(row, row + rows),
                            frame,
                            slice(plane, plane + planes),
                            slice(coil, coil + coils),
                        )


def sense(
    in_shape: Sequence[int], maps: Tensor, mask: Tensor | None = None, *, volume: bool = False
) -> LinearOperator:
    """`Sense` for a prior of real channels; (2 frames, slice, y, x), real parts first."""
    channels = ChannelsToComplex(in_shape)
    return Sense(channels.out_shape, maps, mask, volume=volume) @ channels


class _CoilFourier(Unitary):
    """F S x, its phases in the coil, for one coil with |S| = 1."""

    def __init__(self, in_shape: Sequence[int], coil: Tensor, axes: tuple[int, ...]):
        super().__init__(in_shape, in_shape)
        self.coil, self.axes = coil, axes

    def _forward(self, x: Tensor) -> Tensor:
        return torch.fft.fftn(self._like("coil", x) * x, dim=self.axes, norm="ortho")

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._like("coil", y).conj() * torch.fft.ifftn(y, dim=self.axes, norm="ortho")


def checked_maps(maps: Tensor, in_shape: Sequence[int]) -> Tensor:
    """(slice or 1, coil, y, x), complex and finite, for a signal of (frames, slice, y, x)."""
    if len(in_shape) != 4:
        raise ValueError(f"the signal must be (frames, slice, y, x), got {tuple(in_shape)}")
    slices, *plane = in_shape[1:]
    if maps.ndim != 4 or list(maps.shape[2:]) != plane or len(maps) not in (1, slices):
        raise ValueError(
            f"coil maps must be (slice or 1, coil, y, x) for {slices} slices of "
            f"{plane[0]}x{plane[1]}, got {tuple(maps.shape)}"
        )
    if not maps.isfinite().all():
        raise ValueError("the coil maps hold values that are not finite")
    return maps if maps.is_complex() else maps.to(torch.promote_types(maps.dtype, torch.complex64))


def _checked_mask(mask: Tensor | None, in_shape: Sequence[int]) -> Tensor:
    """(frames or 1, slice or 1, ky or 1, kx or 1), float64."""
    if mask is None:
        return torch.ones(1, 1, 1, 1, dtype=torch.float64)
    frames, slices, *plane = in_shape
    if mask.ndim == 2:
        mask = mask[None]
    if list(mask.shape[1:]) != plane or len(mask) not in (1, slices, frames * slices):
        raise ValueError(
            f"a mask must be (ky, kx) or (slice, ky, kx) for {frames} frames of {slices} slices "
            f"of {plane[0]}x{plane[1]}, got {tuple(mask.shape)}"
        )
    mask = mask.double()
    if not (mask.isfinite() & (mask >= 0)).all():
        raise ValueError("the mask must be finite and not negative")
    return mask.unflatten(0, (-1, slices if len(mask) > 1 else 1))


def _phases(in_shape: Sequence[int], axes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The phases before and after a plain transform that centre it.

    exp(-2 pi i (k - c)(n - c) / N) = exp(2 pi i c (k - c) / N) exp(-2 pi i k n / N)
    exp(2 pi i c n / N), with c = N // 2. Real where all sizes are even.
    """
    before = after = torch.ones(1, 1, 1, dtype=torch.complex128)
    for axis in axes:
        size = in_shape[axis]
        middle, n = size // 2, torch.arange(size, dtype=torch.float64)
        shape = [size if a == axis else 1 for a in (-3, -2, -1)]
        turn = 2j * torch.pi * middle / size
        before = before * torch.exp(turn * n).reshape(shape)
        after = after * torch.exp(turn * (n - middle)).reshape(shape)
    if all(in_shape[axis] % 2 == 0 for axis in axes):
        return before.real.round(), after.real.round()
    return before, after


def _changes(weights: Tensor, axis: int) -> bool:
    return not bool((weights == weights.narrow(axis, 0, 1)).all())


def _at(value: Tensor, first: int | slice, planes: slice) -> Tensor:
    """value[first, planes], where an axis of size 1 stands for all."""
    if len(value) == 1 and isinstance(first, int):
        first = 0
    return value[first, planes] if value.shape[1] > 1 else value[first]


def add_products(total: Tensor, maps: Tensor, images: Tensor) -> None:
    """total += sum over coils; (batch, slice, y, x), (coil, slice, y, x), (batch, coil, ...)."""
    for coil in range(len(maps)):
        total.addcmul_(maps[coil], images[:, coil])


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))
