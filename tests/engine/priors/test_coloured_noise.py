"""Noise that is not white, in bands: what networks are told of it, and are trained on."""

from dataclasses import replace

import pytest
import torch
from restore_operators import Blur, Downsample

from restore.files.training import PriorPlan, train_prior
from restore.networks.folder import load_prior_folder
from restore.networks.material import Material
from restore.networks.parameterisations import from_edm_bands, from_edm_map
from restore.networks.training import Training
from restore.networks.training.noise_colours import draw_coloured
from restore.networks.training.noise_levels import NoiseLevels
from restore.networks.unets.folded_unet import FoldedUNet
from restore.networks.unets.unet import UNet, begin_from
from restore.priors.coloured import BANDS, Bands, Coloured
from restore.priors.combined.normalised import normalised
from restore.priors.combined.opponent import ROTATION, opponent
from restore.priors.combined.tiled import tiled
from restore.priors.exact import gaussian
from restore.priors.prior import COLOURED, NOISE_MAPS, Prior

SHAPE = (1, 12, 16)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def coloured(operator=None, sigma=2.0, std=0.1) -> Coloured:
    """What a blurred signal and one with noise sigma leave together."""
    operator = operator or Blur(SHAPE, torch.ones(3, 3) / 9)
    spectral = operator.svd()
    precision = sigma**-2 + (spectral.values.float() / std) ** 2
    level = precision.rsqrt().expand(operator.in_shape)[None]
    return Coloured(spectral.to_signal, spectral.from_signal, level)


def network(channels=1, **shape) -> FoldedUNet:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = FoldedUNet(channels, widths=(8, 16), blocks=1, **shape)
        torch.nn.init.normal_(made.tail.weight, std=0.1)
    return made.eval()


@pytest.mark.parametrize("downsampled", [False, True])
def test_bands_add_up_to_the_signal_and_hold_all_its_noise(downsampled):
    noise = coloured(Downsample(SHAPE, 2, boundary="reflect") if downsampled else None)
    x = randn(3, *SHAPE)
    bands = noise.in_bands(x, 0.5)
    torch.testing.assert_close(bands.parts.sum(1), x - 0.5, atol=1e-5, rtol=0)  # float32
    torch.testing.assert_close(bands.shares.sum(1), torch.ones(3, 1, 1, 1))
    held = (bands.shares * bands.levels.square()).nan_to_num(nan=0.0).sum(1)
    power = noise.std.square().mean()
    torch.testing.assert_close(held.flatten(), power.expand(3))


def test_levels_of_bands_are_those_of_the_noise_within():
    noise = coloured()
    white = randn(400, *SHAPE)
    bands = noise.in_bands(noise.of(white))
    for index in range(BANDS):
        share = bands.shares[0, index].item()
        if share == 0:
            assert bands.levels[0, index].isinf() and not bands.parts[:, index].any()
            continue
        power = bands.parts[:, index].square().mean().item() / share
        # four standard errors of the variance of 400 draws of so many coordinates
        error = 4 * (2 / (400 * share * 12 * 16)) ** 0.5
        assert power == pytest.approx(bands.levels[0, index].item() ** 2, rel=error)
    assert (bands.levels[0, 1:] > bands.levels[0, :-1]).all()  # quiet first


def test_white_noise_is_one_band():
    same = Coloured(lambda c: c, lambda x: x, torch.full((1, *SHAPE), 0.3))
    bands = same.in_bands(randn(2, *SHAPE))
    assert bands.shares[:, 0].eq(1).all()
    assert bands.levels[:, 0].flatten().tolist() == pytest.approx([0.3, 0.3])


def test_bands_and_rotations_are_taken_in_full_precision_where_the_network_is_not():
    """bfloat16 keeps 8 bits: a quiet band would drown in a loud one's rounding."""
    operator = Blur(SHAPE, torch.ones(3, 1) / 3, boundary="reflect")  # by matrices
    x, noise = randn(2, *SHAPE), coloured(operator, sigma=10.0, std=0.01)
    made, _ = colours()
    seen = randn(1, 3, 4, 6)
    expected, alike = noise.in_bands(x), made.denoise(seen, 0.01)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(noise.in_bands(x).parts, expected.parts)
        torch.testing.assert_close(made.denoise(seen, 0.01), alike)


