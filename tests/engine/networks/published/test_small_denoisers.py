"""DnCNN, FDnCNN, FFDNet, DRUNet and BF-CNN: the denoisers that people already have."""

import math
import struct
import zlib

import numpy as np
import pytest
import torch
from published_files import denoiser, load, randomised, shapes_of, under
from recorded import drawn_state, outputs, picked, picture
from torch.nn.functional import conv2d

from restore.errors import WeightsError
from restore.networks.importing.reading.checkpoint import read_checkpoint
from restore.networks.published import FAMILIES, family
from restore.networks.published.matconvnet import read_matconvnet

KAIR = ("dncnn", "fdncnn", "ffdnet")


def _stack(name, channels=1, norm=False):
    inputs, outputs = {
        "dncnn": (channels, channels),
        "fdncnn": (channels + 1, channels),
        "ffdnet": (4 * channels + 1, 4 * channels),
    }[name]
    config = {"inputs": inputs, "outputs": outputs, "width": 6, "depth": 4, "norm": norm}
    return randomised(family(name).build(config))


def _convolved(state, x):
    """The stack without batch norm, from the published names alone."""
    numbers = sorted({int(name.split(".")[1]) for name in state})
    for n in numbers[:-1]:
        x = conv2d(x, state[f"model.{n}.weight"], state[f"model.{n}.bias"], padding=1).relu()
    last = f"model.{numbers[-1]}."
    return conv2d(x, state[last + "weight"], state[last + "bias"], padding=1)


def test_dncnn_takes_away_the_noise_that_it_sees():
    state, x = _stack("dncnn", 3), torch.rand(2, 3, 7, 9)
    denoise = denoiser("dncnn", under("params.", state))
    torch.testing.assert_close(denoise(x, torch.tensor(0.1)), x - _convolved(state, x))


def test_fdncnn_sees_the_noise_level_as_the_last_channel():
    state, x = _stack("fdncnn"), torch.rand(2, 1, 7, 9)
    told = torch.cat([x, torch.tensor([0.1, 0.2])[:, None, None, None].expand(2, 1, 7, 9)], 1)
    denoised = denoiser("fdncnn", state)(x, torch.tensor([0.1, 0.2]))
    torch.testing.assert_close(denoised, _convolved(state, told))


def test_ffdnet_works_on_every_second_pixel():
    state, x = _stack("ffdnet", 3), torch.rand(1, 3, 6, 8)
    cells = [(0, 0), (0, 1), (1, 0), (1, 1)]  # right first, then down
    quarters = [x[:, c, i::2, j::2] for c in range(3) for i, j in cells]
    level = torch.full((1, 3, 4), 0.1)
    given = _convolved(state, torch.stack([*quarters, level], 1))
    expected = torch.zeros_like(x)
    for k, (c, (i, j)) in enumerate((c, cell) for c in range(3) for cell in cells):
        expected[:, c, i::2, j::2] = given[:, k]
    torch.testing.assert_close(denoiser("ffdnet", state)(x, torch.tensor(0.1)), expected)


def test_batch_norms_of_training_are_kept():
    state = _stack("dncnn", norm=True)
    network, config = load("dncnn", under("module.", state))
    assert config["norm"]
    assert config["depth"] == 4
    first, second = network.model[2], network.model[3]
    assert first.weight.shape == (6, 6, 3, 3)
    assert second.eps == 1e-4


def _drunet(channels=1):
    config = {"inputs": channels + 1, "outputs": channels, "widths": [4, 6, 8, 10], "blocks": 2}
    return randomised(family("drunet").build(config))


def test_drunet_has_the_published_names():
    names = _drunet()
    expected = {"m_head.weight", "m_tail.weight"}
    for i in (1, 2, 3):
        blocks = [f"m_down{i}.{k}.res.{j}.weight" for k in (0, 1) for j in (0, 2)]
        expected |= {*blocks, f"m_down{i}.2.weight", f"m_up{i}.0.weight"}
        expected |= {f"m_up{i}.{k}.res.{j}.weight" for k in (1, 2) for j in (0, 2)}
    expected |= {f"m_body.{k}.res.{j}.weight" for k in (0, 1) for j in (0, 2)}
    assert set(names) == expected


def test_drunet_gives_what_a_port_gives_that_loads_its_weights():
    state = drawn_state(shapes_of(_drunet(3)))
    told = torch.cat([picture(3, 16), torch.full((2, 1, 16, 16), 0.1)], 1)
    given = load("drunet", state)[0](told)
    torch.testing.assert_close(picked(given), outputs("drunet"), rtol=1e-4, atol=2e-5)


