"""Other people's checkpoints are read without running anything of them."""

import io
import os
import pickle
import struct
import zipfile
from argparse import Namespace
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from restore.errors import WeightsError
from restore.networks.importing.reading.checkpoint import read_checkpoint
from restore.networks.importing.reading.pickles import foreign, scan


def _state(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"a.weight": (4, 3, 3, 3), "a.bias": (4,), "b.weight": (2, 4)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def _same(given, wanted):
    assert given.keys() == wanted.keys()
    assert all(torch.equal(given[name], wanted[name]) for name in wanted)


class Creates:
    """What a pickle does that wants to run code: it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrap", [lambda s: s, OrderedDict, lambda s: {"epoch": 3, "model": s}])
def test_what_torch_saves_comes_back(tmp_path, zipped, wrap):
    torch.save(wrap(_state()), tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    found = read_checkpoint(tmp_path / "x.pt")
    _same(found.sets[0].weights, _state())
    assert not found.salvaged and len(found.sha256) == 64


def test_safetensors_and_npz_come_back(tmp_path):
    save_file(_state(), tmp_path / "x.safetensors")
    np.savez(tmp_path / "x.npz", **{name: value.numpy() for name, value in _state().items()})
    for name in ("x.safetensors", "x.npz"):
        _same(read_checkpoint(tmp_path / name).sets[0].weights, _state())


def test_the_average_comes_before_what_was_trained(tmp_path):
    plain, average = _state(1), _state(2)
    undotted = {f"model_ema.{name.replace('.', '')}": value for name, value in average.items()}
    cases = {
        "params_ema": {"params": plain, "params_ema": average},
        "ema": {"model": plain, "ema": average, "optimizer": {"state": {0: _state(3)}}},
        "lucidrains": {"model": plain, "ema": {
            "initted": torch.tensor(True), "step": torch.tensor(4),
            **{f"online_model.{k}": v for k, v in plain.items()},
            **{f"ema_model.{k}": v for k, v in average.items()},
        }},
        "score_sde": {"step": 7, "model": {f"module.{k}": v for k, v in plain.items()},
                      "ema": {"decay": 0.999, "num_updates": 3,
                              "shadow_params": list(average.values())}},
    }  # fmt: skip
    for name, tree in cases.items():
        torch.save(tree, tmp_path / "x.ckpt")
        first = read_checkpoint(tmp_path / "x.ckpt").sets[0]
        assert first.averaged, name
        _same(first.weights, average)
    torch.save(
        {"state_dict": {**{f"model.{k}": v for k, v in plain.items()}, **undotted,
                        "model_ema.decay": torch.tensor(0.9)}}, tmp_path / "x.ckpt",
    )  # fmt: skip
    first = read_checkpoint(tmp_path / "x.ckpt").sets[0]
    assert first.averaged
    _same(first.weights, {f"model.{k}": v for k, v in average.items()})


def test_a_list_of_averages_passes_buffers_by_and_is_left_out_where_it_fits_twice(tmp_path):
    plain = {"sigmas": torch.ones(50), "w": torch.ones(3, 2), "b": torch.ones(3)}
    tree = {"model": plain, "ema": {"shadow_params": [torch.zeros(3, 2), torch.zeros(3)]}}
    torch.save(tree, tmp_path / "x.pth")
    first = read_checkpoint(tmp_path / "x.pth").sets[0]
    assert first.averaged and first.weights["sigmas"].mean() == 1 and not first.weights["b"].any()
    tree["model"] = {"other": torch.ones(3), **plain}
    torch.save({**tree, "model": {**tree["model"], "last": torch.ones(3)}}, tmp_path / "x.pth")
    first = read_checkpoint(tmp_path / "x.pth").sets[0]
    assert not first.averaged and "does not tell whose" in first.note


@pytest.mark.parametrize("zipped", [True, False])
def test_a_malicious_file_runs_nothing_and_its_arrays_are_salvaged(tmp_path, zipped):
    mark = tmp_path / "was_run"
    hyper = {"args": Namespace(lr=1e-3), "numpy": np.float64(3.0), "evil": Creates(mark)}
    state = {**_state(), "turned": _state()["b.weight"].T}
    tree = {"hyper_parameters": hyper, "state_dict": OrderedDict(state)}
    torch.save(tree, tmp_path / "x.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"argparse.Namespace.*io\.open.*--salvage"):
        read_checkpoint(tmp_path / "x.ckpt")
    found = read_checkpoint(tmp_path / "x.ckpt", salvage=True)
    assert found.salvaged
    _same(found.sets[0].weights, state)
    assert not mark.exists()
    with pytest.raises(pickle.UnpicklingError):  # the file would act where it may
        torch.load(tmp_path / "x.ckpt", weights_only=True)
    torch.load(tmp_path / "x.ckpt", weights_only=False)
    assert mark.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_the_names_in_a_pickle_are_listed_whatever_its_protocol(tmp_path, protocol):
    evil = {"first": OrderedDict(), "evil": Creates(tmp_path / "was_run"), "again": [1, (2, "x")]}
    found = scan(io.BytesIO(pickle.dumps(evil, protocol=protocol)))
    assert [name.removeprefix("_") for name in foreign(found.names)] == ["io.open"]
    assert not (tmp_path / "was_run").exists()


def test_a_salvage_ends_within_its_limits(tmp_path, monkeypatch):
    from restore.networks.importing.reading import salvage

    monkeypatch.setattr(salvage, "MEMORY", 200 << 20)
    doubled = b"\x80\x02(" + b"]q\x000" + b"X\x04\x00\x00\x00evil" * 20
    many = b"\x80\x02]q\x00(" + b"]" * 4_000_000 + b"e."  # lists in lists
    for content in (doubled, many):
        with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
            archive.writestr("x/data.pkl", content)
        with pytest.raises(WeightsError, match="cannot be salvaged"):
            salvage.salvaged(tmp_path / "x.pt", "torch")


def test_an_edm_pickle_is_refused_with_the_safe_way(tmp_path):
    content = b"\x80\x04\x8c\x17torch_utils.persistence\x8c\x1b_reconstruct_persistent_obj\x93."
    (tmp_path / "edm.pkl").write_bytes(content)
    with pytest.raises(WeightsError, match=r"source code.*safetensors"):
        read_checkpoint(tmp_path / "edm.pkl", salvage=True)
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Creates(tmp_path / "was_run")))
    with pytest.raises(WeightsError, match=r"whole Python objects \(.*io.open"):
        read_checkpoint(tmp_path / "evil.pkl", salvage=True)
    assert not (tmp_path / "was_run").exists()


def test_sizes_that_are_declared_are_held_to_the_file(tmp_path):
    torch.save({"a": torch.zeros(6), "b": torch.zeros(2)}, tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    torch.save(
        {"a": torch.zeros(6), "b": torch.zeros(2)}, tmp_path / "old.pt",
        _use_new_zipfile_serialization=False,
    )  # fmt: skip
    longer = lambda content: content.replace(b"K\x06", b"J\xff\xff\xff\x7f")  # noqa: E731
    with zipfile.ZipFile(tmp_path / "y.pt", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, longer(content) if name.endswith("data.pkl") else content)
    (tmp_path / "old.pt").write_bytes(longer((tmp_path / "old.pt").read_bytes()))
    for name in ("y.pt", "old.pt"):
        with pytest.raises(WeightsError, match="declares"):
            read_checkpoint(tmp_path / name)
    torch.save({"a": torch.zeros(1).expand(1 << 40), "b": torch.zeros(2)}, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match="tells of"):
        read_checkpoint(tmp_path / "x.pt")
    header = b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    content = struct.pack("<Q", len(header)) + header + b"0000"
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="declares"):
        read_checkpoint(tmp_path / "x.safetensors")


def _broken(folder):
    """name -> what its message says."""
    torch.save(_state(), folder / "whole.pt")
    torch.save(_state(), folder / "old.pt", _use_new_zipfile_serialization=False)
    save_file(_state(), folder / "whole.safetensors")
    for name in ("whole.pt", "old.pt", "whole.safetensors"):
        content = (folder / name).read_bytes()
        (folder / f"half_{name}").write_bytes(content[: len(content) // 2])
        (folder / f"tenth_{name}").write_bytes(content[: len(content) // 10])
    (folder / "empty.pt").write_bytes(b"")
    (folder / "lfs.pt").write_text("version https://git-lfs.github.com/spec/v1\n")
    (folder / "page.pt").write_text("<!DOCTYPE html><html>404</html>")
    (folder / "text.pt").write_text("no weights")
    with zipfile.ZipFile(folder / "models.zip", "w") as archive:
        archive.writestr("one/model.pt", b"x")
        archive.writestr("two/model.pt", b"x")
    torch.save(torch.zeros(3), folder / "one.pt")
    torch.save({"epoch": 3, "optimizer": {"state": _state()}}, folder / "nothing.pt")
    np.save(folder / "one.npy", np.zeros(3))
    np.savez(folder / "objects.npz", a=np.array([{}], dtype=object))
    os.mkfifo(folder / "pipe.pt")
    (folder / "loop.pt").symlink_to(folder / "loop.pt")
    (folder / "endless.pt").symlink_to("/dev/zero")
    (folder / "folder.pt").mkdir()
    return {
        "half_whole.pt": "cut off", "tenth_whole.pt": "cut off", "half_old.pt": "cut off",
        "tenth_old.pt": "cut off", "half_whole.safetensors": "whole safetensors",
        "tenth_whole.safetensors": "cut off", "empty.pt": "is empty", "lfs.pt": "git lfs pull",
        "page.pt": "web page", "text.pt": "no checkpoint", "models.zip": "archive of 2 files",
        "one.pt": "it is a Tensor", "nothing.pt": "'epoch', 'optimizer'", "one.npy": "single array",
        "objects.npz": "Python objects", "pipe.pt": "a pipe", "loop.pt": "circle",
        "endless.pt": "a device", "folder.pt": "a folder", "absent.pt": "no such file",
    }  # fmt: skip


def test_a_file_that_is_no_checkpoint_is_refused_in_one_line_that_names_it(tmp_path):
    for name, said in _broken(tmp_path).items():
        with pytest.raises(WeightsError, match=said) as caught:
            read_checkpoint(tmp_path / name)
        words = str(caught.value)
        assert name in words and "\n" not in words and "weights_only" not in words


def test_a_training_checkpoint_of_others_is_read(shared_data):
    path = shared_data / "priors" / "gtcrn_dns3.tar"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the shared data")
    (found,) = read_checkpoint(path).sets
    assert found.where == "model" and not found.averaged
    assert sum(value.numel() for value in found.weights.values()) < 60_000