def test_a_signal_of_its_own_noise_has_bands_of_its_own():
    """Chains of one batch may have noises of different colours, as those of two observations."""
    spectral = Blur(SHAPE, torch.ones(3, 3) / 9).svd()
    std = torch.stack([(s**-2 + (spectral.values / 0.1) ** 2).rsqrt() for s in (0.2, 5.0)]).float()
    x = randn(2, *SHAPE)
    both = Coloured(spectral.to_signal, spectral.from_signal, std[:, None]).in_bands(x)
    for row in range(2):
        noise = Coloured(spectral.to_signal, spectral.from_signal, std[row : row + 1, None])
        alone = noise.in_bands(x[row : row + 1])
        torch.testing.assert_close(both.parts[row], alone.parts[0])
        torch.testing.assert_close(both.levels[row], alone.levels[0])


def test_a_network_of_bands_begun_from_one_of_maps_knows_maps_as_it_did():
    before, after = network(), network(bands=BANDS)
    begin_from(after, before)
    old, new = (build(n, sigma_data=0.25, mean=0.5) for build, n in (
        (from_edm_map, before), (from_edm_bands, after),
    ))  # fmt: skip
    x, level = randn(2, *SHAPE), 0.05 + torch.rand(2, *SHAPE)
    for sigma in (0.3, torch.tensor([0.1, 2.0]), level):
        torch.testing.assert_close(new(x, sigma), old(x, sigma))


@pytest.mark.parametrize("kind", [UNet, FoldedUNet])
def test_a_network_begun_from_a_grey_one_treats_grey_in_colour_alike(kind):
    """Equal channels are an average of themselves: F is that of the grey network in each."""
    grey, colour = kind(1, widths=(8, 16), blocks=1), kind(3, widths=(8, 16), blocks=1)
    torch.nn.init.normal_(grey.tail.weight, std=0.1)
    begin_from(colour, grey)
    x = randn(2, *SHAPE)
    label = torch.full((2,), -0.2) if kind is UNet else torch.full((2, *SHAPE), -0.2)
    wide = label if kind is UNet else label.expand(-1, 3, -1, -1)
    expected = grey(x, label).expand(-1, 3, -1, -1)
    torch.testing.assert_close(colour(x.expand(-1, 3, -1, -1), wide), expected)


def test_a_network_of_other_widths_or_fewer_bands_is_not_begun_from():
    with pytest.raises(ValueError, match="cannot begin"):
        begin_from(network(), network(bands=BANDS))
    with pytest.raises(ValueError, match="cannot begin"):
        begin_from(UNet(1), network())


def test_tiles_see_their_part_of_every_band():
    """A denoiser that gives each value its own band's noise is the same in tiles."""

    def denoise(x, noise):
        bands = noise.in_bands(x, 0.5) if isinstance(noise, Coloured) else noise
        assert isinstance(bands, Bands)
        return 0.5 + (bands.parts / (1 + bands.levels**2)).sum(1)

    prior = Prior(denoise, (1, None, None), mean=0.5, offers=frozenset({COLOURED}))
    x, noise = randn(2, *SHAPE), coloured()
    # float32, and the blending of tiles
    of_each = replace(noise, std=torch.cat([noise.std, 2 * noise.std]))
    for told in (noise, of_each):
        torch.testing.assert_close(tiled(prior, 8, 2).denoise(x, told), denoise(x, told))


@pytest.mark.parametrize("size", [(16,), (12, 16), (4, 6, 8)])
def test_drawn_noises_are_of_unitary_coordinates_and_within_the_range(size):
    levels, generator = NoiseLevels(0.01, 3.0), torch.Generator().manual_seed(0)
    x = randn(2, 1, *size)
    least = []
    for _ in range(40):
        noise = draw_coloured(levels, 0.25, size, generator)
        coordinates = noise.from_signal(x)
        torch.testing.assert_close(coordinates.norm(), x.norm())
        torch.testing.assert_close(noise.to_signal(coordinates), x, atol=1e-5, rtol=0)
        assert noise.std.isfinite().all() and noise.std.max() <= 3.0 * (1 + 1e-5)
        least.append(noise.std.min() / noise.std.max())
    assert min(least) < 0.1 and max(least) > 0.5  # some nearly white, some not at all


