"""Recipes: what simulate writes is what solve reads, and a task's operator is what was done."""

import math

import numpy as np
import pytest
import torch
from PIL import Image
from restore_image.files import formats
from restore_image.recipes import given, masks
from skimage import data

import restore
from restore.files.task import Record
from restore.plugins.discovery import catalog
from restore.plugins.options import options_of

COLOUR = torch.from_numpy(data.astronaut()[100:141, 200:253].transpose(2, 0, 1) / 255).float()
GREY = COLOUR.mean(0, keepdim=True)
NAMES = ("denoise", "inpaint", "deblur", "superresolve", "demosaic", "colorize")
RECIPES = {name: catalog().load("recipes", name) for name in NAMES}
CASES = [
    ("denoise", {}),
    ("inpaint", {"missing": 0.7}),
    ("inpaint", {"box": "4,5,10,12"}),
    ("deblur", {"kernel": "gaussian:1.6"}),
    ("deblur", {"kernel": "motion:9,30", "boundary": "circular"}),
    ("deblur", {"kernel": "disc:3", "boundary": "zero"}),
    ("superresolve", {"factor": 2}),
    ("superresolve", {"factor": 3, "antialias": "gaussian"}),
    ("superresolve", {"factor": 4, "antialias": "box"}),
    ("demosaic", {"pattern": "grbg"}),
    ("colorize", {}),
]


def simulated(name, options, clean, folder, noise=0.0):
    """What `restore simulate` leaves in a folder, and the clean measurement."""
    recipe = RECIPES[name]
    record = Record(clean, "image", folder / "clean.png", {"dtype": "uint8"})
    operator = recipe.observe(record, **options)
    y = restore.simulate(operator, restore.Gaussian(noise), clean, seed=1).y[0]
    for file, part in recipe.degraded(record, operator, y).items():
        write = formats.write_tiff if file.endswith(".tif") else formats.write_png
        write(part, folder / file)
    return recipe, operator, y


FROM_GREY = [case for case in CASES if case[0] not in ("demosaic", "colorize")]


@pytest.mark.parametrize(
    ("name", "options", "colour"),
    [(*case, True) for case in CASES] + [(*case, False) for case in FROM_GREY],
)
def test_solve_reads_what_simulate_wrote(tmp_path, name, options, colour):
    clean = COLOUR if colour else GREY
    recipe, _, y = simulated(name, options, clean, tmp_path, noise=0.3)
    assert y.max() > 1 and y.min() < 0  # nothing is clipped on the way
    given_to_solve = {} if name == "inpaint" else dict(options)
    if name == "inpaint":
        given_to_solve["mask"] = tmp_path / "mask.png"
    measured = formats.read_tiff(tmp_path / "measurement.tif")
    task = recipe.solve(measured, 0.3, **given_to_solve)
    if (tmp_path / "reference.tif").exists():
        clean = formats.read_tiff(tmp_path / "reference.tif").signal
    assert task.measurement.operator.in_shape == clean.shape
    assert task.measurement.noise.std == 0.3
    told = "-map" if task.sampler.name == "exact-score" else ""
    assert task.prior == ("image-colour" if colour else "image-grey") + told
    expected = y * task.measurement.measured_mask[0] if name == "inpaint" else y
    assert torch.equal(task.measurement.y[0], expected)
    # the truth explains the measurement: chi-square is 1, give or take 4 standard deviations
    count = task.measurement.measured_mask.expand_as(task.measurement.y).sum().item()
    chi_square = task.measurement.chi_square(clean[None]).item()
    assert abs(chi_square - 1) < 4 * (2 / count) ** 0.5
    presented = task.present(clean)
    assert presented.signal.shape == clean.shape
    formats.write_tiff(presented, tmp_path / "restored.tif")
    assert torch.equal(formats.read_tiff(tmp_path / "restored.tif").signal, clean)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 13)])
@pytest.mark.parametrize(
    ("name", "options"),
    [case for case in CASES if "box" not in case[1] and case[0] not in ("superresolve", "inpaint")],
)
def test_recipes_take_tiny_pictures(tmp_path, name, options, size):
    clean = torch.rand(3, *size)
    recipe, operator, y = simulated(name, options, clean, tmp_path)
    task = recipe.solve(formats.read_tiff(tmp_path / "measurement.tif"), 0.1, **options)
    assert torch.equal(task.measurement.operator(clean[None])[0], y)
    assert task.measurement.operator.in_shape == operator.in_shape == (3, *size)


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_superresolving_one_pixel(factor):
    task = RECIPES["superresolve"].solve(Record(torch.rand(3, 1, 1), "image"), 0.1, factor=factor)
    assert task.measurement.operator.in_shape == (3, factor, factor)


