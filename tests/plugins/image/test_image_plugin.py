"""The plugin as restore sees it, and whole runs from file to file with a prior of one moment."""

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from restore_image import priors

from restore.files.problem import Settings
from restore.files.restoring import restore_file
from restore.files.simulating import simulate_file
from restore.files.task import Recipe
from restore.networks.folder import save_prior
from restore.networks.unets.unet import UNet
from restore.plugins.discovery import catalog
from restore.priors.prior import Prior


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """An untrained prior for grey and one for colour: enough to go through all the doors."""
    made = {}
    for channels in (1, 3):
        torch.manual_seed(channels)
        made[channels] = tmp_path_factory.mktemp(f"prior-{channels}")
        save_prior(
            made[channels],
            UNet(channels, widths=(4, 8), blocks=1),
            mean=0.5,
            sigma_data=0.25,
            sigma_min=0.01,
            sigma_max=2.0,
            errors={0.01: 1e-4, 2.0: 0.06},
            card={"name": "untrained"},
        )
    return made


@pytest.mark.parametrize("kind", ["recipes", "readers", "writers", "metrics"])
def test_everything_that_is_registered_is_there(kind):
    entries = [entry for entry in catalog().registry(kind) if entry.plugin == "image"]
    assert entries
    for entry in entries:
        thing = entry.load()
        assert isinstance(thing, Recipe) if kind == "recipes" else callable(thing)


@pytest.mark.parametrize(("name", "channels"), [("grey", 1), ("grey-map", 1), ("colour", 3)])
def test_an_embedded_prior_takes_any_size(name, channels):
    if not (priors.WEIGHTS / name.replace("-", "_")).is_dir():
        pytest.skip("the embedded weights are not part of this checkout")
    prior = catalog().load("priors", f"image-{name}")()
    assert isinstance(prior, Prior)
    for size in [(1, 1), (7, 13)]:
        x = 0.5 + 0.1 * torch.randn(2, channels, *size)
        assert torch.isfinite(prior.denoise(x, 0.1)).all()
    assert prior.accepts((channels, 300, 200))
    assert prior.sigma_min <= 0.002 and prior.sigma_max >= 2


def restored(source, target, recipe, folder, **options):
    settings = Settings.of(
        recipe, options, chains=2, steps=2, noise=0.1, prior=str(folder), device="cpu"
    )
    return restore_file(source, target, settings)


@pytest.mark.parametrize(
    ("extension", "mode"),
    [(".png", "LA"), (".png", "I;16"), (".jpg", "RGB"), (".webp", "RGBA"), (".tif", "RGB")],
)
def test_a_file_goes_in_and_its_like_comes_out(tmp_path, folders, extension, mode):
    rng = np.random.default_rng(0)
    grey = Image.fromarray(rng.integers(0, 256, (17, 22)).astype(np.uint8))
    colours = Image.fromarray(rng.integers(0, 256, (17, 22, 3)).astype(np.uint8))
    image = grey if mode == "I;16" else grey.convert(mode)
    if mode.startswith("RGB"):  # equal channels would be one
        image = colours.convert(mode)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif "A" in mode:
        image.putalpha(grey)
    source = tmp_path / f"photo{extension}"
    image.save(source, dpi=(200, 200), **({"lossless": True} if extension == ".webp" else {}))
    facts = restored(
        source, tmp_path / "out", "denoise", folders[1 if mode in ("LA", "I;16") else 3]
    )
    output = tmp_path / "out" / f"restored{extension}"
    assert facts["output"] == str(output)
    with Image.open(output) as written, Image.open(source) as before:
        assert (written.mode, written.size) == (before.mode, before.size)
        assert written.info.get("dpi") == before.info.get("dpi")
        if "A" in mode:
            alphas = [np.asarray(picture.getchannel("A")) for picture in (written, before)]
            np.testing.assert_array_equal(*alphas)
    mean = np.load(tmp_path / "out" / "mean.npy")
    assert mean.shape[1:] == (17, 22)


@pytest.mark.parametrize(
    ("recipe", "options", "shown"),
    [
        ("inpaint", {"missing": 0.5}, (20, 25)),
        ("deblur", {"kernel": "motion:5,45"}, (20, 25)),
        ("superresolve", {"factor": 2}, (20, 24)),
        ("demosaic", {"pattern": "bggr"}, (20, 25)),
        ("colorize", {}, (20, 25)),
    ],
)
def test_simulated_and_restored(tmp_path, folders, recipe, options, shown):
    rng = np.random.default_rng(0)
    clean = tmp_path / "clean.png"
    Image.fromarray(rng.integers(0, 256, (20, 25, 3)).astype(np.uint8)).save(clean)
    folder = tmp_path / "bad" / "clean"
    folder.parent.mkdir()
    simulate_file(clean, folder, Settings.of(recipe, options, noise=0.1))
    options = {"mask": folder / "mask.png"} if recipe == "inpaint" else options
    reference = folder / "reference.tif"
    settings = Settings.of(
        recipe,
        options,
        chains=2,
        steps=2,
        noise=0.1,
        prior=str(folders[3]),
        device="cpu",
        reference=reference if reference.exists() else clean,
    )
    restore_file(folder / "measurement.tif", tmp_path / "out", settings)
    picture = tifffile.imread(tmp_path / "out" / "restored.tif")
    assert picture.shape == (*shown, 3)
    assert picture.dtype == np.float32
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert set(report["metrics"]["mean"]) == {"psnr", "ssim"}
    assert report["metrics"]["mean"]["psnr"] > 0
