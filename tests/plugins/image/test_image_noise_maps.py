"""The noise of every value, from a file: --noise FILE."""

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from skimage import data

from restore.cli import main
from restore.files.problem import Settings, pose
from restore.files.task import Record
from restore.measurement.noise import Gaussian
from restore.plugins.discovery import catalog
from restore.priors.prior import Prior

GREY = torch.from_numpy(data.camera()[100:124, 200:232].astype(np.float32) / 255)[None]
LEVELS = torch.full((1, 24, 32), 0.02)
LEVELS[..., 16:] = 0.2


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    noise = torch.randn(GREY.shape, generator=torch.Generator().manual_seed(0))
    np.save("a.npy", (GREY + LEVELS * noise)[0].numpy())
    np.save("noise.npy", LEVELS[0].numpy())
    return tmp_path


def restore(*words):
    result = CliRunner().invoke(main, words)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def white(name: str, **conditions) -> Prior:
    """Of white Gaussian pixels of mean 0.5 and std 0.25: every posterior is known."""
    return Prior(
        lambda x, sigma: 0.5 + (x - 0.5) * 0.0625 / (0.0625 + torch.as_tensor(sigma) ** 2),
        shape=(1, None, None),
        sigma_min=1e-3,
        sigma_max=10.0,
        variance=lambda sigma: 0.0625 * sigma**2 / (0.0625 + sigma**2),
        card={"name": name},
    )


@pytest.mark.parametrize("recipe", ["denoise", "inpaint"])
def test_each_value_is_believed_by_its_own_noise(recipe, folder):
    options = {}
    if recipe == "inpaint":
        mask = np.zeros((24, 32), np.uint8)
        mask[:4] = 1
        np.save("mask.npy", mask)
        options = {"mask": Path("mask.npy")}
    settings = Settings.of(recipe, options, noise=Path("noise.npy"), device="cpu")
    problem = pose(Path("a.npy"), settings, load_prior=white)
    measurement = problem.task.measurement
    assert isinstance(measurement.noise, Gaussian)
    torch.testing.assert_close(measurement.noise.std[0].float(), LEVELS)
    assert problem.noise == pytest.approx((0.5 * (0.02**2 + 0.2**2)) ** 0.5)
    centre = torch.full_like(GREY, 0.5)[None]
    mode = measurement.proximal(centre, 0.0625)[0]  # of the posterior under `white`
    share = 0.0625 / (0.0625 + LEVELS**2)
    expected = 0.5 + share * (measurement.y[0] - 0.5)
    seen = slice(4 if recipe == "inpaint" else 0, None)
    torch.testing.assert_close(mode[:, seen], expected[:, seen], atol=1e-5, rtol=0)  # float32
    if recipe == "inpaint":
        assert (mode[:, :4] == 0.5).all()


def test_a_map_of_equal_channels_is_theirs():
    record = Record(GREY.expand(3, -1, -1), "image", meta={"dtype": "float32"})
    task = catalog().load("recipes", "denoise").solve(record, LEVELS.expand(3, -1, -1))
    assert tuple(task.measurement.noise.std.shape) == (1, 1, 24, 32)


def test_a_file_of_noise_goes_through_the_command_line(folder):
    words = ("run", "denoise", "a.npy", "-o", "out", "--noise", "noise.npy", "--device", "cpu")
    done = restore(*words, "--steps", "2", "--chains", "2", "--baseline", "tv", "-q")
    assert done.exit_code == 0, done.stderr
    assert np.load("out/a/restored.npy").shape == (24, 32)


@pytest.mark.parametrize(
    ("recipe", "levels", "said"),
    [
        ("denoise", np.zeros((5, 5)), "noise.npy is 1x5x5"),
        ("denoise", np.full((24, 32), -0.1), "no standard deviations"),
        ("denoise", np.full((24, 32), np.nan), "noise.npy"),
        ("denoise", np.full((24, 32), 20.0), "20 is above the full range"),
        ("superresolve", np.full((24, 32), 0.1), "takes one noise for all values"),
    ],
)
def test_what_is_no_map_is_refused_in_one_line(folder, recipe, levels, said):
    np.save("noise.npy", levels.astype(np.float32))
    more = ("--factor", "2") if recipe == "superresolve" else ()
    words = ("run", recipe, "a.npy", "-o", "out", "--noise", "noise.npy", "--device", "cpu")
    done = restore(*words, *more, "-q")
    assert done.exit_code in (1, 2) and said in done.stderr, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and not Path("out/a").exists()
