"""Networks that are told the noise of every value, and the maps that they are trained on."""

import pytest
import torch

from restore.networks.folder import load_prior_folder, save_prior
from restore.networks.material import Material
from restore.networks.parameterisations import from_edm, from_edm_map
from restore.networks.training import Training, train
from restore.networks.training.noise_levels import NoiseLevels, draw_maps
from restore.networks.unets.folded_unet import FoldedUNet, fold, unfold
from restore.priors.combined.complex_valued import complex_valued
from restore.priors.combined.tiled import tiled
from restore.priors.exact import gaussian, mixture
from restore.priors.prior import NOISE_MAPS, Prior

TINY = {"widths": (4, 6), "blocks": 1}


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def network(channels=1, dims=2):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = FoldedUNet(channels, dims=dims, **TINY)
        torch.nn.init.normal_(made.tail.weight, std=0.1)
    return made.requires_grad_(False)


@pytest.mark.parametrize("size", [(8,), (4, 12), (6, 4, 2)])
def test_folding_keeps_every_value_and_unfolds(size):
    x = randn(2, 3, *size)
    folded = fold(x)
    assert folded.shape == (2, 3 * 2 ** len(size), *(n // 2 for n in size))
    assert torch.equal(unfold(folded), x)


def test_folding_pictures_is_pixel_unshuffle():
    x = randn(2, 3, 4, 6)
    assert torch.equal(fold(x), torch.nn.functional.pixel_unshuffle(x, 2))


@pytest.mark.parametrize("size", [(11,), (9, 14), (5, 6, 7)])
def test_the_network_takes_signals_of_any_size(size):
    x = randn(2, 2, *size)
    assert network(2, len(size))(x, torch.zeros_like(x)).shape == x.shape


def test_a_constant_map_is_the_scalar():
    denoise = from_edm_map(network(), sigma_data=0.25, mean=0.5)
    x, level = randn(3, 1, 8, 8), torch.tensor([0.1, 0.5, 2.0])
    each = level.reshape(3, 1, 1, 1).expand(x.shape)
    assert torch.equal(denoise(x, level), denoise(x, each))


def test_value_by_value_the_preconditioning_is_edms():
    def spy(x, noise):
        return torch.zeros_like(x)

    x, level = randn(2, 1, 4, 4), torch.tensor(0.7)
    by_value = from_edm_map(spy, sigma_data=0.3, mean=0.2)(x, level)
    torch.testing.assert_close(by_value, from_edm(spy, sigma_data=0.3, mean=0.2)(x, level))


def test_the_noise_of_a_value_is_told_where_it_is():
    seen = {}

    def spy(x, noise):
        seen["noise"] = noise
        return torch.zeros_like(x)

    x, level = randn(1, 1, 4, 4), 0.1 + torch.arange(16.0).reshape(1, 1, 4, 4)
    from_edm_map(spy, sigma_data=0.5)(x, level)
    torch.testing.assert_close(seen["noise"], (level / 0.5).log() / 4)


def test_maps_keep_to_the_range_and_half_of_them_are_constant():
    levels = NoiseLevels(sigma_min=0.01, sigma_max=3.0)
    maps = draw_maps(levels, 400, (2, 8, 8), torch.Generator().manual_seed(0))
    assert maps.shape == (400, 2, 8, 8)
    # the ends are exact in log space, not in float32
    assert maps.min() >= 0.01 * (1 - 1e-5) and maps.max() <= 3 * (1 + 1e-5)
    constant = (maps.flatten(1) == maps.flatten(1)[:, :1]).all(1).float().mean()
    # half, and the few masks that hold all values or none; four standard errors are 0.1
    assert 0.4 < constant < 0.7


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_signals_of_every_dimension_have_maps(dims):
    maps = draw_maps(NoiseLevels(), 20, (1, *(8,) * dims), torch.Generator().manual_seed(0))
    assert maps.shape == (20, 1, *(8,) * dims)


def test_small_patches_come_first_and_hold_as_many_values():
    training = Training(batch=4, patch=64, early_patch=32, early_steps=10)
    assert training.patches(9, 2) == (16, 32)
    assert training.patches(10, 2) == (4, 64)


def test_training_on_maps_learns_and_is_gone_on_with_from_its_folder(tmp_path):
    ramp = torch.linspace(0, 1, 24)
    material = Material([(ramp[:, None] * ramp)[None]], mean=0.5, sigma_data=0.25)
    plan = Training(steps=60, batch=4, patch=16, early_patch=8, early_steps=20, seed=1)
    trained = train(network().requires_grad_(True), material, plan)
    card = {"name": "maps"}
    span = {"sigma_min": 0.002, "sigma_max": 10.0, "errors": {0.1: 0.01, 1.0: 0.05}}
    save_prior(tmp_path, trained, mean=0.5, sigma_data=0.25, card=card, **span)
    prior = load_prior_folder(tmp_path)
    assert NOISE_MAPS in prior.offers
    clean = material.signals[0][None, :, :16, :16]
    level = torch.where(torch.arange(16) % 2 > 0, 0.05, 1.0).expand(clean.shape)
    noisy = clean + level * randn(1, 1, 16, 16)
    error = (prior.denoise(noisy, level) - clean).square().mean()
    assert error < 0.5 * (noisy - clean).square().mean()


def test_tiles_see_their_part_of_a_map():
    prior = Prior(lambda x, sigma: x / (1 + sigma**2), (1, None))  # white signals of any size
    level = torch.linspace(0.1, 3, 20).reshape(1, 1, 20)
    x = randn(2, 1, 20)
    of_tiles = tiled(prior, tile=8, overlap=2).denoise(x, level)
    # independent values: tiles and the whole agree to rounding
    torch.testing.assert_close(of_tiles, prior.denoise(x, level), rtol=1e-5, atol=1e-5)


def test_parts_of_complex_signals_have_noise_of_their_own():
    prior = complex_valued(gaussian(torch.zeros(1, 6), 1.0))
    x, level = randn(2, 2, 6), 0.1 + torch.arange(12.0).reshape(1, 2, 6)
    wanted = x / (1 + level**2)
    torch.testing.assert_close(prior.denoise(x, level), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("level", [0.3, torch.tensor([0.3, 1.2])])
def test_exact_priors_know_constant_maps_as_their_scalars(level):
    x = randn(2, 6).double()
    each = torch.as_tensor(level, dtype=torch.float64).expand(2)[:, None].expand(2, 6)
    root = randn(6, 6, seed=1).double()
    for prior in (
        gaussian(torch.ones(6), root @ root.T),
        gaussian(torch.ones(6), torch.linspace(0.5, 2, 6)),
        mixture(torch.tensor([0.3, 0.7]), randn(2, 6, seed=2), torch.tensor([0.2, 0.5])),
    ):
        # rounding of a solve in place of a diagonalisation
        torch.testing.assert_close(
            prior.denoise(x, each), prior.denoise(x, level), rtol=1e-8, atol=1e-8
        )
