"""inpaint: missing pixels of a photograph are filled in."""

from collections.abc import Mapping
from pathlib import Path

import torch
from restore_operators import Mask, box_mask, random_mask
from torch import Tensor

from restore.files.task import Recipe, Record, SamplerChoice, Task
from restore.measurement.operator import LinearOperator

from ..files.stacks import stack_of
from . import given, masks
from .photographs import SECOND_ORDER, degraded, task_of
from .values import of_any_values

MISSING = 0.7  # the share that simulate takes away
# in noise of so much and more exact-score is best. In less, free-hunch with the better prior of one
# level has as good a width and the better mean (70 % missing, noise 0.02: 28.4 against 26.9 dB in
# grey, 28.5 against 25.9 in colour); its space updates gain nothing there, and keep many signals
NOISY = 0.05
HOLES = SamplerChoice("free-hunch", 15, options={**SECOND_ORDER, "updates": 0, "solver_steps": 300})


def solve_inpaint(record: Record, noise: float | Tensor | None, *, mask: Path) -> Task:
    """Fill in missing pixels; the others keep what the noise leaves of them.

    mask: picture of the same size, white (or the larger of two values) where pixels are missing
    """
    operator = observe_inpaint(record, mask=mask)
    missing = 1 - operator.mask.mean().item()
    noisy = noise is not None and float(torch.as_tensor(noise).mean()) >= NOISY
    return task_of(
        record,
        operator,
        noise,
        sampler=HOLES,
        exact=noisy,
        y=operator.mask * record.signal,
        facts={"missing": missing},
        degradation={"mask": masks.kind_of_mask(operator.mask), "missing": missing},
    )


def observe_inpaint(
    record: Record,
    *,
    mask: Path | None = None,
    missing: float | None = None,
    box: str | None = None,
    mask_seed: int = 0,
) -> LinearOperator:
    """Take pixels away.

    mask: picture of the same size, white where pixels go
    missing: share of pixels to take away at random; 0.7 without mask or box
    box: y,x,h,w of the box to take away, in pixels
    mask_seed: of the random places
    """
    if sum(option is not None for option in (mask, missing, box)) > 1:
        raise ValueError("give one of mask, missing and box, not several")
    size = (1, *record.signal.shape[1:])
    if mask is not None:
        left = masks.measured_mask(Path(mask), size[1:])
    elif box is not None:
        left = box_mask(size, given.box(box))
    else:
        left = random_mask(size, MISSING if missing is None else missing, mask_seed)
    return Mask(left, record.signal.shape)


def degraded_inpaint(record: Record, operator: Mask, y: Tensor) -> Mapping[str, Record]:
    """The measurement, black where nothing was measured, and the mask."""
    mask = Record(1 - operator.mask, "image", record.source)
    return {**degraded(record, operator, operator.mask * y), "mask.png": mask}


inpaint = Recipe(
    of_any_values(solve_inpaint),
    observe_inpaint,
    degraded_inpaint,
    noise_maps=True,
    pieces=stack_of,
)
