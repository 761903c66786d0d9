"""State dicts from the MATLAB files (of MatConvNet) of FFDNet and FDnCNN.

`net/layers` is a cell array of structs with a `type` and, for a convolution, kernels and biases.
MATLAB writes the last axis first in files of version 7.3 (HDF5), in older ones the first, and drops
trailing axes of length one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...errors import UnavailableError, WeightsError

# the four pixels of a cell: MATLAB goes down first, PyTorch's pixel_unshuffle goes right first
CELL = (0, 2, 1, 3)
SWOLLEN = 100  # an array may be packed, but to no less than a hundredth


def read_matconvnet(path: str | Path) -> dict[str, Tensor]:
    """The published names (`model.N.weight`) with float32 tensors, N as in KAIR's sequences.

    WeightsError for any other file; UnavailableError without h5py.
    """
    try:
        import h5py
    except ImportError:
        raise UnavailableError(
            f"{path} is a MATLAB file of version 7.3: to read it, install h5py"
        ) from None
    room = _Room(Path(path))
    try:
        with h5py.File(path, "r") as file:
            cells = np.ravel(room.read(file["net/layers"]))
            layers = [_layer(file, file[reference], room) for reference in cells]
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise WeightsError(f"{path} holds no network of MatConvNet: {error}") from None
    return _state(layers, path)


def of_structs(variables: Mapping[str, Any], path: str | Path) -> dict[str, Tensor]:
    """The state of a network in variables of MATLAB before 7.3: `net.layers`, a list of structs.

    WeightsError where they are no such network.
    """
    try:
        layers = [_of_struct(layer) for layer in variables["net"]["layers"]]
        if not layers:
            raise ValueError("it has no layers")
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise WeightsError(f"{path} holds no network of MatConvNet: {error}") from None
    return _state(layers, path)


def _of_struct(layer: Mapping[str, Any]) -> tuple[str, list[np.ndarray]]:
    """A layer's type; kernels (3, 3, inputs, outputs) become (outputs, inputs, 3, 3)."""
    kind = layer["type"]
    if kind != "conv":
        return kind, []
    kernels, biases = layer["weights"]
    if kernels.ndim == 3:  # the axis of a single output is gone
        kernels = kernels[..., None]
    if kernels.ndim != 4 or kernels.shape[3] != biases.size:
        raise ValueError(f"kernels of shape {kernels.shape} with {biases.size} biases")
    return kind, [kernels.transpose(3, 2, 0, 1).astype("f4"), biases.ravel().astype("f4")]


class _Room:
    """How many bytes may be read of a file, all its arrays together, whatever they declare."""

    def __init__(self, path: Path):
        self.left, self.name = SWOLLEN * max(path.stat().st_size, 1 << 16), str(path)

    def read(self, dataset: Any) -> np.ndarray:
        """A dataset whole. ValueError for one that is larger than the room, or lies elsewhere."""
        if dataset.external or dataset.is_virtual or dataset.file.filename != self.name:
            raise ValueError("an array of it lies in another file")
        self.left -= dataset.size * max(dataset.dtype.itemsize, 1)
        if self.left < 0:
            raise ValueError(f"it declares more than {SWOLLEN} times its own bytes")
        return np.asarray(dataset[()])


def _layer(file: Any, group: Any, room: _Room) -> tuple[str, list[np.ndarray]]:
    """A layer's type, and its kernels (outputs, inputs, 3, 3) and biases (outputs,)."""
    kind = "".join(map(chr, np.ravel(room.read(group["type"]))))
    if kind != "conv":
        return kind, []
    kernels, biases = (room.read(file[ref]) for ref in np.ravel(room.read(group["weights"])))
    biases = biases.ravel()
    if kernels.ndim == 3:  # the axis of a single output is gone
        kernels = kernels[None]
    if kernels.ndim != 4 or len(kernels) != len(biases):
        raise ValueError(f"kernels of shape {kernels.shape} with {len(biases)} biases")
    return kind, [kernels.swapaxes(2, 3), biases]


def _state(layers: list[tuple[str, list[np.ndarray]]], path: str | Path) -> dict[str, Tensor]:
    kinds = [kind for kind, _ in layers]
    if not set(kinds) <= {"SubP", "concat", "conv", "relu"} or kinds[-1] == "relu":
        raise WeightsError(f"{path} is neither FFDNet nor FDnCNN: its layers are {set(kinds)}")
    weights = [[torch.from_numpy(np.ascontiguousarray(part)).float() for part in parts]
               for kind, parts in layers if kind == "conv"]  # fmt: skip
    if "SubP" in kinds:
        first, last = weights[0], weights[-1]
        order = _cells(len(last[1]) // 4)
        first[0] = first[0][:, [*order, len(order)]]  # the noise map comes last
        last[:] = [part[order] for part in last]
    return {
        f"model.{2 * i}.{name}": part.contiguous()
        for i, parts in enumerate(weights)
        for name, part in zip(("weight", "bias"), parts, strict=True)
    }


def _cells(channels: int) -> list[int]:
    """Where PyTorch's sub-pixel channels (channel, pixel of the cell) lie in the file."""
    return [channel * 4 + pixel for channel in range(channels) for pixel in CELL]
