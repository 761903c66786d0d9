"""Watchers look at every step of a run: they record it, or stop it."""

from collections.abc import Callable

from .measurement import Measurement
from .noise import Gaussian
from .samplers.base import Step

# (step, index, total) -> True to stop
Watcher = Callable[[Step, int, int], bool | None]


class Trace:
    """Noise level and data misfit after every step, in `rows`: dicts of sigma and chi_square.

    chi_square: mean over the chains of the denoised estimates', None where the noise is not
    Gaussian. One call of the operator a step.
    """

    def __init__(self, measurement: Measurement):
        self.measurement = measurement
        self.rows: list[dict[str, float | None]] = []

    def __call__(self, step: Step, index: int, total: int) -> None:
        self.rows.append({"sigma": step.sigma, "chi_square": misfit(self.measurement, step)})


def misfit(measurement: Measurement, step: Step) -> float | None:
    """The mean chi-square of a step's denoised estimates."""
    noise = measurement.noise
    if not isinstance(noise, Gaussian) or noise.std == 0:
        return None
    measurement = measurement.to(step.denoised.device, step.denoised.dtype)
    return measurement.chi_square(step.denoised).mean().item()


def until_discrepancy(measurement: Measurement, factor: float = 1.0) -> Watcher:
    """Stop when the data are explained: |y - A(D)|^2 <= factor times the noise's (Morozov)."""

    def watcher(step: Step, index: int, total: int) -> bool:
        value = misfit(measurement, step)
        return value is not None and value <= factor

    return watcher
