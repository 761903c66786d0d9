"""The projector beside others: forward and adjoint of 180 views, all in turn in one process.

python -m benchmarks.ct_speed [threads]; peers that are not installed are left out.
"""

import math
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from restore_operators import Radon

from .tables import publish, table

SIZES, VIEWS, BATCHES = (256, 512), 180, (1, 8)
ROUNDS = 5


class Peer(NamedTuple):
    forward: Callable
    adjoint: Callable
    constructor: float  # seconds
    memory: float  # MB of what it keeps


def main() -> None:
    threads = [int(given) for given in sys.argv[1:]] or [1, 2]
    sections = []
    for count in threads:
        torch.set_num_threads(count)
        rows = [row for size in SIZES for batch in BATCHES for row in compare(size, batch)]
        head = ("image", "batch", "tool", "forward ms", "adjoint ms", "both, times ours",
                "constructor s", "keeps MB")  # fmt: skip
        sections.append(f"## {count} thread{'s' * (count > 1)}\n\n" + table(head, rows))
    notes = (
        f"{VIEWS} views over a half turn, float32, a CPU. Least of {ROUNDS} rounds, each tool once "
        "a round (once in all, if it takes more than 2 s). The adjoint of scikit-image is an "
        "unfiltered `iradon`, not matched; ASTRA and scikit-image take one image at a time. "
        "Constructor: with the matrix built. Joseph's weights here and in ASTRA (linear)."
    )
    publish("ct_speed", "Projectors", notes, sections)


def compare(size: int, batch: int) -> list[list[object]]:
    peers = {name: build(size, batch) for name, build in TOOLS.items()}
    peers = {name: peer for name, peer in peers.items() if peer is not None}
    least = {name: [math.inf, math.inf] for name in peers}
    with torch.no_grad():
        for turn in range(ROUNDS + 1):
            for name, peer in peers.items():
                if turn > 1 and sum(least[name]) > 2:
                    continue  # seconds: one round tells
                for which, way in enumerate((peer.forward, peer.adjoint)):
                    started = time.perf_counter()
                    way()
                    took = time.perf_counter() - started
                    least[name][which] = min(least[name][which], took if turn else math.inf)
    ours = sum(least["restore"])
    return [
        [
            f"{size}x{size}",
            batch,
            name,
            *(f"{1000 * seconds:.1f}" for seconds in least[name]),
            f"{sum(least[name]) / ours:.1f}",
            f"{peer.constructor:.2f}",
            f"{peer.memory:.0f}",
        ]
        for name, peer in peers.items()
    ]


def restore(size: int, batch: int) -> Peer:
    x = torch.rand(batch, 1, size, size)
    started = time.perf_counter()
    operator = Radon((1, size, size), _angles())
    y = torch.zeros(1, *operator.out_shape)
    operator(x[:1]), operator.adjoint(y)  # the matrix is built when first used
    took = time.perf_counter() - started
    y = operator(x)
    return Peer(lambda: operator(x), lambda: operator.adjoint(y), took, operator.matrix_bytes / 1e6)


def deepinv(size: int, batch: int) -> Peer | None:
    try:
        from deepinv.physics import Tomography
    except ImportError:
        return None
    x = torch.rand(batch, 1, size, size)
    started = time.perf_counter()
    physics = Tomography(_angles() * 180 / math.pi, size, normalize=False)
    took = time.perf_counter() - started
    y = physics.A(x)
    kept = {t.data_ptr(): t.nbytes for t in _tensors(physics)}
    return Peer(lambda: physics.A(x), lambda: physics.A_adjoint(y), took, sum(kept.values()) / 1e6)


def _tensors(module: torch.nn.Module) -> list[torch.Tensor]:
    """All tensors that a module and its parts hold, in attributes and lists of them, too."""
    found = []
    for part in module.modules():
        for value in [*vars(part).values(), *part.buffers()]:
            values = value if isinstance(value, list | tuple) else [value]
            found += [v for v in values if isinstance(v, torch.Tensor)]
    return found


def astra(size: int, batch: int) -> Peer | None:
    try:
        import astra as toolbox
    except ImportError:
        return None
    started = time.perf_counter()
    volume = toolbox.create_vol_geom(size, size)
    bins = math.ceil(math.sqrt(2) * size)
    rays = toolbox.create_proj_geom("parallel", 1.0, bins, _angles().numpy())
    projector = toolbox.create_projector("linear", rays, volume)
    image = toolbox.data2d.create("-vol", volume, np.random.rand(size, size))
    sinogram = toolbox.data2d.create("-sino", rays, 0)
    runs = []
    for kind in ("FP", "BP"):
        config = toolbox.astra_dict(kind)
        config["ProjectorId"], config["ProjectionDataId"] = projector, sinogram
        config["VolumeDataId" if kind == "FP" else "ReconstructionDataId"] = image
        runs.append(toolbox.algorithm.create(config))
    took = time.perf_counter() - started

    def repeated(run: int) -> Callable:
        return lambda: [toolbox.algorithm.run(run) for _ in range(batch)]

    return Peer(repeated(runs[0]), repeated(runs[1]), took, 0.0)


def scikit_image(size: int, batch: int) -> Peer | None:
    try:
        from skimage.transform import iradon, radon
    except ImportError:
        return None
    if batch > 1 or size > 256:
        return None  # seconds an image
    x, theta = np.random.rand(size, size).astype(np.float32), _angles().numpy() * 180 / math.pi
    y = radon(x, theta, circle=False)

    def back():
        iradon(y, theta, filter_name=None, circle=False, output_size=size)

    return Peer(lambda: radon(x, theta, circle=False), back, 0.0, 0.0)


def _angles() -> torch.Tensor:
    return torch.arange(VIEWS, dtype=torch.float64) * (math.pi / VIEWS)


TOOLS = {"restore": restore, "deepinv": deepinv, "ASTRA": astra, "scikit-image": scikit_image}

if __name__ == "__main__":
    main()
