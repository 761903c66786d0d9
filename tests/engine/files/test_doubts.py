"""What is said of a result that should be doubted, and nothing of one that should not."""

import numpy as np
import pytest
import torch
from restore_operators import Blur, Identity, gaussian_kernel

from restore.errors import RestoreError
from restore.files.merit import doubts
from restore.files.problem import Settings
from restore.files.task import Recipe, Record
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.operator import Operator

SHAPE = (1, 64, 64)


class Posed:
    """As much of a problem as is looked at."""

    def __init__(self, operator=None):
        self.record = Record(torch.zeros(SHAPE), "image")
        self.task = self
        self.measurement = Measurement(
            torch.zeros(SHAPE), operator or Identity(SHAPE), Gaussian(0.1)
        )


def white(seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(seed))


def told(residual, misfits, noise=0.1, estimate=0.1, monkeypatch=None, operator=None, solves=None):
    recipe = Recipe(None, estimate_noise=lambda record: estimate)
    monkeypatch.setattr(doubts, "catalog", lambda: type("C", (), {"load": lambda *_: recipe})())
    return doubts.doubts(Posed(operator), Settings("any", noise=noise), residual, misfits, solves)


def test_a_right_result_is_not_doubted(monkeypatch):
    assert told(white(), [0.9, 1.1], monkeypatch=monkeypatch) == []


def test_a_misfit_far_above_one_is_told_with_its_figure(monkeypatch):
    (line,) = told(white(), [49.0], monkeypatch=monkeypatch)
    assert "misfit 49" in line and "--noise" in line


@pytest.mark.parametrize(("worst", "lines"), [(0.2, 1), (1e-4, 0)])
def test_inner_solves_that_fall_far_short_are_told(monkeypatch, worst, lines):
    solves = {"count": 60, "short": 7, "worst": worst}
    found = told(white(), [1.0], monkeypatch=monkeypatch, solves=solves)
    assert len(found) == lines
    assert all("7 of 60 inner solves" in line and "20.0%" in line for line in found)


@pytest.mark.parametrize("misfit", [1.8e8, np.inf, np.nan])
def test_an_absurd_misfit_is_an_error(monkeypatch, misfit):
    with pytest.raises(RestoreError, match="misfit"):
        told(white(), [misfit], monkeypatch=monkeypatch)


@pytest.mark.parametrize(("given", "estimate"), [(0.02, 0.1), (0.3, 0.1), (20.0, 8.9)])
def test_a_noise_a_factor_of_two_off_its_estimate_is_told(monkeypatch, given, estimate):
    (line,) = told(white(), [1.0], given, estimate, monkeypatch)
    assert f"{given:.3g} was given" in line and f"{estimate:.3g}" in line


@pytest.mark.parametrize(("given", "estimate"), [(0.1, 0.15), ("auto", 0.5), (0.002, 0.005)])
def test_a_noise_near_its_estimate_or_below_rounding_is_not(monkeypatch, given, estimate):
    assert told(white(), [1.0], given, estimate, monkeypatch) == []


def test_noise_whose_neighbours_are_alike_is_told(monkeypatch):
    smooth = torch.nn.functional.avg_pool2d(white(), 3, 1, 1)  # neighbours correlate by 2/3
    (line,) = told(smooth, [1.0], monkeypatch=monkeypatch)
    assert "not white" in line and "0.6" in line


class Squared(Operator):
    """Not linear."""

    def __init__(self):
        super().__init__(SHAPE, SHAPE)

    def _forward(self, x):
        return x.square()


@pytest.mark.parametrize("operator", [Blur(SHAPE, gaussian_kernel(1.0)), Squared()])
def test_residuals_of_what_takes_something_away_may_be_alike(monkeypatch, operator):
    smooth = torch.nn.functional.avg_pool2d(white(), 3, 1, 1)
    assert told(smooth, [1.0], monkeypatch=monkeypatch, operator=operator) == []