def test_a_posterior_under_an_exact_prior_explains_a_simulated_file(tmp_path):
    clean = GREY[:, :8, :8]
    recipe, _, _ = simulated("inpaint", {"missing": 0.4}, clean, tmp_path, noise=0.1)
    measured = formats.read_tiff(tmp_path / "measurement.tif")
    task = recipe.solve(measured, 0.1, mask=tmp_path / "mask.png")
    prior = restore.gaussian(torch.full((1, 8, 8), 0.5), 0.09 * torch.eye(64))
    posterior = restore.sample(task.measurement, prior, task.sampler.name, chains=64, steps=200)
    seen = task.measurement.measured_mask[0]
    assert posterior.std[seen].mean() == pytest.approx(0.1 * 0.9**0.5, rel=0.05)
    assert posterior.std[~seen].mean() == pytest.approx(0.3, rel=0.05)


def test_what_was_measured_is_white_in_no_mask(tmp_path):
    mask = np.zeros((41, 53, 3), np.uint8)
    mask[3:9, 4:20] = 255
    mask[20] = (255, 255, 0)
    mask[21] = (255, 0, 0)  # a colour shows where it was painted, as white does
    Image.fromarray(mask).save(tmp_path / "mask.png")
    task = RECIPES["inpaint"].solve(Record(COLOUR, "image"), 0.1, mask=tmp_path / "mask.png")
    missing = ~task.measurement.measured_mask[0].any(0).numpy()
    np.testing.assert_array_equal(missing, mask.any(2))
    assert task.facts["missing"] == pytest.approx(missing.mean(), abs=1e-6)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_masks_in_any_mode(tmp_path, mode):
    mask = np.zeros((41, 53), np.uint8)
    mask[5:9] = 255
    Image.fromarray(mask).convert(mode).save(tmp_path / "m.png")
    left = masks.measured_mask(tmp_path / "m.png", (41, 53))
    np.testing.assert_array_equal(left[0].numpy() == 0, mask > 0)


def test_a_mask_lies_as_the_picture_is_displayed(tmp_path):
    image = Image.fromarray(np.zeros((53, 41), np.uint8))
    image.getexif()[274] = 6
    image.save(tmp_path / "a.png", exif=image.getexif())
    mask = np.zeros((41, 53), np.uint8)
    mask[0, 52] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    record = formats.read_png(tmp_path / "a.png")
    task = RECIPES["inpaint"].solve(record, 0.1, mask=tmp_path / "mask.png")
    assert task.measurement.operator.in_shape == (1, 41, 53)


