"""Errors of priors of latents, and of priors of one size, on clean files."""

from pathlib import Path

import pytest
import torch
from tiny import grid, tiny  # noqa: F401

import restore
from restore.errors import UsageError
from restore.files.merit.measuring import measured_on
from restore.files.training import as_float, read_signals

pytestmark = pytest.mark.usefixtures("tiny")


def test_errors_of_latents_are_those_of_what_is_encoded():
    grid("clean/a.grid", 64, 64)
    white = restore.Prior(lambda z, sigma: z / (1 + sigma**2), (3, None, None), sigma_max=3.0)
    prior = restore.latent(
        white, lambda x: torch.nn.functional.avg_pool2d(x, 2),
        lambda z: z.repeat_interleave(2, -1).repeat_interleave(2, -2), factor=2, scale=4.0,
    )  # fmt: skip
    words, errors = measured_on(Path("clean"))(prior)
    (x,) = read_signals(Path("clean"), channels="colour")
    z = 4 * torch.nn.functional.avg_pool2d(as_float(x)[None], 2)
    assert "1 of clean" in words and len(errors) == 12 and max(errors) == pytest.approx(3.0)
    for sigma, error in errors.items():
        share = 1 / (1 + sigma**2)
        expected = (sigma * share) ** 2 + (1 - share) ** 2 * z.square().mean().item()
        assert error == pytest.approx(expected, rel=0.1)  # 3 x 32 x 32 values: 3 sqrt(2 / n) is 8 %


def test_pictures_that_are_none_of_the_prior_s_are_refused():
    grid("clean/a.grid", 40, 40)
    there = restore.Prior(lambda x, sigma: x, (1, 64, 64))
    with pytest.raises(UsageError, match="smaller than 64x64"):
        measured_on(Path("clean"))(there)
    with pytest.raises(UsageError, match="pictures only"):
        measured_on(Path("clean"))(restore.Prior(lambda x, sigma: x))