def test_drunet_is_homogeneous_and_takes_any_size():
    denoise = denoiser("drunet", _drunet(3))
    x = torch.rand(2, 3, 13, 10)
    denoised = denoise(x, torch.tensor(0.1))
    assert denoised.shape == x.shape
    torch.testing.assert_close(denoise(3 * x, torch.tensor(0.3)), 3 * denoised)


@pytest.mark.parametrize("name", ["fdncnn", "ffdnet", "drunet"])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_a_flat_map_of_noise_is_its_number(name, size):
    denoise = denoiser(name, _drunet() if name == "drunet" else _stack(name))
    x = torch.rand(2, 1, *size)
    levels = torch.tensor([0.1, 0.2])
    for sigma in (torch.tensor(0.1), torch.full((2,), 0.1), torch.full((1, 1, *size), 0.1)):
        torch.testing.assert_close(denoise(x, sigma), denoise(x, 0.1))
    flat = levels[:, None, None, None].expand(x.shape)
    torch.testing.assert_close(denoise(x, flat), denoise(x, levels))
    uneven = flat + torch.linspace(0, 0.1, size[1])
    assert not torch.allclose(denoise(x, uneven), denoise(x, levels))


def test_the_noise_range_is_the_published_one_or_the_described():
    for name, highest in zip(KAIR, (55, 75, 75), strict=True):
        shapes = shapes_of(_stack(name))
        config = family(name).recognise(shapes, {})
        assert config["sigma_max"] == highest / 255
        config = family(name).recognise(shapes, {"sigma_max": 0.1})
        assert family(name).sigmas(None, config) == (1 / 255, 0.1)
        assert family(name).data_range(config) == (0, 1)


def test_what_is_none_of_these_is_left_to_others():
    for state in ({}, {"weight": (1, 1)}, {"model.0.weight": (4, 4)}, {"m_head.weight": (4, 2, 3)}):
        assert not any(f.recognise(state, {}) for f in FAMILIES)
    odd = {f"model.{n}.weight": (1, 4, 3, 3) for n in (0, 2, 4)} | {"model.0.extra": (1,)}
    assert not any(f.recognise(odd, {}) for f in FAMILIES)


def _matlab(path, state, sub_pixels):
    """A MatConvNet file of a grey FFDNet or FDnCNN: axes reversed, single last outputs dropped."""
    h5py = pytest.importorskip("h5py")
    order = [0, 2, 1, 3] if sub_pixels else [0]
    numbers = sorted({int(name.split(".")[1]) for name in state})
    with h5py.File(path, "w") as file:
        kinds = ["SubP", "concat"] if sub_pixels else ["concat"]
        kinds += ["conv", "relu"] * (len(numbers) - 1) + ["conv"] + ["SubP"] * sub_pixels
        cells = []
        for i, kind in enumerate(kinds):
            group = file.create_group(f"#refs#/{i}")
            group["type"] = np.array([[ord(letter)] for letter in kind], np.uint16)
            if kind == "conv":
                n = numbers[kinds[:i].count("conv")]
                kernels, biases = state[f"model.{n}.weight"], state[f"model.{n}.bias"]
                if n == numbers[0]:
                    kernels = kernels[:, [*order, len(order)]]
                if n == numbers[-1]:
                    kernels, biases = kernels[order], biases[order]
                stored = kernels.swapaxes(2, 3).numpy()
                group["w"] = stored[0] if len(stored) == 1 else stored
                group["b"] = biases.numpy()[None]
                group["weights"] = np.array([[group["w"].ref, group["b"].ref]], h5py.ref_dtype)
            cells.append([group.ref])
        file["net/layers"] = np.array(cells, h5py.ref_dtype)


@pytest.mark.parametrize("name", ["fdncnn", "ffdnet"])
def test_a_matlab_file_gives_the_published_names(name, tmp_path):
    state = _stack(name)
    _matlab(tmp_path / "net.mat", state, sub_pixels=name == "ffdnet")
    read = read_matconvnet(tmp_path / "net.mat")
    assert read.keys() == state.keys()
    for key, value in state.items():
        torch.testing.assert_close(read[key], value)


def _old_matlab(path, state, sub_pixels, **options):
    """A MATLAB file before version 7.3 of FFDNet: axes in their order."""
    io = pytest.importorskip("scipy.io", reason="scipy is not installed")
    order = [0, 2, 1, 3] if sub_pixels else [0]
    numbers = sorted({int(name.split(".")[1]) for name in state})
    layers = [{"type": kind} for kind in (["SubP", "concat"] if sub_pixels else ["concat"])]
    for n in numbers:
        kernels, biases = state[f"model.{n}.weight"], state[f"model.{n}.bias"]
        kernels = kernels[:, [*order, len(order)]] if n == numbers[0] else kernels
        if n == numbers[-1]:
            kernels, biases = kernels[order], biases[order]
        stored = kernels.permute(2, 3, 1, 0).numpy()
        stored = stored[..., 0] if stored.shape[3] == 1 else stored
        weights = np.empty((1, 2), object)
        weights[0, 0], weights[0, 1] = stored, biases.numpy()[:, None]
        layers += [{"type": "conv", "weights": weights, "pad": 1.0}, {"type": "relu"}]
    layers[-1:] = [{"type": "SubP"}] if sub_pixels else []
    cells = np.empty((1, len(layers)), object)
    cells[0, :] = layers
    io.savemat(path, {"net": {"layers": cells}}, **options)


