"""On a real GPU (make test-gpu): every sampler and recipe for pictures equals the CPU there.

Where none is, all of it is skipped, and what a GPU that is pretended shows stands alone:
nothing left on the CPU, no look from the host.
"""

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from problems import load, names, posed, prior_for
from skimage import data

from restore.cli import main
from restore.sampling.by_name import load_prior
from restore.sampling.loop import sample

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here"),
]
# name: what `simulate` and what `run` are told
RECIPES = {
    "denoise": ([], []),
    "inpaint": (["--missing", "0.5"], ["--mask", "MASK"]),
    "deblur": (["--kernel", "gaussian:1.6"], ["--kernel", "gaussian:1.6"]),
    "superresolve": (["--factor", "2"], ["--factor", "2"]),
    "demosaic": ([], []),
    "colorize": ([], []),
}


@pytest.mark.parametrize("name", names())
def test_every_sampler_equals_the_cpu(name):
    given = {"chains": 3, "steps": 12, "precision": "float64"}
    here = sample(posed(name), prior_for(name), load(name), **given)
    there = sample(posed(name), prior_for(name), load(name), device="cuda", **given)
    # sums in another order, in float64, grown over 12 steps whose gains reach 1e3
    torch.testing.assert_close(there.samples, here.samples, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["image-grey", "image-colour"])
def test_a_network_equals_the_cpu(name):
    prior = load_prior(name)
    x = torch.rand(2, 3 if name == "image-colour" else 1, 64, 64)
    expected = prior.denoise(x, torch.tensor(0.2))
    found = load_prior(name, "cuda").denoise(x.cuda(), torch.tensor(0.2).cuda()).cpu()
    # a GPU's convolutions may round factors to TF32's 10 bits
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_for_pictures_equals_the_cpu(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(data.astronaut()[100:164, 200:264]).save("photo.png")
    told, known = RECIPES[recipe]
    said = CliRunner().invoke(
        main, ["simulate", recipe, "photo.png", "-o", "sim", "--noise", "0.05", *told]
    )
    assert said.exit_code == 0, said.output
    measured = next(p for p in tmp_path.glob("sim/photo/*") if p.stem in ("measurement", "mosaic"))
    mask = str(next(tmp_path.glob("sim/photo/mask.*"), ""))
    words = [mask if word == "MASK" else word for word in known]
    for device in ("cpu", "cuda"):
        words_of_run = [
            "run", recipe, str(measured), "-o", device, "--noise", "0.05", "--chains", "2",
            "--steps", "10", "--device", device, "--precision", "float32", *words,
        ]  # fmt: skip
        said = CliRunner().invoke(main, words_of_run)
        assert said.exit_code == 0, said.output
    means = [np.load(next(tmp_path.glob(f"{device}/*/mean.npy"))) for device in ("cpu", "cuda")]
    assert np.sqrt(np.mean((means[0] - means[1]) ** 2)) < 5e-3  # TF32, over 10 steps


def test_out_of_memory_halves_the_batch_and_says_so():
    prior = load_prior("image-grey", "cuda")
    free = torch.cuda.mem_get_info()[0]
    torch.cuda.set_per_process_memory_fraction(2**30 / torch.cuda.mem_get_info()[1])
    try:
        with pytest.warns(UserWarning, match="out of memory with 64 chains"):
            found = sample(
                posed_picture(), prior, load("dps"), chains=64, batch_size=64, steps=2,
                device="cuda",
            )  # fmt: skip
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert torch.isfinite(found.samples).all() and free > 0


def posed_picture():
    """A grey picture of 256x256 with noise."""
    from restore_operators import Identity

    from restore.measurement.measurement import Measurement
    from restore.measurement.noise import Gaussian

    y = torch.from_numpy(data.camera()[:256, :256] / 255).float()[None]
    return Measurement(y, Identity((1, 256, 256)), Gaussian(0.1))
