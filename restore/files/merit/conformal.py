"""Factors on deviations with which intervals hold: conformal risk control.

Angelopoulos, Bates, Fisch, Lei & Schuster 2024, arXiv:2208.02814. The risk of a file is the share
of its true values outside of its intervals, which falls as they widen. The least factor f with
(sum_i risk_i(f) + 1) / (n + 1) <= alpha over n files keeps the expected risk of the next one, drawn
as they were, at alpha or below: whatever the sampler, whatever the errors. How the factor goes with
the local deviation is fitted on other files beforehand, as the groups of K-RCPS are: Teneggi et
al. 2023, arXiv:2302.03791.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

GROUPS = 6  # of equally many values, by their deviation
FITTED_ON = 1 / 4  # of the files: how the factor goes with the deviation; it is held on the others
LEAST = 1e-12  # a deviation below is none


def least_files(level: float) -> int:
    """How many files a calibration to this level takes at least."""
    needed = next(n for n in range(1, 10**6) if (n + 1) * (1 - level) >= 1 - 1e-9)
    return next(n for n in range(needed, 10**7) if n - _fitted(n) >= needed)


def controlled_factor(ratios: Sequence[Tensor], level: float) -> float:
    """The least factor whose intervals hold `level` of the next file's values, on average.

    ratios: of each file, |truth - mean| in units of its interval's half-width; of any shapes.
    ValueError for so few files that no factor can promise it.
    """
    count = len(ratios)
    allowed = (1 - level) * (count + 1) - 1
    if allowed < -1e-9:
        raise ValueError(f"{count} files cannot promise intervals of {level:.0%}")
    values = torch.cat([ratio.flatten().double() for ratio in ratios])
    weights = torch.cat([torch.full((r.numel(),), 1 / r.numel()).double() for r in ratios])
    order = values.argsort(descending=True)
    outside = weights[order].cumsum(0)  # the summed risk of a factor just below each value
    place = int(torch.searchsorted(outside, torch.tensor(allowed + 1e-9), right=True))
    return values[order[min(place, len(order) - 1)]].item()


def factors_by_deviation(
    ratios: Sequence[Tensor], deviations: Sequence[Tensor], level: float
) -> tuple[list[float], list[float]]:
    """Deviations, rising, and the factor at each with which intervals hold `level` on average.

    ratios: as of `controlled_factor`; deviations: of the same shapes. Between the deviations, the
    factor is interpolated as `factors_at` does. ValueError for too few files.
    """
    if len(ratios) < least_files(level):
        raise ValueError(
            f"intervals of {level:.0%} are calibrated on {least_files(level)} files or more, "
            f"not on {len(ratios)}"
        )
    fitted = _fitted(len(ratios))
    at, shape = _shape(ratios[:fitted], deviations[:fitted], level)
    relative = [r / factors_at(s, at, shape) for r, s in zip(ratios[fitted:], deviations[fitted:])]
    factor = controlled_factor(relative, level)
    return at, [factor * one for one in shape]


def factors_at(deviation: Tensor, at: Sequence[float], factors: Sequence[float]) -> Tensor:
    """The factor of each value, linear in the logarithm of its deviation; constant beyond `at`."""
    logs = deviation.double().clamp(min=LEAST).log().numpy()
    return torch.from_numpy(np.interp(logs, np.log(at), factors)).to(deviation.dtype)


def _fitted(count: int) -> int:
    return round(FITTED_ON * count)


def _shape(
    ratios: Sequence[Tensor], deviations: Sequence[Tensor], level: float
) -> tuple[list[float], list[float]]:
    """The median deviation of each group, and the factor that `level` of its values need."""
    flat = torch.cat([ratio.flatten().double() for ratio in ratios]).numpy()
    widths = torch.cat([one.flatten().double() for one in deviations]).numpy()
    order = widths.argsort(kind="stable")
    groups = [g for g in np.array_split(order, GROUPS) if len(g) and np.median(widths[g]) > LEAST]
    if not groups:
        raise ValueError("the samples do not differ: there are no intervals to calibrate")
    at = [float(np.median(widths[group])) for group in groups]
    shape = [max(float(np.quantile(flat[group], level)), LEAST) for group in groups]
    rising = [i for i in range(len(at)) if i == 0 or at[i] > at[i - 1]]
    return [at[i] for i in rising], [shape[i] for i in rising]
