"""What the full scan's own reconstruction would show, by an image found from a part of it."""

from dataclasses import replace

import torch
from torch import Generator, Tensor

from restore.files.merit.coverage import NoisyReference
from restore.files.task import Record, Task

from .scan import Scan, over_coils
from .show import channels


def full_scan_draws(least: Scan, full: Scan, task: Task) -> NoisyReference:
    """Draws of the coil-combined image of all data, as `task` presents it.

    The samples of `least` stand as they are; the others are S x and noise, for a signal x of
    (2, slice, y, x) in units of the scale, on the scan's grid or a finer one.
    """
    operator = replace(full, refine=1).operator()
    kept = over_coils(least.mask)

    def draw(signal: Tensor, generator: Generator) -> Record:
        image = full.on_its_grid(torch.complex(*signal.chunk(2)))
        expected = operator(channels(image)[None])[0]
        parts = torch.randn(2, *expected.shape, generator=generator)
        drawn = expected + full.noise * torch.complex(*parts)
        if full.mask is not None:
            drawn = drawn * over_coils(full.mask)
        scan = replace(full, kspace=torch.where(kept, least.kspace, drawn))
        return task.present(channels(scan.combined()))

    return draw
