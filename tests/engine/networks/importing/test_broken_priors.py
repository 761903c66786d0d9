"""A prior folder that is not whole is refused in one line, in no time, and without a traceback."""

import json
import shutil
import time

import pytest
import torch
from broken_priors import CONFIG, VALUES, mutations
from small_checkpoints import DNCNN, small

from restore.errors import WeightsError
from restore.networks import UNet
from restore.networks.folder import load_prior_folder, save_prior
from restore.networks.importing.converting import import_prior

MEAN = ("minus one", "zero", "half", "tiny")
RIGHT = {  # "field = value" of what changes nothing, or is no fault
    "own": {
        *(f"preconditioning.mean = {value}" for value in MEAN), "card = empty object",
        "preconditioning.sigma_data = half", "preconditioning.sigma_data = ten million",
        "preconditioning.sigma_data = tiny", "sigma_min = tiny", "sigma_min = half",
        "sigma_max = half", "sigma_max = ten million",
    },
    "imported": {
        "card = empty object", "sigma_min = tiny", "sigma_max = half", "sigma_max = ten million",
        *(f"native_size {value}" for value in ("missing", "= null", "= list")),
        *(f"data_range {value}" for value in ("missing", "= null")),
        *(f"data_range.0 = {value}" for value in ("minus one", "tiny")),
        *(f"parameterisation {value}" for value in ("missing", "= null")),
        "network.configuration.inputs = true", "data_range.0 = zero",
        *(f"network.configuration.norm = {value}" for value in ("null", "empty list",
                                                                "empty object", "zero")),
        *(f"footprint {value}" for value in ("missing", "= zero", "= half", "= tiny",
                                             "= ten million")),
        *(f"source {value}" for value in ("missing", *(f"= {name}" for name in VALUES))),
        *(f"network.configuration.sigma_{end} {value}" for end in ("min", "max") for value in (
            "missing", *(f"= {name}" for name in VALUES))),
    },
}  # fmt: skip


def _own(folder):
    network = UNet(1, widths=(4, 8), blocks=1)
    save_prior(
        folder, network, mean=0.5, sigma_data=0.25, sigma_min=0.002, sigma_max=10.0,
        errors={0.01: 2e-5, 1.0: 1e-2}, card={"name": "own", "licence": "none"},
    )  # fmt: skip


def _imported(folder):
    file = folder.with_suffix(".pt")
    torch.save(small("dncnn", DNCNN)[1], file)
    import_prior(file, folder)


@pytest.fixture(scope="module", params=[_own, _imported], ids=["own", "imported"])
def whole(tmp_path_factory, request):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("priors") / request.param.__name__[1:]
    request.param(folder)
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
    found = mutations(json.loads((whole / CONFIG).read_text()), RIGHT[whole.name])
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
    assert not taken, "\n".join(map(str, taken.items()))


LARGE = [
    {"kind": "unet", "channels": 1, "widths": [4096] * 10, "blocks": 64, "dims": 2},
    {"kind": "unet", "channels": 1, "widths": [4, 8], "blocks": 10_000_000, "dims": 2},
    {"kind": "published", "family": "dncnn", "configuration": DNCNN | {"depth": 10_000_000}},
    {"kind": "published", "family": "dncnn", "configuration": DNCNN | {"width": 10_000_000}},
    {"kind": "published", "family": "dncnn", "configuration": {"depth": 10**400}},
]


@pytest.mark.parametrize("network", LARGE)
def test_a_network_larger_than_its_file_is_refused_before_it_is_built(whole, tmp_path, network):
    folder = tmp_path / "large"
    shutil.copytree(whole, folder)
    config = json.loads((folder / CONFIG).read_text())
    config["network"] = network
    (folder / CONFIG).write_text(json.dumps(config))
    began = time.process_time()
    _refused(folder)
    assert time.process_time() - began < 1.0


def test_a_description_with_a_byte_order_mark_is_the_same(whole, tmp_path):
    folder = tmp_path / "marked"
    shutil.copytree(whole, folder)
    (folder / CONFIG).write_bytes(b"\xef\xbb\xbf" + (folder / CONFIG).read_bytes())
    assert load_prior_folder(folder).card["name"] == whole.name


def test_of_a_folder_of_several_models_one_is_asked_for(whole, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(whole, tmp_path / name)
    assert "but in one, two" in _refused(tmp_path)
