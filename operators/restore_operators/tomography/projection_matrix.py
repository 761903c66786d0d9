"""Joseph's projector as a sparse matrix: built at once, folded by symmetry, applied to batches.

Joseph, IEEE Trans. Med. Imaging 1, 1982. Read by lines it interpolates between two pixels a step;
read by pixels it is a footprint, max(0, 1 - |distance| / m) / m with m = max(|cos|, |sin|).
"""

from collections.abc import Callable
from functools import cached_property
from itertools import pairwise
from weakref import WeakValueDictionary

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import Tensor

from .folding import Folding
from .lines import March, march, spans

CHUNK = 2**16  # steps whose weights are computed at once: their arrays stay in the cache
COLUMNS = 16  # multiplied at once, for the same reason
SHARED: WeakValueDictionary = WeakValueDictionary()  # the matrices alive, by geometry and precision


class ProjectionMatrix:
    """Sums along lines of images, in pixels, and the adjoint.

    (batch, height, width) -> (batch, lines); (batch, ...lines) -> (batch, height, width).
    """

    def __init__(self, folding: Folding, height: int, width: int, dtype: torch.dtype):
        self.folding, self.height, self.width, self.dtype = folding, height, width, dtype
        self.forward_rows = _joseph(folding, height, width, np.dtype(str(dtype).split(".")[1]))

    def forward(self, images: Tensor) -> Tensor:
        return self._in_blocks(self._forward, images)

    def adjoint(self, values: Tensor) -> Tensor:
        return self._in_blocks(self._adjoint, values)

    def normal(self, images: Tensor) -> Tensor:
        return self._in_blocks(self._normal, images)

    def _in_blocks(self, way: Callable, batch: Tensor) -> Tensor:
        blocks = batch.split(max(1, COLUMNS // len(self.folding.symmetries)))
        return torch.cat([way(block) for block in blocks]) if len(blocks) > 1 else way(batch)

    def _forward(self, images: Tensor) -> Tensor:
        sums = self._sums(self.folding.mirrored(images)).view(-1, len(images))
        if len(self.folding.symmetries) > 1:
            sums = sums.index_select(0, self.folding.index)
        return sums.T.contiguous()

    def _adjoint(self, values: Tensor) -> Tensor:
        rows, columns = self.lines_served.shape
        by_row = values.flatten(1).T
        if columns > 1:
            lines = by_row
            by_row = values.new_zeros(rows * columns, len(values))
            by_row.index_add_(0, self.folding.index, lines)
        return self._pixels(by_row.reshape(rows, -1))

    def _normal(self, images: Tensor) -> Tensor:
        """Between the two products lies a weight only: how many lines a row serves."""
        sums = self._sums(self.folding.mirrored(images))
        weight = self.lines_served.to(sums.dtype)
        return self._pixels((sums.view(*weight.shape, -1) * weight[..., None]).flatten(1))

    def _sums(self, pixels: Tensor) -> Tensor:
        if self._plain(pixels):
            return torch.from_numpy(self.forward_rows @ pixels.numpy())
        return _weighted(self._by_lines, pixels)

    def _pixels(self, values: Tensor) -> Tensor:
        if self._plain(values):
            pixels = torch.from_numpy(self.forward_rows.T @ values.numpy())
        else:
            pixels = _weighted(self._by_pixels, values)
        return self.folding.gathered(pixels, self.height, self.width)

    def _plain(self, values: Tensor) -> bool:
        """Where SciPy's product is the faster: for one column, and in double precision."""
        return values.shape[1] == 1 or self.dtype == torch.float64

    @cached_property
    def lines_served(self) -> Tensor:
        """How many lines each row serves in each column; (rows, columns)."""
        rows, columns = len(self.folding.lines.cos), len(self.folding.symmetries)
        return torch.bincount(self.folding.index, minlength=rows * columns).view(rows, columns)

    @cached_property
    def _by_lines(self) -> tuple[Tensor, Tensor, Tensor]:
        return _tensors(self.forward_rows)

    @cached_property
    def _by_pixels(self) -> tuple[Tensor, Tensor, Tensor]:
        """The transposed matrix, row by row: it sums where the first would scatter."""
        return _tensors(self.forward_rows.T.tocsr())


def shared_matrix(key: tuple, folding: Folding, height: int, width: int, dtype: torch.dtype):
    """The matrix of a geometry: one for all operators alive that have it."""
    matrix = SHARED.get((key, dtype))
    if matrix is None:
        matrix = SHARED[(key, dtype)] = ProjectionMatrix(folding, height, width, dtype)
    return matrix


def _tensors(matrix: csr_matrix) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(map(torch.from_numpy, (matrix.indices, matrix.indptr, matrix.data)))


def _weighted(rows: tuple[Tensor, Tensor, Tensor], values: Tensor) -> Tensor:
    """Matrix times columns, with torch's kernel for weighted bags: vectorised and in threads."""
    indices, starts, weights = rows
    return F.embedding_bag(
        indices, values, starts, mode="sum", per_sample_weights=weights, include_last_offset=True
    )


def _joseph(folding: Folding, height: int, width: int, dtype: np.dtype) -> csr_matrix:
    """The matrix whose rows are lines; zeros where a step leaves the image halfway."""
    walk = march(folding.lines, height, width)
    first, count = spans(walk, height, width)
    starts = np.concatenate([[0], 2 * np.cumsum(count)])
    index = np.int32 if max(starts[-1], height * width) < 2**31 else np.int64
    columns, weights = np.empty(starts[-1], index), np.empty(starts[-1], dtype)
    blocks = np.searchsorted(starts[:-1], np.arange(0, starts[-1], 2 * CHUNK))
    blocks = np.unique([0, *blocks, len(count)])
    for low, high in pairwise(blocks):
        part = slice(starts[low], starts[high])
        line = np.repeat(np.arange(low, high), count[low:high])
        step = first[line] + np.arange(starts[low] // 2, starts[high] // 2) - starts[line] // 2
        place, weight = _taps(walk, line, step, height, width)
        columns[part], weights[part] = place.ravel(), weight.ravel()
    shape = (len(count), height * width)
    return csr_matrix((weights, columns, starts.astype(index)), shape=shape)


def _taps(walk: March, line: np.ndarray, step: np.ndarray, height: int, width: int):
    """Where a step of a line looks, and with which weights; (steps, 2), (steps, 2)."""
    along_rows = walk.along_rows[line]
    position = walk.intercept[line] + walk.slope[line] * step
    before = np.floor(position)
    share = position - before
    weight = np.stack([1 - share, share], 1) * walk.length[line, None]
    pixel = np.stack([before, before + 1], 1).astype(np.int64)
    outside = (pixel < 0) | (pixel >= np.where(along_rows, height, width)[:, None])
    stride, across = np.where(along_rows, 1, width), np.where(along_rows, width, 1)
    place = step[:, None] * stride[:, None] + pixel * across[:, None]
    place[outside], weight[outside] = 0, 0
    return place, weight