def test_training_on_bands_learns_and_its_prior_offers_coloured_noise(tmp_path):
    generator = torch.Generator().manual_seed(0)
    ramps = torch.linspace(0, 1, 24)[None, None] * torch.rand(30, 1, 24, 1, generator=generator)
    material = Material([ramp.contiguous() for ramp in ramps], mean=0.25, sigma_data=0.25)
    plan = PriorPlan(
        Training(steps=120, batch=8, patch=16, learning_rate=5e-3, warmup=5, average=0.9),
        kind="folded-unet",
        widths=(8, 16),
        blocks=1,
        bands=BANDS,
        card={"name": "bands"},
    )
    train_prior(tmp_path, material, plan)
    prior = load_prior_folder(tmp_path)
    assert prior.offers == {NOISE_MAPS, COLOURED}
    clean = torch.stack([ramp[:, :16, :16] for ramp in ramps])
    noise = coloured(Blur((1, 16, 16), torch.ones(3, 3) / 9), sigma=0.5)
    noisy = clean + noise.of(randn(*clean.shape, seed=2))
    with torch.no_grad():
        error = (prior.denoise(noisy, noise) - clean).square().mean()
    bands = noise.in_bands(noisy, 0.25)  # Wiener's answer for white signals, an untrained network's
    kept = 0.25 + (bands.parts * 0.0625 / (0.0625 + bands.levels**2)).sum(1)
    assert error < 0.8 * (kept - clean).square().mean()


def colours() -> tuple[Prior, Prior]:
    """A white grey prior in opponent colours, and the Gaussian that it then is."""
    size, mean, variance = (4, 6), 0.4, 0.05
    grey = gaussian(torch.full((1, *size), mean), variance)
    rotation = torch.tensor(ROTATION, dtype=torch.float64)
    between = rotation.T @ torch.diag(variance * torch.tensor([3.0, 1.0, 1.0]).double()) @ rotation
    each = torch.eye(24, dtype=torch.float64)
    covariance = torch.kron(between, each)
    return opponent(grey), gaussian(torch.full((3, *size), mean), covariance)


@pytest.mark.parametrize("kind", ["number", "each", "map", "coloured"])
def test_opponent_colours_of_a_white_grey_prior_are_the_gaussian_they_should_be(kind):
    made, exact = colours()
    x = 0.4 + randn(2, 3, 4, 6).double()
    noise = {
        "number": 0.3,
        "each": torch.tensor([0.1, 2.0]),
        "map": (0.1 + torch.rand(2, 1, 4, 6).double()).expand(2, 3, 4, 6),
        "coloured": coloured(Blur((3, 4, 6), torch.ones(3, 3) / 9), sigma=1.0),
    }[kind]
    # float32 of the rotation's scale, and of the coordinates' deviations
    torch.testing.assert_close(made.denoise(x, noise), exact.denoise(x, noise), atol=1e-5, rtol=0)


def test_opponent_colours_refuse_noise_that_differs_between_colours():
    made, _ = colours()
    x = randn(1, 3, 4, 6)
    with pytest.raises(TypeError, match="alike in all three"):
        made.denoise(x, torch.rand(1, 3, 4, 6) + 0.1)
    kernels = torch.rand(3, 3, 3)
    with pytest.raises(TypeError, match="alike in all three"):
        made.denoise(x, coloured(Blur((3, 4, 6), kernels)))
    with pytest.raises(ValueError, match="grey pictures"):
        opponent(made)


def test_other_units_scale_coloured_noise_too():
    prior = gaussian(torch.zeros(1, 12, 16), 1.0)
    x, noise = randn(2, *SHAPE), coloured()
    twice = normalised(prior, 0.5, 2.0)
    expected = 0.5 + 2 * prior.denoise((x - 0.5) / 2, noise / 2)
    torch.testing.assert_close(twice.denoise(x, noise), expected)