@pytest.mark.parametrize(
    ("shape", "value", "words"),
    [((41, 52), 0, "41x52"), ((41, 53), 255, "all white"), ((41, 53), 0, "all black")],
)
def test_a_mask_that_does_not_fit_is_refused(tmp_path, shape, value, words):
    Image.fromarray(np.full(shape, value, np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(ValueError, match=words):
        RECIPES["inpaint"].solve(Record(GREY, "image"), 0.1, mask=tmp_path / "mask.png")


@pytest.mark.parametrize("text", ["1,2,3", "a,b,c,d", "0,0,99,1", "-1,0,2,2", "0,0,0,3"])
def test_a_box_that_does_not_fit_is_refused(text):
    with pytest.raises(ValueError, match="box"):
        RECIPES["inpaint"].observe(Record(GREY, "image"), box=text)


def test_one_way_of_taking_pixels_at_a_time():
    with pytest.raises(ValueError, match="one of"):
        RECIPES["inpaint"].observe(Record(GREY, "image"), box="0,0,2,2", missing=0.5)


def test_random_holes_follow_their_seed():
    holes = [
        RECIPES["inpaint"].observe(Record(COLOUR, "image"), mask_seed=seed).mask
        for seed in (0, 0, 1)
    ]
    assert torch.equal(holes[0], holes[1])
    assert not torch.equal(holes[0], holes[2])
    assert holes[0].shape == (1, 41, 53)  # all colours of a pixel go together
    assert holes[0].mean() == pytest.approx(0.3, abs=1 / holes[0].numel())


def test_kernels_from_files(tmp_path):
    weights = np.arange(15).reshape(3, 5)
    np.save(tmp_path / "k.npy", weights)
    Image.fromarray((weights * 10).astype(np.uint8)).save(tmp_path / "k.png")
    for name in ("k.npy", "k.png"):
        kernel = given.kernel(str(tmp_path / name)).numpy()
        np.testing.assert_allclose(kernel, weights / weights.sum(), rtol=1e-6)


@pytest.mark.parametrize(
    "text",
    ["gaussian", "gaussian:", "gaussian:a", "motion:3", "disc:1,2", "disc:-1", "box:3", "no.png"],
)
def test_a_kernel_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match=r"kernel|radius"):
        given.kernel(text)


@pytest.mark.parametrize("weights", [np.zeros((3, 3)), np.full((3, 3), np.nan), np.ones(3)])
def test_a_kernel_file_without_weights_is_refused(tmp_path, weights):
    np.save(tmp_path / "k.npy", weights)
    with pytest.raises(ValueError, match=r"k\.npy"):
        given.kernel(str(tmp_path / "k.npy"))


@pytest.mark.parametrize("name", ["denoise", "inpaint", "deblur", "superresolve", "colorize"])
def test_missing_noise_is_refused_and_zero_is_half_a_step(tmp_path, name):
    options = {"deblur": {"kernel": "disc:2"}, "superresolve": {"factor": 2}}.get(name, {})
    if name == "inpaint":
        Image.fromarray(np.eye(41, 53, dtype=np.uint8)).save(tmp_path / "mask.png")
        options = {"mask": tmp_path / "mask.png"}
    record = Record(GREY, "image", meta={"dtype": "uint8"})
    solve = RECIPES[name].solve
    with pytest.raises(ValueError, match=r"--noise 0\.05"):
        solve(record, None, **options)
    task = solve(record, 0.0, **options)
    assert task.measurement.noise.std == 0.5 / 255
    assert "half a step" in task.facts["noise"]


def test_grey_and_colour_are_not_confused():
    colour, grey = Record(COLOUR, "image"), Record(GREY, "image")
    for solve in (RECIPES["demosaic"].solve, RECIPES["colorize"].solve):
        with pytest.raises(ValueError, match="in colour"):
            solve(colour, 0.1)
    for observe in (RECIPES["demosaic"].observe, RECIPES["colorize"].observe):
        with pytest.raises(ValueError, match="is grey"):
            observe(grey)


def test_a_grey_picture_of_three_equal_channels_can_be_coloured():
    task = RECIPES["colorize"].solve(Record(GREY.expand(3, -1, -1), "image"), 0.01)
    assert torch.equal(task.measurement.y[0], GREY)


def test_a_grey_file_becomes_one_in_colour(tmp_path):
    Image.fromarray(np.full((6, 8), 9, np.uint8)).save(tmp_path / "grey.png")
    record = formats.read_png(tmp_path / "grey.png")
    for task in (RECIPES["demosaic"].solve(record, 0.1), RECIPES["colorize"].solve(record, 0.1)):
        formats.write_png(task.present(COLOUR[:, :6, :8]), tmp_path / "colour.png")
        written = np.asarray(Image.open(tmp_path / "colour.png"))
        assert written.shape == (6, 8, 3)


def test_superresolve_scales_resolution_and_alpha(tmp_path):
    Image.fromarray(np.full((6, 8, 4), 99, np.uint8)).save(tmp_path / "a.png", dpi=(72, 72))
    record = formats.read_png(tmp_path / "a.png")
    task = RECIPES["superresolve"].solve(record, 0.1, factor=3)
    formats.write_png(task.present(torch.rand(3, 18, 24)), tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as larger:
        assert larger.size == (24, 18)
        assert larger.mode == "RGBA"
        assert larger.info["dpi"] == pytest.approx((216, 216), rel=1e-3)


@pytest.mark.parametrize("factor", [0, -2, 60])
def test_a_factor_that_is_none_is_refused(factor):
    with pytest.raises(ValueError, match=str(factor)):
        RECIPES["superresolve"].observe(Record(COLOUR, "image"), factor=factor)


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_noise_is_estimated_where_it_can_be(sigma):
    scene = torch.from_numpy(data.astronaut()[:256, :256].transpose(2, 0, 1) / 255).float()
    record = Record(scene, "image", meta={"dtype": "float32"})
    options = {"deblur": {"kernel": "gaussian:1.6"}}
    for name in ("denoise", "deblur", "superresolve", "demosaic", "colorize"):
        recipe = RECIPES[name]
        operator = recipe.observe(record, **options.get(name, {}))
        y = restore.simulate(operator, restore.Gaussian(sigma), scene).y[0]
        estimate = recipe.estimate_noise(Record(y, "image", meta={"dtype": "float32"}))
        assert estimate == pytest.approx(sigma, rel=0.1), name
    assert RECIPES["inpaint"].estimate_noise is None


def test_options_are_flags_with_help():
    for name in NAMES:
        recipe = RECIPES[name]
        for function in (recipe.solve, recipe.observe):
            assert all(option.help for option in options_of(function).values())
    assert options_of(RECIPES["inpaint"].solve)["mask"].required
    assert options_of(RECIPES["deblur"].solve)["boundary"].choices[0] == "reflect"


@pytest.mark.parametrize(
    ("options", "exact"),
    [
        ({"kernel": "gaussian:1.2"}, True),
        ({"kernel": "motion:5,30", "boundary": "circular"}, True),
        ({"kernel": "motion:5,30"}, False),  # mirrored at the edges: no singular vectors known
    ],
)
def test_blurs_have_the_exact_score_where_their_singular_vectors_are_known(options, exact):
    task = RECIPES["deblur"].solve(Record(COLOUR, "image"), 0.02, **options)
    assert (task.sampler.name == "exact-score") is exact
    assert task.sampler.mean_at_once is exact
    assert task.prior == ("image-colour-map" if exact else "image-colour")


@pytest.mark.parametrize(
    ("clean", "noise", "sampler"),
    [(GREY, 0.02, "free-hunch"), (GREY, 0.1, "exact-score"), (COLOUR, 0.1, "exact-score")],
)
def test_holes_in_little_noise_are_filled_by_the_better_mean(tmp_path, clean, noise, sampler):
    recipe, _, _ = simulated("inpaint", {"missing": 0.5}, clean, tmp_path, noise=noise)
    record = formats.read_tiff(tmp_path / "measurement.tif")
    assert recipe.solve(record, noise, mask=tmp_path / "mask.png").sampler.name == sampler


def test_noise_and_masks_that_differ_between_colours_have_no_exact_score():
    noise = torch.full((3, *COLOUR.shape[1:]), 0.05)
    task = RECIPES["denoise"].solve(Record(COLOUR, "image"), noise)
    assert task.sampler.name == "exact-score"
    noise[2] = 0.1
    assert RECIPES["denoise"].solve(Record(COLOUR, "image"), noise).sampler.name == "pigdm"
    mosaic = Record(COLOUR[:1], "image")
    assert RECIPES["demosaic"].solve(mosaic, 0.05).prior == "image-colour"


def test_a_task_that_was_given_an_ordinary_prior_presents_the_same_file():
    """What is done to values on file is done with any prior."""
    record = Record(COLOUR / 2, "image", meta={"dtype": "uint8"})
    task = RECIPES["deblur"].solve(record, 0.02, kernel="gaussian:1", range="0,128")
    ordinary = task.suited(restore.load_prior("image-colour"))
    assert (ordinary.prior, ordinary.sampler.name) == ("image-colour", "diffpir")
    assert ordinary.facts == task.facts and "range" in task.facts
    x = torch.rand(COLOUR.shape)
    assert torch.equal(ordinary.present(x).signal, task.present(x).signal)


@pytest.mark.parametrize(("noise", "least"), [(0.02, -0.5), (0.1, 0.5)])
def test_holes_are_filled_as_well_as_by_guidance_through_the_network_and_wider(
    tmp_path, noise, least
):
    """On one picture, at half of pigdm's cost: about its mean in little noise, a better in more."""
    clean = torch.from_numpy(data.camera()[100:148, 200:248] / 255.0).float()[None]
    recipe, _, _ = simulated("inpaint", {"missing": 0.5}, clean, tmp_path, noise=noise)
    record, mask = formats.read_tiff(tmp_path / "measurement.tif"), tmp_path / "mask.png"
    prior = restore.load_prior("image-grey")  # that has no exact score
    task = recipe.solve(record, noise, mask=mask)
    task = task if task.suited is None else task.suited(prior)
    assert (task.prior, task.sampler.name) == ("image-grey", "free-hunch")
    runs = {"pigdm": (12, {}), task.sampler.name: (task.sampler.steps, task.sampler.options)}
    found = {
        name: restore.sample(task.measurement, prior, name, chains=4, steps=steps, **options)
        for name, (steps, options) in runs.items()
    }
    ours, theirs = found[task.sampler.name], found["pigdm"]
    error = {name: (one.mean - clean).square().mean().item() for name, one in found.items()}
    gained = 10 * math.log10(error["pigdm"] / error[task.sampler.name])
    assert gained > least, f"{task.sampler.name} gains {gained:.2f} dB"
    assert ours.std.mean() > 1.2 * theirs.std.mean()
