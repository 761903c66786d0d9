"""The U-Net, its training, and the folder a trained prior lives in."""

import json
from dataclasses import replace

import pytest
import torch

from restore.errors import WeightsError
from restore.networks import UNet, begin_from, from_edm
from restore.networks.folder import load_prior_folder, save_prior
from restore.networks.material import Material, Patches
from restore.networks.training import Session, Training, denoising_psnr, train
from restore.networks.training.noise_levels import NoiseLevels
from restore.priors.prior import linearize


def _net(channels=1, dims=2):
    torch.manual_seed(0)
    network = UNet(channels, widths=(8, 16), blocks=1, dims=dims)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network


@pytest.mark.parametrize(
    ("dims", "sizes"), [(1, [(1,), (37,)]), (2, [(1, 1), (7, 13), (16, 9)]), (3, [(5, 6, 7)])]
)
def test_any_size_goes_in_and_comes_out(dims, sizes):
    network = _net(2, dims)
    for size in sizes:
        x = torch.randn(3, 2, *size)
        out = network(x, torch.zeros(3))
        assert out.shape == x.shape
        alone = torch.cat([network(x[i : i + 1], torch.zeros(1)) for i in range(3)])
        torch.testing.assert_close(out, alone, rtol=1e-4, atol=1e-5)


def test_the_noise_level_reaches_the_network():
    network = _net()
    x = torch.randn(1, 1, 8, 8)
    assert not torch.allclose(network(x, torch.zeros(1)), network(x, torch.ones(1)))


def test_the_network_has_a_gradient_for_guidance():
    denoise = from_edm(_net().requires_grad_(False), sigma_data=0.25, mean=0.5)
    x, v = torch.randn(2, 1, 9, 9), torch.randn(2, 1, 9, 9)
    denoised, pullback = linearize(denoise, x, 0.3)
    step = 1e-3
    slope = (denoise(x + step * v, torch.tensor(0.3)) - denoised) / step
    left = (slope * v).sum()
    torch.testing.assert_close((pullback(v) * v).sum(), left.detach(), rtol=2e-2, atol=2e-2)


def _stripes(count=6, size=40):
    generator = torch.Generator().manual_seed(0)
    phases = torch.rand(count, generator=generator)
    columns = torch.arange(size) / 8
    return [(0.5 + 0.4 * torch.sin(6.28 * (columns + p))).expand(1, size, size) for p in phases]


def test_training_learns_and_goes_on_from_its_checkpoint(tmp_path):
    levels = NoiseLevels(sigma_median=0.2)
    settings = Training(steps=60, batch=8, patch=16, warmup=5, levels=levels, average=0.9)
    material = Material(_stripes(), _stripes(2))
    session = Session(validate_every=30, validation_sigmas=(0.2,))
    once = train(_net(), material, settings, replace(session, curve=tmp_path / "curve.csv"))
    denoise = from_edm(once, mean=0.5, sigma_data=0.25)
    before = denoising_psnr(lambda x, sigma: x, _stripes(2), 0.2)
    assert denoising_psnr(denoise, _stripes(2), 0.2) > before + 3
    rows = (tmp_path / "curve.csv").read_text().splitlines()
    assert len(rows) == 3 and float(rows[2].split(",")[3]) > before + 3

    session = replace(session, checkpoint=tmp_path / "checkpoint")
    train(_net(), material, settings, replace(session, minutes=0.0))
    resumed = train(_net(), material, settings, session)
    for name, value in once.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=1e-3, atol=1e-4)


def test_complex_and_one_dimensional_signals_train_too():
    signals = [torch.randn(2, 50) for _ in range(3)]
    settings = Training(steps=3, batch=4, patch=16)
    network = train(_net(2, 1), Material(signals, mean=0.0, sigma_data=1.0), settings)
    assert network(torch.randn(1, 2, 21), torch.zeros(1)).shape == (1, 2, 21)


def test_patches_take_small_signals_and_integers():
    patches = Patches([torch.randint(256, (1, 5, 9), dtype=torch.uint8)], 16)
    batch = patches.draw(4, torch.Generator().manual_seed(0))
    assert batch.shape == (4, 1, 16, 16) and batch.min() >= 0 and batch.max() <= 1
    with pytest.raises(ValueError, match="nothing to train on"):
        Patches([], 16)


def test_noise_levels_stay_in_their_range():
    levels = NoiseLevels(sigma_min=0.01, sigma_max=3.0)
    sigma = levels.draw(10_000, torch.Generator().manual_seed(0))
    assert sigma.min() >= 0.01 - 1e-6 and sigma.max() <= 3.0 + 1e-6
    assert sigma.log().median().exp().item() == pytest.approx(0.1, rel=0.15)


def _save(folder, network):
    save_prior(
        folder, network, mean=0.5, sigma_data=0.25, sigma_min=0.002, sigma_max=10.0,
        errors={0.01: 2e-5, 1.0: 1e-2}, card={"name": "tiny", "licence": "none"},
    )  # fmt: skip


def test_a_prior_comes_back_from_its_folder(tmp_path):
    network = _net()
    _save(tmp_path, network)
    prior = load_prior_folder(tmp_path)
    x = 0.5 + torch.randn(1, 1, 12, 10)
    expected = from_edm(network, mean=0.5, sigma_data=0.25)(x, 0.3)
    torch.testing.assert_close(prior.denoise(x, 0.3), expected, rtol=1e-2, atol=2e-3)  # float16
    assert prior.accepts((1, 33, 7)) and not prior.accepts((3, 33, 7))
    assert prior.variance(1.0) == pytest.approx(1e-2)
    assert prior.card["name"] == "tiny" and len(prior.card["sha256"]) == 64


def test_weights_that_are_not_whole_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="no prior"):
        load_prior_folder(tmp_path)
    _save(tmp_path, _net())
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[:-1] + b"\x01")
    with pytest.raises(WeightsError, match="checksum"):
        load_prior_folder(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match="missing"):
        load_prior_folder(tmp_path)
    config = json.loads((tmp_path / "prior.json").read_text())
    (tmp_path / "prior.json").write_text(json.dumps({**config, "format": 99}))
    with pytest.raises(WeightsError, match="format 99"):
        load_prior_folder(tmp_path)
    (tmp_path / "prior.json").write_text("{")
    with pytest.raises(WeightsError, match="not a prior's description"):
        load_prior_folder(tmp_path)


def test_a_colour_network_begun_from_a_grey_one_denoises_grey_alike():
    grey, colour = _net(1), _net(3)
    begin_from(colour, grey)
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(
        colour(x.expand(2, 3, 8, 8), torch.ones(2)),
        grey(x, torch.ones(2)).expand(2, 3, 8, 8),
        rtol=1e-4,
        atol=1e-5,
    )
    with pytest.raises(ValueError, match="cannot begin"):
        begin_from(_net(1, dims=1), grey)
