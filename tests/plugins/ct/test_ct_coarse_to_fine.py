"""Chains that begin on a coarse grid: the law of the start, and what the recipe makes of it."""

import math
from dataclasses import replace
from pathlib import Path

import pydicom.data
import pytest
import torch
from restore_ct.noise import as_sinogram
from restore_ct.recipes.choosing import sampler_choice
from restore_ct.recipes.coarse_to_fine import Enlarged, coarse_to_fine, places
from restore_ct.recipes.ct import solve_ct
from restore_operators import Mask, Radon, random_mask
from torch.nn.functional import avg_pool2d

import restore
from restore import Prior
from restore.files.by_extension import read
from restore.files.problem import Settings
from restore.files.restoring import restore_file
from restore.files.simulating import simulate_file
from restore.plugins.discovery import catalog
from restore.priors.schedules import geometric
from restore.samplers.decoupled.diffpir import diffpir
from restore.testing import assert_adjoint, assert_linear
from restore.testing.cases import CASES
from restore.testing.verify import try_sampler

SIZE = (1, 17, 22)  # not a whole number of blocks
SMOOTH = 0.06  # cycles a pixel of the finest grid: blocks of 2 hold nearly all of such an image


def smooth() -> Prior:
    """A stationary Gaussian prior of smooth images with borders that mirror, on any grid.

    Its covariance is that of points in the plane: on a grid of half as many pixels an image is as
    smooth in mm. The eigenvalues are those of the points' distances, in cosines.
    """
    axes: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def axis(n: int, pixel: float) -> tuple[torch.Tensor, torch.Tensor]:
        at = pixel * torch.arange(n, dtype=torch.float64)
        scale = 1 / (2 * math.pi * SMOOTH)
        values, vectors = torch.linalg.eigh(torch.exp(-((at[:, None] - at) ** 2) / (2 * scale**2)))
        return values.clamp(min=0), vectors

    def denoise(x, sigma):
        pixel = 1.0 if x.shape[-1] > 11 else 2.0
        (a, left), (b, right) = (axes.setdefault(n, axis(n, pixel)) for n in x.shape[-2:])
        left, right = left.to(x), right.to(x)
        variances = (a[:, None] * b).to(x)
        rotated = left.T @ x @ right
        return left @ (rotated * variances / (variances + torch.as_tensor(sigma) ** 2)) @ right.T

    return Prior(denoise, shape=(1, None, None), sigma_min=0.01, sigma_max=10.0, mean=0.0)


def few_views(std: float = 0.1) -> restore.Measurement:
    operator = Radon(SIZE, torch.linspace(0, 3, 5, dtype=torch.float64), 28, pitch=1.0, pixel=1.0)
    rows, columns = torch.meshgrid(torch.arange(17.0), torch.arange(22.0), indexing="ij")
    x = (torch.cos(0.25 * rows) + torch.sin(0.2 * columns + 1))[None]
    return restore.simulate(operator, restore.Gaussian(std), x, seed=0)


def drawn(sampler, chains: int = 3, **options):
    return restore.sample(
        few_views(), smooth(), sampler, chains=chains, sigmas=geometric(2.0, 0.02, 14), **options
    )


def test_blocks_have_their_adjoint_at_any_size():
    for shape, times in (((2, 8, 12), 4), (SIZE, 2), ((1, 3, 5, 7), 4)):
        assert_adjoint(Enlarged(shape, times))
        assert_linear(Enlarged(shape, times))
    blocks = Enlarged((1, 3, 5), 2)
    assert blocks(torch.arange(6.0).reshape(1, 1, 2, 3))[0, 0].tolist() == [
        [0, 0, 1, 1, 2], [0, 0, 1, 1, 2], [3, 3, 4, 4, 5],
    ]  # fmt: skip


def test_a_chain_passes_all_levels_of_the_first_grid_and_the_low_ones_of_the_next():
    levels = [4.0, 1.0, 0.3, 0.1, 0.0]
    assert places(levels, 1, 0.3) == [(1, s) for s in levels]
    assert places(levels, 2, 0.5) == [
        (2, 4.0), (2, 1.0), (2, 0.3), (2, 0.1), (1, 0.5), (1, 0.3), (1, 0.1), (1, 0.0),
    ]  # fmt: skip
    assert [times for times, _ in places(levels, 4, 0.1)] == [4, 4, 4, 4, 2, 1, 1]
    for grid, begin in ((3, 0.3), (0, 0.3), (2, 0.0)):
        with pytest.raises(ValueError, match=r"got"):
            places(levels, grid, begin)


