"""A DDPM whose schedule stands among its weights."""

import pytest
import torch
from published_files import load, randomised, under

from restore.networks.published import family

MINIMAL = family("minimal-ddpm")


def _state(steps=10, widths=(4, 6)):
    kernels = [7] * len(widths) + [3]
    config = {"channels": 1, "widths": list(widths), "kernels": kernels, "steps": steps}
    state = randomised(MINIMAL.build(config))
    betas = torch.linspace(1e-4, 0.02, steps + 1)
    return state | {"alphabar_t": (1 - betas).log().cumsum(0).exp()}


def test_the_architecture_is_read_from_shapes():
    _, config = load("minimal-ddpm", under("module.", _state(12, (4, 6, 5))))
    assert config == {
        "channels": 1,
        "widths": [4, 6, 5],
        "kernels": [7, 7, 7, 3],
        "steps": 12,
        "size": None,
    }
    assert MINIMAL.data_range(config) == (-0.5, 0.5)


def test_the_schedule_is_the_networks_own():
    state = _state(1000)
    network, config = load("minimal-ddpm", state)
    signal = state["alphabar_t"].double()
    expected = [((1 - a) / a).sqrt().item() for a in (signal[1], signal[-1])]
    assert MINIMAL.sigmas(network, config) == pytest.approx(expected, rel=1e-5)
    assert MINIMAL.sigmas(network, config)[1] == pytest.approx(157.4, rel=0.01)


def test_the_denoiser_is_its_formula_and_sees_the_share_of_steps():
    network, config = load("minimal-ddpm", _state())
    seen = {}

    def spy(x, step):
        seen["x"], seen["step"] = x, step
        return network.eps_model.conv(x)

    network.forward = spy
    x, table = torch.randn(2, 1, 9, 8), network.table().float()
    denoised = MINIMAL.denoiser(network, config)(x, table[[2, 9]])
    s = table[[2, 9], None, None, None]
    torch.testing.assert_close(seen["step"], torch.tensor([0.3, 1.0]))
    torch.testing.assert_close(seen["x"], x / (1 + s**2).sqrt())
    torch.testing.assert_close(denoised, x - s * network.eps_model.conv(seen["x"]))


def test_the_shared_network_denoises_the_size_that_it_was_trained_on(shared_data):
    """Its batch means, at the 49 places of its first kernel, are those of pictures of 4 x 4."""
    path = shared_data / "priors" / "ddpm_mnist.pth"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the shared data")
    tensors = torch.load(path, map_location="cpu", weights_only=True)
    network, config = load("minimal-ddpm", tensors, {"size": 4})
    assert MINIMAL.shape(config) == (1, 4, 4)
    assert MINIMAL.sigmas(network, config) == pytest.approx((0.0469, 0.3432), abs=1e-3)
    x = torch.full((100, 1, 4, 4), -0.5)
    x[:, :, :, 1:3] = torch.tensor([-0.36, -0.21, -0.21, -0.36])[:, None]  # a one of 4 x 4
    noisy = x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    denoised = MINIMAL.denoiser(network, config)(noisy, torch.tensor(0.3))
    assert (denoised - x).square().mean() < 0.4 * 0.3**2  # 0.34 as measured
