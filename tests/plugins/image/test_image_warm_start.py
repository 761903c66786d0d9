"""Priors whose noise levels end low begin from a classical answer, and say so."""

import numpy as np
import pytest
import torch
from PIL import Image
from restore_operators import Mask, random_mask
from skimage import data

import restore
from restore.errors import RestoreWarning
from restore.files.problem import Settings
from restore.files.restoring import restore_file

CLEAN = data.camera()[100:164, 200:264]


def smoother(sigma_max: float) -> restore.Prior:
    """White pixels about 0.5 with std 0.2, for noise up to sigma_max."""
    variance = 0.04

    def denoise(x, sigma):
        share = variance / (variance + torch.as_tensor(sigma) ** 2)
        return 0.5 + share.reshape(-1, *(1,) * (x.ndim - 1)) * (x - 0.5)

    law = lambda sigma: variance * sigma**2 / (variance + sigma**2)  # noqa: E731
    return restore.Prior(denoise, (1, None, None), 0.002, sigma_max, mean=0.5, variance=law)


def inpainted(folder, prior):
    """The report of a run on a photograph with half of its pixels missing."""
    mask = random_mask((64, 64), 0.5).numpy()
    Image.fromarray((CLEAN * mask).astype(np.uint8)).save(folder / "holed.png")
    Image.fromarray(((1 - mask) * 255).astype(np.uint8)).save(folder / "mask.png")
    options = {"mask": folder / "mask.png"}
    settings = Settings.of(
        "inpaint", options, noise=0.01, sampler="diffpir", chains=2, steps=8, seed=0
    )
    return restore_file(folder / "holed.png", folder / "out", settings, load_prior=lambda _: prior)


def test_a_prior_of_small_noise_begins_from_total_variation_and_fills_holes(tmp_path):
    facts = inpainted(tmp_path, smoother(0.1))
    assert facts["facts"]["begun from"].startswith("tv with noise of 0.1")
    mean = np.load(tmp_path / "out" / "mean.npy")[0]
    # total variation fills half of this photograph to an error of 0.06; from noise of 0.1 about
    # 0.5 a prior of white pixels would leave 0.2
    assert np.sqrt(((mean - CLEAN / 255) ** 2).mean()) < 0.12


def test_a_prior_that_reaches_noise_begins_from_noise(tmp_path):
    assert "begun from" not in inpainted(tmp_path, smoother(5.0))["facts"]


def test_in_python_a_start_from_noise_that_is_none_is_warned_of():
    operator = Mask(random_mask((1, 16, 16), 0.5))
    measurement = restore.Measurement(torch.zeros(1, 16, 16), operator, restore.Gaussian(0.1))
    with pytest.warns(RestoreWarning, match="noise levels end at 0.1"):
        restore.sample(measurement, smoother(0.1), "diffpir", steps=3)