def test_of_one_grid_it_is_diffpir():
    assert torch.equal(
        drawn(coarse_to_fine, grid=1, trust=0.5).samples, drawn(diffpir, trust=0.5).samples
    )


def test_every_chain_has_a_start_of_its_own_whatever_its_batch():
    mask = restore.Measurement(
        torch.ones(SIZE), Mask(random_mask(SIZE, 0.7)), restore.Gaussian(0.1)
    )
    batches = [
        restore.sample(mask, smooth(), coarse_to_fine, chains=3, batch_size=size, seed=4,
                       sigmas=geometric(2.0, 0.02, 14)).samples
        for size in (3, 1)
    ]  # fmt: skip
    # rounding of batched products; rays would enlarge it where their solves end short
    torch.testing.assert_close(*batches, atol=1e-4, rtol=0)
    assert (batches[0][0] - batches[0][1]).abs().max() > 0.01


@pytest.mark.parametrize("cut", [5, 13, 14, 18])  # in the coarse chain, around its end, after it
def test_a_run_that_is_cut_off_goes_on_to_the_same_samples(tmp_path, cut):
    whole = drawn(coarse_to_fine)
    seen = []

    def stop(step, index, total):
        seen.append(step)
        if len(seen) == cut:
            raise KeyboardInterrupt

    kept = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        drawn(coarse_to_fine, watch=[stop], checkpoint=kept)
    assert torch.equal(drawn(coarse_to_fine, checkpoint=kept).samples, whole.samples)


def test_steps_are_of_the_signal_s_size_and_the_estimates_of_the_data_s_fit():
    steps = list(
        restore.iterate(few_views(), smooth(), coarse_to_fine, sigmas=geometric(2.0, 0.02, 14))
    )
    assert all(step.x.shape == step.denoised.shape == (1, *SIZE) for step in steps)
    assert few_views().chi_square(steps[-1].x).item() < 1.5  # of 140 rays: 1 +- 0.12


def test_nothing_is_left_of_a_start_that_noise_hides():
    """Means and deviations of 100 chains are those of chains of DiffPIR from noise.

    Means of 100 differ by sqrt(2 / 100) = 0.14 of a deviation, root mean square.
    """
    one, other = drawn(diffpir, 100, seed=1), drawn(coarse_to_fine, 100, seed=2, begin=2.0)
    width = one.std.square().mean().sqrt()
    assert (one.mean - other.mean).square().mean().sqrt() < 0.2 * width
    assert (other.std.square().mean().sqrt() / width).item() == pytest.approx(1, abs=0.1)


def test_where_blocks_hold_the_signal_the_start_is_no_bias():
    """From 0.3 the means are within 0.14 by chance and 0.2 by the blocks, of a deviation."""
    one, other = drawn(diffpir, 100, seed=1), drawn(coarse_to_fine, 100, seed=2)
    width = one.std.square().mean().sqrt()
    assert (one.mean - other.mean).square().mean().sqrt() < 0.3 * width


def test_very_few_views_begin_on_a_coarse_grid_and_more_do_not():
    few, more = sampler_choice(8, (1, 1, 256, 256), None), sampler_choice(30, (1, 256, 256), None)
    assert few.name == "ct-coarse-to-fine" and few.options["grid"] == 2
    assert more.name == "diffpir" and "grid" not in more.options
    assert sampler_choice(8, (1, 256, 256), 1).name == "diffpir"
    assert sampler_choice(60, (1, 256, 256), 4).options["grid"] == 4
    for choice in (few, more):  # rays hardly tell the noise that 0.1 makes
        assert [o["trust"] for o in choice.candidate_options] == [0.3, 1.0]
    for grid in (0, 3, 64):
        with pytest.raises(ValueError, match=r"1, 2, 4, ... pixels"):
            sampler_choice(8, (1, 256, 256), grid)


