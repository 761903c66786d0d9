"""The width that held-out measurements ask for, against laws that are known."""

import pytest
import torch
from restore_operators import Mask

from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.sampling.held_out import Split, squared_error, width
from restore.sampling.posterior import Posterior

COUNT, SIZE = 6, 20_000  # a relative error of 1 / sqrt(2 * 20000) each: 1 %, tolerances take 5


def problem(noise: float, shrink: float, *, spread: float = 1.0, kept: float = 1.0):
    """Samples of N(m, spread^2), their deviations times `shrink`; y of a truth of the same law."""
    generator = torch.Generator().manual_seed(0)
    centre, *drawn = torch.randn(COUNT + 2, SIZE, generator=generator)
    truth, *samples = (centre + spread * z for z in drawn)
    samples = torch.stack([centre + shrink * (x - centre) for x in samples])
    seen = (torch.rand(SIZE, generator=generator) < kept).float()
    y = seen * (truth + noise * torch.randn(SIZE, generator=generator))
    held = Measurement(y, Mask(seen), Gaussian(noise))
    other = samples.mean(0) + noise * torch.randn(SIZE, generator=generator)  # chi-square 1
    kept = Measurement(other, Mask(torch.ones(SIZE)), Gaussian(max(noise, 1e-6)))
    return samples, Split(kept, held)


@pytest.mark.parametrize("noise", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("kept", [1.0, 0.5])
def test_narrow_samples_are_told_their_factor(noise, kept):
    """Of samples half as wide: mean of n of them misses by 1 + 1/(4n), not by 1/4 (1 + 1/n).

    So the factor found is 2 sqrt((1 + 1/(4n)) / (1 + 1/n)) = 1.89 for n = 6: a little less.
    """
    found = width(*problem(noise, 0.5, kept=kept))
    n = COUNT
    assert found == pytest.approx(2 * ((1 + 1 / (4 * n)) / (1 + 1 / n)) ** 0.5, rel=0.05)


def test_samples_of_the_right_law_stay_as_they_are():
    assert width(*problem(0.1, 1.0)) == pytest.approx(1, abs=0.05)
    assert width(*problem(0.1, 3.0)) == 1  # too wide: never narrowed


def test_noise_that_hides_the_spread_tells_nothing():
    assert width(*problem(1.0, 0.5, spread=1e-3)) == 1


def test_equal_samples_have_no_factor():
    samples, split = problem(0.1, 0.5)
    assert width(samples[:1].expand(4, -1), split) == 1


def test_a_noise_that_is_assumed_too_large_does_not_hide_the_spread():
    """Assumed 3 times as large as it is: the kept data's chi-square, 1 / 9, takes it back."""
    samples, split = problem(0.3, 0.5)
    large = [Measurement(m.y, m.operator, Gaussian(0.9)) for m in (split.kept, split.held)]
    assert width(samples, Split(*large)) == pytest.approx(width(samples, split), rel=0.02)
    assert width(samples, Split(split.kept, large[1])) < 0.9 * width(samples, split)


def test_complex_noise_has_two_parts():
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(COUNT + 2, SIZE, dtype=torch.complex128, generator=generator) * 2**0.5
    y = z[0] + z[1]  # the truth, and noise of std 1 in each part
    held = Measurement(y, Mask(torch.ones(SIZE)), Gaussian(1.0))
    assert width(z[2:], Split(held, held)) == pytest.approx(1, abs=0.05)


def test_a_width_needs_two_samples():
    samples, split = problem(0.1, 1.0)
    with pytest.raises(ValueError, match="two samples"):
        width(samples[:1], split)


@pytest.mark.parametrize("shape", [(5, 3), (2, 5, 3)])
def test_widening_keeps_the_mean(shape):
    samples = torch.randn(shape, dtype=torch.float64)
    narrow = Posterior(samples, (3,))
    wide = narrow.widened(2.5)
    torch.testing.assert_close(wide.mean, narrow.mean)
    torch.testing.assert_close(wide.std, 2.5 * narrow.std)
    assert wide.provenance["width"] == 2.5


def test_the_misfit_is_that_of_the_mean_of_many_samples():
    """y of variance 1 + 0.1^2 about the centre; the mean of 6 samples misses it by 1 / 6 more."""
    samples, split = problem(0.1, 1.0)
    assert squared_error(samples, split.held) / SIZE == pytest.approx(1.01, rel=0.05)
    assert squared_error(2 * samples, split.held) > 1.5 * squared_error(samples, split.held)
