"""A prior folder that is not whole is refused in one line, in no time, and without a traceback."""

import json
import shutil
import time

import pytest
import torch
from broken_priors import CONFIG, mutations

from restore.errors import WeightsError
from restore.networks import UNet
from restore.networks.folder import load_prior_folder, save_prior

RIGHT = {  # "field = value" of what changes nothing, or is no fault
    *(f"preconditioning.mean = {value}" for value in ("minus one", "zero", "half", "tiny")),
    "card = empty object",
    "preconditioning.sigma_data = half", "preconditioning.sigma_data = ten million",
    "preconditioning.sigma_data = tiny", "sigma_min = tiny", "sigma_min = half",
    "sigma_max = half", "sigma_max = ten million",
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("priors") / "own"
    network = UNet(1, widths=(4, 8), blocks=1)
    save_prior(
        folder, network, mean=0.5, sigma_data=0.25, sigma_min=0.002, sigma_max=10.0,
        errors={0.01: 2e-5, 1.0: 1e-2}, card={"name": "own", "licence": "none"},
    )  # fmt: skip
    return folder


def _refused(folder):
    began = time.perf_counter()
    with pytest.raises(WeightsError) as caught:
        load_prior_folder(folder)
    words = str(caught.value)
    assert time.perf_counter() - began < 10
    assert folder.name in words and "\n" not in words and len(words) < 1000, words
    return words


def test_every_broken_folder_is_refused_in_one_line(whole, tmp_path):
    load_prior_folder(whole)
    found = mutations(json.loads((whole / CONFIG).read_text()), RIGHT)
    assert len(found) > 120
    taken = {}
    for index, (name, act) in enumerate(found.items()):
        folder = tmp_path / f"prior_{index}"
        shutil.copytree(whole, folder)
        act(folder)
        try:
            _refused(folder)
        except (Exception, pytest.fail.Exception, AssertionError) as error:
            taken[name] = f"{type(error).__name__}: {error}"
        shutil.rmtree(folder)
    assert not taken


@pytest.mark.parametrize("blocks", [64, 10_000_000])
def test_a_network_larger_than_its_file_is_refused_before_it_is_built(whole, tmp_path, blocks):
    folder = tmp_path / "large"
    shutil.copytree(whole, folder)
    config = json.loads((folder / CONFIG).read_text())
    config["network"] |= {"blocks": blocks, "widths": [4096] * 10}
    (folder / CONFIG).write_text(json.dumps(config))
    began = time.perf_counter()
    _refused(folder)
    assert time.perf_counter() - began < 1.0


def test_a_description_with_a_byte_order_mark_is_the_same(whole, tmp_path):
    folder = tmp_path / "marked"
    shutil.copytree(whole, folder)
    (folder / CONFIG).write_bytes(b"\xef\xbb\xbf" + (folder / CONFIG).read_bytes())
    assert load_prior_folder(folder).card["name"] == "own"


def test_of_a_folder_of_several_models_one_is_asked_for(whole, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(whole, tmp_path / name)
    assert "but in one, two" in _refused(tmp_path)
