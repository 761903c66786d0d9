"""What the recipes for photographs share: the task of a picture, and what simulate writes.

Whatever a user gives in pixels (masks, boxes, kernels, mosaics) is meant of the picture as it is
displayed, upright. Noise is white and Gaussian, in units of the full range.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from restore_operators import Identity, Mask, total_variation
from torch import Tensor

from restore.files.task import Comparison, Record, SamplerChoice, Task
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.operator import LinearOperator
from restore.priors.prior import COLOURED, NOISE_MAPS
from restore.samplers.integrators.integrators import dpm_solver_sde

from ..noise import least_noise, noise_std

# chosen on scikit-image's photographs (benchmarks/results/choose_grey.md, choose_colour.md)
STEPS = 30
ORDINARY, BLURRED = SamplerChoice("pigdm", STEPS), SamplerChoice("diffpir", STEPS)
SECOND_ORDER = {"integrator": dpm_solver_sde}
TV = 1.0  # weight of total variation, in units of the noise: what denoises photographs best
PRIORS = {1: "image-grey", 3: "image-colour"}  # by the channels of what is restored
# where the posterior's score is exact, and the priors that are told the noise it asks for: 15 steps
# of second order have the posterior's width where 50 ancestral ones are too narrow; 25 gain 0.1 dB
EXACT = SamplerChoice("exact-score", 15, mean_at_once=True, options=SECOND_ORDER)
TOLD = {1: "image-grey-map", 3: "image-colour-map"}


def degraded(record: Record, operator: LinearOperator, y: Tensor) -> dict[str, Record]:
    """The measurement as floats, as it is, and a preview in 8 bits to look at."""
    meta = {"dtype": "float32", "icc": record.meta.get("icc")}
    return {
        "measurement.tif": Record(y, "image", record.source, meta),
        "preview.png": Record(y, "image", record.source, {**meta, "dtype": "uint8"}),
    }


def estimate_noise(record: Record) -> float:
    """The std of a picture's noise, at least half a step of the file's depth."""
    return max(noise_std(record.signal), least_noise(record))


def task_of(
    record: Record,
    operator: LinearOperator,
    noise: float | Tensor | None,
    *,
    sampler: SamplerChoice = ORDINARY,
    exact: bool = True,
    present: Callable[[Tensor], Record] | None = None,
    y: Tensor | None = None,
    facts: Mapping[str, Any] | None = None,
    degradation: Mapping[str, float | str] | None = None,
) -> Task:
    """The task of a picture.

    noise: of all values, or (1 or channels, height, width) as the file. sampler: where the exact
    score cannot be had, or is not wanted (exact=False). y: what was measured; else
    all that the file holds. degradation: what of the operator a calibration depends on; none is for
    pictures that alpha hides a part of. ValueError where no noise is given; of none at all, half a
    step of the file's depth is taken.
    """
    facts = dict(facts or {})
    if noise is None:
        raise ValueError(
            f"the noise of {name_of(record)} cannot be guessed; give its standard deviation in "
            "units of the full range, --noise 0.05"
        )
    least = least_noise(record)
    if isinstance(noise, Tensor):
        noise = noise.clamp(min=least).expand(operator.out_shape)[None]
    elif noise == 0:
        noise = least
        facts["noise"] = "given as 0, taken as half a step of the file's depth"
    y = record.signal if y is None else y
    seen = opaque(record)
    if seen is not None:
        operator, y = _where(seen, operator), seen * y
        degradation = None
        facts["not seen"] = f"{1 - seen.mean().item():.2%} of the pixels, whose alpha is 0"
    measurement = Measurement(y, operator, Gaussian(noise))
    present = present or record.with_signal
    ordinary = Task(
        measurement,
        PRIORS[operator.in_shape[0]],
        sampler,
        present,
        comparison=Comparison(baselines=baselines(measurement)),
        facts=facts,
        degradation=degradation,
        format=".png" if record.source and record.source.suffix.lower() == ".gif" else None,
    )
    return _exactly(ordinary) if exact and has_exact_score(measurement) else ordinary


def has_exact_score(measurement: Measurement) -> bool:
    """Whether exact-score takes it with a prior that is told noise alike in all colours.

    So it is for masks, and for blurs and downsampling with singular vectors of their own.
    """
    operator, noise = measurement.operator, measurement.noise
    if isinstance(operator, Identity | Mask):
        levels = [torch.as_tensor(noise.std), getattr(operator, "mask", torch.ones(()))]
        return all(_alike_in_colours(level) for level in levels)
    if isinstance(noise.std, Tensor):
        return False
    spectral = operator.svd()
    return spectral is not None and _alike_in_colours(spectral.values)


def _alike_in_colours(values: Tensor) -> bool:
    """Whether values, (..., channels, height, width) or fewer axes, are equal in all channels."""
    return values.ndim < 3 or torch.equal(values, values[..., :1, :, :].expand(values.shape))


def _exactly(ordinary: Task) -> Task:
    """The task by the exact score; as it was with a prior that knows one level of noise alone."""
    channels = ordinary.measurement.operator.in_shape[0]
    exact = replace(ordinary, prior=TOLD[channels], sampler=EXACT)
    told = {NOISE_MAPS, COLOURED}
    return replace(exact, suited=lambda prior: exact if told <= prior.offers else ordinary)


def opaque(record: Record) -> Tensor | None:
    """(1, height, width), 0 where alpha is 0: no colour was measured there. None: all is seen."""
    alpha = record.meta.get("alpha")
    if alpha is None or alpha.all() or not alpha.any():
        return None
    return torch.from_numpy(alpha > 0).float()[None]


def _where(seen: Tensor, operator: LinearOperator) -> LinearOperator:
    """The operator where pixels are seen, 0 elsewhere."""
    if isinstance(operator, Identity):
        return Mask(seen, operator.in_shape)
    if isinstance(operator, Mask):
        return Mask(operator.mask * seen, operator.in_shape)
    return Mask(seen, operator.out_shape) @ operator


def baselines(measurement: Measurement) -> Mapping[str, Callable[[], Tensor]]:
    """Classical answers by name: total variation, weighed by the noise."""
    y, operator, std = measurement.y, measurement.operator, measurement.noise.std
    if isinstance(std, float):
        return {"tv": lambda: total_variation(y, operator, TV * std)[0]}
    weights = std**-2
    level = TV * weights.mean().item() ** 0.5
    return {"tv": lambda: total_variation(y, operator, level, weights=weights)[0]}


def colour_shape(record: Record) -> torch.Size:
    """(3, height, width) of a picture in colour; ValueError for a grey one."""
    if len(record.signal) != 3:
        raise ValueError(f"{name_of(record)} is grey; a picture in colour is needed")
    return record.signal.shape


def name_of(record: Record) -> str:
    """The file that a picture came from, for messages."""
    return "the picture" if record.source is None else str(record.source)
