"""The power of noise under speech: Martin, IEEE TSAP 9(5), 2001, whose numbers are kept."""

import numpy as np

SECONDS, PARTS = 1.54, 8  # D and U: the minimum is sought over this long, in so many parts
# table III: D, M(D)
LENGTHS = (1, 2, 5, 8, 10, 15, 20, 30, 40, 60, 80, 120, 140, 160)
MEANS = (0, 0.26, 0.48, 0.58, 0.61, 0.668, 0.705, 0.762, 0.8, 0.841, 0.865, 0.89, 0.9, 0.91)
# a mean Q^-1 below the first number lets the noise rise by the second within a part
SLOPES = ((0.03, 8.0), (0.05, 4.0), (0.06, 2.0), (np.inf, 1.2))
SILENCE = 1e-12  # of the signal's power: digital silence counts as noise of -120 dB


def noise_power(power: np.ndarray, hop: float) -> np.ndarray:
    """The noise's power in every bin; (frames, bins), |Y|^2 -> (frames, bins).

    hop: between frames, in s. Our own: the first 1.5 s are gone through backwards first, so that
    the beginning is no worse than the rest.
    """
    power = np.maximum(power, SILENCE * power.mean())
    part = max(round(SECONDS / hop / PARTS), 2)
    before = power[1 : 1 + PARTS * part][::-1]
    smoothing, minimum = _Smoothing(power[: 2 * part].mean(0), hop), _Minimum(part, power.shape[1])
    noise, found = smoothing.power, []
    for now in np.concatenate([before, power]):
        smooth, inverse = smoothing.next(now, noise)
        noise = minimum.next(smooth, inverse, noise)
        found.append(noise)
    return np.stack(found[len(before) :])


class _Smoothing:
    """P, smoothed the more the nearer it is to the noise, and how much it varies for all that."""

    def __init__(self, power: np.ndarray, hop: float):
        self.power, self.mean, self.square = power, power, power**2
        self.correction, self.fall = 1.0, hop / 0.064  # s, over which the end of a word falls

    def next(self, now: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """P and Q^-1 after one more frame; (bins,) each."""
        change = 1 / (1 + (self.power.sum() / now.sum() - 1) ** 2)  # equation 9
        self.correction = 0.7 * self.correction + 0.3 * max(change, 0.7)
        alpha = 0.96 * self.correction / (1 + (self.power / noise - 1) ** 2)  # equation 11
        ratio = self.power.sum() / noise.sum()
        alpha = np.maximum(alpha, min(0.3, ratio**-self.fall))  # equation 12
        self.power = alpha * self.power + (1 - alpha) * now
        beta = np.minimum(alpha**2, 0.8)  # equations 20 to 22
        self.mean = beta * self.mean + (1 - beta) * self.power
        self.square = beta * self.square + (1 - beta) * self.power**2
        inverse = (self.square - self.mean**2) / (2 * noise**2)
        return self.power, np.clip(inverse, 1e-4, 0.5)


class _Minimum:
    """The least smoothed power of the last PARTS parts, made unbiased: the paper's figure 5."""

    def __init__(self, part: int, bins: int):
        self.part, self.place = part, 0
        self.parts = np.full((PARTS, bins), np.inf)
        self._begin()

    def _begin(self) -> None:
        self.place = 0
        self.least, self.least_of_part = np.full((2, self.parts.shape[1]), np.inf)
        self.fell = np.zeros(self.parts.shape[1], dtype=bool)

    def next(self, smooth: np.ndarray, inverse: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """The noise after one more frame; (bins,)."""
        spread = inverse.mean()
        raised = smooth * (1 + 2.12 * np.sqrt(spread))  # equation 18
        lower = raised * _bias(inverse, PARTS * self.part) < self.least
        self.least = np.where(lower, raised * _bias(inverse, PARTS * self.part), self.least)
        self.least_of_part = np.where(lower, raised * _bias(inverse, self.part), self.least_of_part)
        self.place += 1
        if self.place == 1:
            return noise
        if self.place < self.part:
            self.fell |= lower
            return np.minimum(self.least_of_part, noise)
        self.parts = np.concatenate([[self.least], self.parts[:-1]])
        found = self.parts.min(0)
        slope = next(rise for most, rise in SLOPES if spread < most)
        low = self.least_of_part
        local = self.fell & ~lower & (low < slope * found) & (low > found)
        found = np.where(local, low, found)
        self.parts[:, local] = found[local]
        self._begin()
        return found


def _bias(inverse: np.ndarray, length: int) -> np.ndarray:
    """B_min, by which the least of `length` values lies too low, equation 17."""
    mean = np.interp(length, LENGTHS, MEANS)
    return 1 + 2 * (length - 1) * (1 - mean) / (1 / inverse - 2 * mean)
