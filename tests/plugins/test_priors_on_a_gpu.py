"""Every embedded prior on a GPU that is pretended: its network moves there whole, gradients too."""

import pytest
import torch
from pretended_gpu import Faraway, PretendedGpu

from restore.plugins.discovery import catalog
from restore.priors.prior import linearize
from restore.sampling.by_name import load_prior

CHANNELS = {"image-colour": 3, "mri-slices": 2}
FORWARD = {"speech"}  # the gradient of its spectrograms is not for tensors that are pretended
LOOKS = {"speech": 1}  # torch.istft asks whether its windows cover the whole signal
TOLD = {"speech-enhance"}  # what they must be told a recipe knows; its test is with the recipe


def priors() -> list[str]:
    return [entry.name for entry in catalog().registry("priors") if entry.name not in TOLD]


@pytest.mark.parametrize("name", priors())
def test_a_prior_is_the_same_on_a_gpu_and_the_host_does_not_look(name):
    prior = load_prior(name)
    shape = prior.shape or ()
    size = [n or (CHANNELS.get(name, 1) if i == 0 else 64) for i, n in enumerate(shape)]
    x = 0.5 + 0.2 * torch.randn(2, *size, generator=torch.Generator().manual_seed(0))
    sigma = torch.tensor(0.2)
    expected, pullback = linearize(prior.denoise, x, sigma)
    gradient = pullback(expected)
    with PretendedGpu() as gpu:
        far = load_prior(name).to("meta")
        before = gpu.looks.total()
        denoised, back = linearize(far.denoise, x.to("meta"), sigma.to("meta"))
        found = None if name in FORWARD else back(denoised)
        assert isinstance(denoised, Faraway)
        assert gpu.looks.total() - before == LOOKS.get(name, 0), gpu.looks
    torch.testing.assert_close(denoised.here, expected, rtol=1e-3, atol=1e-4)
    if found is not None:
        torch.testing.assert_close(found.here, gradient, rtol=1e-2, atol=1e-3)