def test_solves_on_the_coarse_grid_are_counted_too():
    solves = drawn(coarse_to_fine, chains=1).provenance["solves"]
    assert solves["count"] == 14 + 9  # all levels, then 0.3 and those below it


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A spine of 128x128 in 8 views of 1e5 photons, and its reference."""
    folder = tmp_path_factory.mktemp("sim") / "s"
    small = pydicom.data.get_testdata_file("CT_small.dcm", download=False)
    simulate_file(Path(small), folder, Settings.of("ct", {"views": 8, "counts": 1e5}, seed=1))
    return folder / "measurement.h5", folder / "reference.h5"


def test_the_recipe_begins_on_a_coarse_grid_and_says_so(measured, tmp_path, untrained):
    small = {"size": 32, "pixel": 2.65}
    for coarse, name in ((2, "ct-coarse-to-fine"), (1, "diffpir")):
        settings = Settings.of("ct", {**small, "coarse": coarse}, chains=2, steps=4,
                               prior=untrained)  # fmt: skip
        told = restore_file(measured[0], tmp_path / name, settings)
        assert told["sampler"] == name and ("held-out" in told["intervals"])
        assert told["provenance"]["options"].get("grid") == (2 if coarse > 1 else None)


def test_without_a_wish_the_views_decide_and_volumes_of_planes_begin_on_no_grid(measured):
    record = read(measured[0])
    assert solve_ct(record, None).sampler.name == "ct-coarse-to-fine"
    assert solve_ct(record, None, size=64, pixel=1.3).sampler.name == "diffpir"
    assert solve_ct(record, None, volume="perpendicular").sampler.name == "diffpir"
    with pytest.raises(ValueError, match="coarse grid"):
        solve_ct(record, None, coarse=5)


def test_a_prior_of_one_size_knows_no_coarse_grid(measured):
    posed = solve_ct(read(measured[0]), None)
    assert posed.suited(smooth()).sampler.name == "ct-coarse-to-fine"
    one_size = replace(smooth(), shape=(1, 128, 128))
    assert posed.suited(one_size).sampler.name == "diffpir"


def test_what_the_grid_cannot_hold_of_a_ray_counts_as_noise(measured):
    """The photons alone would ask a spine of 64x64 for detail that its pixels cannot have."""
    record, truth = read(measured[0]), 1 + read(measured[1]).signal / 1000
    coarse = solve_ct(record, None, size=64, pixel=2 * 0.661468)
    held = coarse.facts["noise of the grid"]
    assert held == pytest.approx(0.25 * 0.0192 * 2 * 0.661468, rel=1e-4)
    measurement = coarse.measurement
    photons = measurement.noise.std.float().square() - held**2
    weights = as_sinogram(record).meta["weights"].expand(record.signal.shape)
    torch.testing.assert_close(
        photons.reshape(weights.shape), 1 / weights.float(), check_dtype=False
    )
    counted = replace(measurement, noise=restore.Gaussian(photons.sqrt()))
    seen = avg_pool2d(truth, 2)[None]
    assert measurement.chi_square(seen).item() < 0.7 * counted.chi_square(seen).item()
    assert solve_ct(record, 0.01).measurement.noise.std == pytest.approx(
        math.hypot(0.01, 0.25 * 0.0192 * 0.661468), rel=1e-4
    )


def test_priors_and_signals_without_coarser_grids_are_refused():
    y = few_views()
    whole = replace(smooth(), shape=SIZE)
    with pytest.raises(TypeError, match="needs a prior of signals on any grid"):
        restore.sample(y, whole, coarse_to_fine, chains=1, steps=2, seed=0)
    flat = restore.simulate(Mask(torch.ones(6), (6,)), restore.Gaussian(0.1), torch.ones(6), seed=0)
    anywhere = Prior(lambda x, sigma: 0 * x)
    with pytest.raises(ValueError, match="rows and columns"):
        restore.sample(flat, anywhere, coarse_to_fine, chains=1, steps=2, seed=0)


@pytest.mark.parametrize("case", ["gaussian", "field"])
def test_verify_has_a_reason_where_it_cannot_be_tried(case):
    made = CASES[case](seed=0)
    entry = catalog().entry("samplers", "ct-coarse-to-fine")
    row = try_sampler(entry, made, made.after.draw(3, 1), case, steps=2, seed=0)
    assert "any grid" in row.reason and not row.broken
