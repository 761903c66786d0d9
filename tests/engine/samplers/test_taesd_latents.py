"""A real autoencoder, TAESD, with a Gaussian prior of its latents, end to end on a photograph."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import restore
from restore.networks.published import family

SIDE, STD = 64, 0.02


def _codec(folder):
    """encode and decode of taef2, pictures in 0 to 1."""
    taesd = family("taesd")
    state = {
        f"{half}.{name}": value.float()
        for half in ("taef2_encoder", "taef2_decoder")
        for name, value in torch.load(
            folder / f"{half}.pth", map_location="cpu", weights_only=True
        ).items()
    }
    config = taesd.recognise({name: tuple(value.shape) for name, value in state.items()}, {})
    network = taesd.build(config).requires_grad_(False).eval()
    network.load_state_dict(taesd.rename(state, config))
    return taesd.autoencoder(network, config)


@pytest.fixture(scope="module")
def photograph(shared_data):
    """A measurement with half of the values missing, a prior of latents, and the decoder's floor.

    The floor: the misfit of decode(encode(x)) of the true photograph, 1.9 where 1 is the noise's.
    """
    image = pytest.importorskip("PIL.Image")
    folder, files = shared_data / "priors", sorted(shared_data.glob("images/bsds500_test/*.jpg"))
    if not (folder / "taef2_decoder.pth").exists() or not files:
        pytest.skip("taef2 or the photographs are not among the shared data")
    cut = (slice(100, 100 + SIDE), slice(150, 150 + SIDE))
    pictures = [np.asarray(image.open(path).convert("RGB"), np.float32)[cut] for path in files[:7]]
    x, *others = (torch.from_numpy(picture / 255).permute(2, 0, 1) for picture in pictures)
    codec = _codec(folder)
    with torch.no_grad():
        z = codec.encode(torch.stack(others))
    mean = z.mean((0, 2, 3)).reshape(-1, 1, 1).expand(z.shape[1:])
    white = restore.gaussian(mean.contiguous(), (z - mean).square().mean().item())
    white = replace(white, sigma_min=0.02, sigma_max=8.0)  # ten times its deviation
    prior = restore.latent(white, codec.encode, codec.decode, factor=codec.factor)
    kept = (torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    operator = restore.load_operator("mask", kept)
    measurement = restore.simulate(operator, restore.Gaussian(STD), x, seed=0)
    with torch.no_grad():
        floor = measurement.chi_square(codec.decode(codec.encode(x[None]))).item()
    return x, measurement, prior, floor


# levels, and dB less half a decibel of what was measured
@pytest.mark.parametrize(
    ("name", "steps", "reached"), [("resample", 12, 28.5), ("latino", 16, 24.8)]
)
def test_decoded_samples_fit_the_data_down_to_the_decoder_s_floor(photograph, name, steps, reached):
    x, measurement, prior, floor = photograph
    posterior = restore.sample(measurement, prior, name, chains=1, steps=steps, seed=0)
    (sample,) = posterior.samples
    assert sample.shape == x.shape and floor > 1.5
    # twice the true photograph's own, as measured: another torch may end a fit a step earlier
    assert measurement.chi_square(sample[None]).item() < 2.4 * floor
    assert -10 * (sample - x).square().mean().log10().item() > reached
