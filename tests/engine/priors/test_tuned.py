"""A condition that is tuned to a measurement, where its effect is known: x0 | c ~ N(B c, C)."""

import pytest
import torch
from problems import Dense, behind, orthonormal

from restore.measurement.measurement import Measurement, simulate, stack
from restore.measurement.noise import Gaussian
from restore.priors.combined.conditioned import conditioned
from restore.priors.exact import gaussian
from restore.priors.tuned import tuned

DOUBLE = torch.float64


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


EFFECT = draw(4, 2, seed=1)  # B
SPREAD = 0.05 * torch.eye(4, dtype=DOUBLE)  # C
WITHIN = gaussian(torch.zeros(4), SPREAD)
FREE = gaussian(torch.zeros(4), SPREAD + EFFECT @ EFFECT.T)


def denoise(x, sigma, condition):
    centre = condition @ EFFECT.T
    return centre + WITHIN.denoise(x - centre, sigma)


def measured(std: float) -> Measurement:
    truth = EFFECT @ torch.tensor([1.0, -0.5], dtype=DOUBLE) + 0.05**0.5 * draw(4, seed=4)
    return simulate(Dense(draw(3, 4, seed=2)), Gaussian(std), truth)


@pytest.mark.parametrize("std", [0.3, 0.0])
def test_from_noise_alone_the_condition_is_that_of_least_squares(std):
    """One level: D is B c and a little of x; Adam comes within 1 % in 1500 steps of 1e-2."""
    measurement = measured(std)
    options = {"levels": 2, "iterations": 1500}
    found = tuned(FREE, denoise, torch.zeros(1, 2, dtype=DOUBLE), measurement, **options)
    matrix = measurement.operator.matrix @ EFFECT
    expected = torch.linalg.lstsq(matrix, measurement.y[0]).solution
    # x at the second level, sigma_min, is the data's own: there the condition has no gradient left
    torch.testing.assert_close(found[0], expected, rtol=0.1, atol=0.1)


def test_samples_are_drawn_with_the_condition_that_was_tuned():
    measurement, start = measured(0.3), torch.zeros(1, 2, dtype=DOUBLE)
    found = tuned(FREE, denoise, start, measurement, iterations=20, step_size=0.02)
    far, x = FREE.sigma_max, draw(1, 4, seed=7)
    before, after = (conditioned(FREE, denoise, c).denoise(far * x, far) for c in (start, found))
    misfit = measurement.residual(before).norm(), measurement.residual(after).norm()
    assert misfit[1] < 0.7 * misfit[0]
    assert torch.equal(start, torch.zeros(1, 2, dtype=DOUBLE))  # the given one is left as it was


def test_a_condition_of_latents_is_tuned_through_the_decoder():
    turn, measurement = orthonormal(4, 4), measured(0.3)
    behind_it = behind(turn, FREE)
    turned = Measurement(
        measurement.y, Dense(measurement.operator.matrix @ turn.T), measurement.noise
    )
    start, options = torch.zeros(1, 2, dtype=DOUBLE), {"levels": 2, "iterations": 30}
    torch.testing.assert_close(
        tuned(behind_it, denoise, start, turned, **options),
        tuned(FREE, denoise, start, measurement, **options),
        rtol=1e-3,
        atol=1e-3,
    )


def test_one_condition_is_tuned_to_one_observation():
    several = stack([measured(0.3), measured(0.3)])
    with pytest.raises(ValueError, match="one observation"):
        tuned(FREE, denoise, torch.zeros(1, 2, dtype=DOUBLE), several)