@pytest.mark.parametrize("name", ["fdncnn", "ffdnet"])
@pytest.mark.parametrize("packed", [False, True])
def test_an_older_matlab_file_gives_the_published_names(name, packed, tmp_path):
    state, path = _stack(name), tmp_path / "net.mat"
    _old_matlab(path, state, sub_pixels=name == "ffdnet", do_compression=packed)
    (read,) = read_checkpoint(path).sets
    assert read.weights.keys() == state.keys()
    for key, value in state.items():
        torch.testing.assert_close(read.weights[key], value)


def test_an_older_matlab_file_that_is_not_whole_is_refused(tmp_path):
    _old_matlab(tmp_path / "net.mat", _stack("fdncnn"), sub_pixels=False)
    whole = (tmp_path / "net.mat").read_bytes()
    bomb = zlib.compress(bytes(100 << 20), 9)
    sizes = whole.index(struct.pack("<III", 5, 8, 1), 200)  # of the cells: dimensions 1 x n
    broken = {
        "half": whole[: len(whole) // 2],
        "bomb": whole[:128] + struct.pack("<II", 15, len(bomb)) + bomb,
        "long": whole[:128] + struct.pack("<II", 14, 1 << 31) + whole[136:],
        "none": whole[:128],
        "kind": whole[:sizes] + struct.pack("<I", 99) + whole[sizes + 4 :],
    }
    for name, content in broken.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError) as caught:
            read_checkpoint(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)


def test_another_matlab_file_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "text.mat").write_text("MATLAB 5.0")
    with h5py.File(tmp_path / "other.mat", "w") as file:
        file["x"] = np.zeros(3)
    for name in ("text.mat", "other.mat"):
        with pytest.raises(WeightsError, match="no network of MatConvNet"):
            read_matconvnet(tmp_path / name)


def test_a_matlab_file_that_declares_more_than_it_holds_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "swollen.mat", "w") as file:
        file.create_dataset("net/layers", (1 << 34, 1), h5py.ref_dtype, chunks=(1024, 1))
    _matlab(tmp_path / "kernel.mat", _stack("fdncnn"), sub_pixels=False)
    with h5py.File(tmp_path / "kernel.mat", "a") as file:
        kernel = file.create_dataset("huge", (1 << 20, 64, 3, 3), "f4", chunks=True)
        conv = next(file[ref] for (ref,) in file["net/layers"][()] if "weights" in file[ref])
        conv["weights"][0, 0] = kernel.ref
    for name in ("swollen.mat", "kernel.mat"):
        with pytest.raises(WeightsError, match="declares more than 100 times"):
            read_matconvnet(tmp_path / name)


# dB on a crop of 128 x 128 of picture 01 at 25/255, measured; another torch may differ by 0.02
@pytest.mark.parametrize(("name", "reached"), [("FFDNet", 28.49), ("FDnCNN", 28.78)])
def test_the_shared_files_denoise_as_published(name, reached, shared_data):
    image = pytest.importorskip("PIL.Image")
    path = shared_data / "priors" / f"{name}_gray.mat"
    pictures = sorted((shared_data / "images" / "set12").glob("*"))
    if not path.exists() or not pictures:
        pytest.skip(f"{path.name} or Set12 is not among the shared data")
    picture = np.asarray(image.open(pictures[0]).convert("L"), np.float32)[64:192, 64:192] / 255
    x = torch.from_numpy(picture)[None, None]
    y = x + 25 / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        denoised = denoiser(name.lower(), read_matconvnet(path))(y, torch.tensor(25 / 255))
    psnr = -10 * math.log10((denoised - x).square().mean())
    assert psnr > reached - 0.05


def test_bf_cnn_is_read_by_its_published_names(shared_data):
    path = shared_data / "priors" / "bf_cnn_bsd400_gray.pt"
    if not path.exists():
        pytest.skip(f"{path.name} is not among the shared data")
    from restore.networks.bf_cnn import BFCNN

    state = torch.load(path, map_location="cpu", weights_only=True)
    x = torch.rand(1, 1, 12, 10)
    denoise = denoiser("bf-cnn", under("model.", state))
    torch.testing.assert_close(denoise(x, torch.tensor(0.1)), x - BFCNN(state)(x))
