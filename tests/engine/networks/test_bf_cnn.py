"""Other people's bias-free denoisers load and restore."""

import pytest
import torch
from problems import Copy, load

import restore
from restore.errors import WeightsError
from restore.measurement.measurement import simulate
from restore.measurement.noise import Gaussian
from restore.measurement.operator import LinearOperator
from restore.networks.bf_cnn import BFCNN
from restore.networks.training import denoising_psnr


class Holes(LinearOperator):
    """Every second pixel of every second row is kept."""

    def _forward(self, x):
        kept = torch.zeros_like(x)
        kept[..., ::2, ::2] = x[..., ::2, ::2]
        return kept

    _adjoint = _forward

    def norm(self, steps=100):
        return 1.0


def _picture(size=48):
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return (0.5 + 0.3 * torch.sin(x / 5) + 0.15 * (y > x).float())[None]


def _digit(size=28):
    """A one, white on black: all that the other checkpoint knows."""
    x = torch.zeros(1, size, size)
    x[:, 5:23, 13:16] = 1.0
    return x


def _state(depth=4, channels=8):
    generator = torch.Generator().manual_seed(0)
    sizes = [(channels, 1), *[(channels, channels)] * (depth - 2), (1, channels)]
    state = {
        f"conv_layers.{i}.weight": torch.randn(a, b, 3, 3, generator=generator) / 9
        for i, (a, b) in enumerate(sizes)
    }
    for i in range(depth - 2):
        state[f"gammas.{i}"] = torch.rand(1, channels, 1, 1, generator=generator)
        state[f"running_sd.{i}"] = 1 + torch.rand(1, channels, 1, 1, generator=generator)
    return state


def test_without_biases_the_network_is_homogeneous():
    network, x = BFCNN(_state()), torch.randn(2, 1, 9, 7)
    torch.testing.assert_close(network(3 * x), 3 * network(x), rtol=1e-4, atol=1e-5)


def test_a_checkpoint_becomes_a_prior_and_another_file_is_refused(tmp_path):
    torch.save(_state(), tmp_path / "bf.pt")
    prior = restore.load_prior(tmp_path / "bf.pt")
    x = torch.randn(1, 1, 12, 10)
    torch.testing.assert_close(prior.denoise(x, 0.1), x - BFCNN(_state())(x))
    torch.save({"weight": x}, tmp_path / "other.pt")
    (tmp_path / "text.pt").write_text("no weights")
    for name in ("other.pt", "text.pt"):
        with pytest.raises(WeightsError, match=r"no (BF-CNN )?checkpoint"):
            restore.load_prior(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "x"), [("bf_cnn_bsd400_gray", _picture()), ("bf_cnn_mnist_gray", _digit())]
)
def test_the_shared_checkpoints_load_and_restore(name, x, shared_data):
    path = shared_data / "priors" / f"{name}.pt"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the shared data")
    prior = restore.load_prior(path)
    assert denoising_psnr(prior.denoise, [x], 0.1) > 20 + 8  # 20 dB: the noise itself
    measurement = simulate(Copy(torch.ones_like(x)), Gaussian(0.2), x)
    posterior = restore.sample(measurement, prior, load("stochastic-denoising"), chains=2, steps=12)
    error = (posterior.mean - x).square().mean()
    assert error < 0.2 * (measurement.y[0] - x).square().mean()


def test_a_shared_checkpoint_fills_holes(shared_data):
    path = shared_data / "priors" / "bf_cnn_bsd400_gray.pt"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the shared data")
    x = _picture()
    measurement = simulate(Holes(x.shape, x.shape), Gaussian(0.02), x)
    prior = restore.load_prior(path)
    posterior = restore.sample(measurement, prior, load("diffpir"), chains=2, steps=12)
    error = (posterior.mean - x).square().mean()
    assert error < 0.05 * (measurement.y[0] - x).square().mean()
