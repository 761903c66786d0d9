"""Watchers look at every step of a run: they record it, or stop it."""

from collections.abc import Callable

from ..measurement.measurement import Measurement
from ..measurement.noise import Gaussian
from ..samplers.base import Step

# (step, index, total) -> True to stop
Watcher = Callable[[Step, int, int], bool | None]


class Trace:
    """A watcher that records every step in `rows`: dicts of sigma and chi_square.

    chi_square: of the denoised estimates, averaged over the chains; None where the noise is not
    Gaussian. Samplers with particles add ess, the mean effective sample size of a chain. It costs
    one call of the operator a step.
    """

    def __init__(self, measurement: Measurement):
        self.measurement = measurement
        self.rows: list[dict[str, float | None]] = []

    def __call__(self, step: Step, index: int, total: int) -> None:
        row = {"sigma": step.sigma, "chi_square": mean_chi_square(self.measurement, step)}
        if step.ess is not None:
            row["ess"] = step.ess.mean().item()
        self.rows.append(row)


def mean_chi_square(measurement: Measurement, step: Step) -> float | None:
    """The mean chi-square of a step's denoised estimates; None without Gaussian noise."""
    if not isinstance(measurement.noise, Gaussian) or measurement.noise.noise_free:
        return None
    measurement = measurement.to(step.denoised.device, step.denoised.dtype)
    return measurement.chi_square(step.denoised).mean().item()


def until_discrepancy(measurement: Measurement, factor: float = 1.0) -> Watcher:
    """A watcher that stops when the data are explained: chi-square <= factor (Morozov)."""

    def watcher(step: Step, index: int, total: int) -> bool:
        value = mean_chi_square(measurement, step)
        return value is not None and value <= factor

    return watcher
