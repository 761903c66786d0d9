"""An operator of images on a finer grid, of which it sees what the coarse grid holds.

Priors know images at the resolution they were trained at. A scan of 96x96 shows anatomy in fewer
pixels than that, sharper from one to the next than anything the prior has seen; on a grid twice as
fine the same image is as smooth as those are, and what lies beyond the scan's k-space is as free
as what lies between its lines.
"""

from torch import Tensor

from restore.measurement.operator import LinearOperator

from ..kspace.samples import first_kept, to_image, to_kspace


class OnFinerGrid(LinearOperator):
    """A P x; complex (..., times y, times x) -> what A, an operator of (..., y, x), measures.

    P x is the image of the middle of x's k-space, with x's own brightness: P P^H = 1 / times^2, so
    that all that is closed for A is closed here.
    """

    def __init__(self, operator: LinearOperator, times: int):
        *lead, height, width = operator.in_shape
        super().__init__((*lead, times * height, times * width), operator.out_shape)
        self.operator, self.times = operator, times

    def _forward(self, x: Tensor) -> Tensor:
        return self.operator(coarser(x, self.times))

    def _adjoint(self, y: Tensor) -> Tensor:
        return self._finer(self.operator.adjoint(y)) / self.times**2

    def _normal(self, x: Tensor) -> Tensor:
        return self._finer(self.operator.normal(coarser(x, self.times))) / self.times**2

    def _solve_normal(self, b: Tensor, shift: float | Tensor, start: Tensor | None) -> Tensor:
        seen = coarser(b, self.times)
        solved = self.operator.solve_normal(seen, shift * self.times**2)
        return (b - self._finer(seen)) / shift + self._finer(solved) * self.times**2

    def _tikhonov(self, y: Tensor, shift: float | Tensor) -> Tensor:
        return self._finer(self.operator.tikhonov(y, shift * self.times**2))

    def norm(self, steps: int = 30) -> float:
        return self.operator.norm(steps) / self.times

    def _finer(self, x: Tensor) -> Tensor:
        return finer(x, self.times)


def coarser(image: Tensor, times: int) -> Tensor:
    """P x, of (..., times y, times x): the middle of its k-space, as bright; complex."""
    height, width = (n // times for n in image.shape[-2:])
    k = to_kspace(image)
    for axis, size in ((-2, height), (-1, width)):
        k = k.narrow(axis, first_kept(k.shape[axis], size), size)
    return to_image(k) / times


def finer(image: Tensor, times: int) -> Tensor:
    """The image of (..., y, x) on the finer grid, interpolated by zeros in k-space; complex."""
    *lead, height, width = image.shape
    k = image.new_zeros(*lead, times * height, times * width)
    top, left = first_kept(times * height, height), first_kept(times * width, width)
    k[..., top : top + height, left : left + width] = to_kspace(image)
    return to_image(k) * times
