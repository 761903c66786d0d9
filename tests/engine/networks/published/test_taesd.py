"""TAESD: two small files in official names become an autoencoder of the pictures they are for."""

import numpy as np
import pytest
import torch
from published_files import load, randomised, shapes_of, under
from torch.nn.functional import conv2d, interpolate

from restore.networks.published import FAMILIES, family

TAESD = family("taesd")
KINDS = {
    "taesd": {"latents": 4, "pooled": False, "deep": False, "widths": [8] * 4},
    "taef1": {"latents": 16, "pooled": False, "deep": False, "widths": [8] * 4},
    "taef2": {"latents": 32, "pooled": True, "deep": False, "widths": [8] * 4},
    "taesana": {"latents": 32, "pooled": False, "deep": True, "widths": [8, 8, 8, 8, 16, 32]},
}


def _official(config):
    """The tensors of two files, each under its stem."""
    state = randomised(TAESD.build({"width": 8, **config}))
    return {f"tae_{name}": value for name, value in state.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_published_kind_is_told_by_its_shapes(kind):
    state = _official(KINDS[kind])
    network, config = load("taesd", state)
    assert {name: config[name] for name in KINDS[kind]} == KINDS[kind]
    autoencoder = TAESD.autoencoder(network, config)
    assert autoencoder.data_range == (0, 1)
    x = torch.rand(1, 3, 64, 64)
    latent = autoencoder.encode(x)
    side = 64 // autoencoder.factor
    assert latent.shape == (1, autoencoder.channels, side, side)
    assert TAESD.shape(config) == (autoencoder.channels, None, None)
    assert autoencoder.decode(latent).shape == x.shape


def _block(state, name, x):
    h = x
    for k in (0, 2, 4):
        h = conv2d(h, state[f"{name}.conv.{k}.weight"], state[f"{name}.conv.{k}.bias"], padding=1)
        h = h.relu() if k < 4 else h
    return (h + x).relu()


def test_encoder_and_decoder_are_their_formula():
    state = _official(KINDS["taesd"])
    autoencoder = TAESD.autoencoder(*load("taesd", state))

    def conv(name, x, stride=1):
        weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
        return conv2d(x, weight, bias, stride=stride, padding=1)

    x = torch.rand(1, 3, 32, 24)
    h = _block(state, "tae_encoder.1", conv("tae_encoder.0", x))
    for first in (2, 6, 10):
        h = conv(f"tae_encoder.{first}", h, stride=2)
        for k in range(first + 1, first + 4):
            h = _block(state, f"tae_encoder.{k}", h)
    latent = conv("tae_encoder.14", h)
    torch.testing.assert_close(autoencoder.encode(x), latent)
    h = conv("tae_decoder.1", 3 * torch.tanh(latent / 3)).relu()
    for first in (3, 8, 13):
        for k in range(first, first + 3):
            h = _block(state, f"tae_decoder.{k}", h)
        h = conv(f"tae_decoder.{first + 4}", interpolate(h, scale_factor=2))
    picture = conv("tae_decoder.19", _block(state, "tae_decoder.18", h))
    torch.testing.assert_close(autoencoder.decode(latent), picture)


def test_one_file_with_layers_is_the_same_network():
    state, renamed = _official(KINDS["taef2"]), {}
    for name, value in state.items():
        half, number, rest = name.removeprefix("tae_").split(".", 2)
        number = int(number) - (half == "decoder")
        renamed[f"{half}.layers.{number}.{rest}"] = value
    one, other = load("taesd", state)[0], load("taesd", renamed)[0]
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)


def test_half_an_autoencoder_is_refused_with_what_is_missing():
    state = _official(KINDS["taesd"])
    for half in ("encoder", "decoder"):
        alone = {
            name.removeprefix(f"tae_{half}."): value
            for name, value in state.items()
            if half in name
        }
        for tensors in (alone, under(f"tae_{half}.", alone)):
            with pytest.raises(ValueError, match=f"TAESD's {half} alone"):
                TAESD.recognise(shapes_of(tensors), {})
    assert not any(f.recognise({"encoder.0.weight": (3, 3)}, {}) for f in FAMILIES)


def test_the_shared_files_give_photographs_back(shared_data):
    image = pytest.importorskip("PIL.Image")
    files = [shared_data / "priors" / f"taef2_{half}.pth" for half in ("encoder", "decoder")]
    pictures = sorted((shared_data / "images" / "bsds500_test").glob("*.jpg"))
    if not all(path.exists() for path in files) or not pictures:
        pytest.skip("taef2 or the photographs are not among the shared data")
    state = {
        f"{path.stem}.{name}": value.float()
        for path in files
        for name, value in torch.load(path, map_location="cpu", weights_only=True).items()
    }
    autoencoder = TAESD.autoencoder(*load("taesd", state))
    picture = np.asarray(image.open(pictures[0]).convert("RGB"), np.float32)[32:288, 100:356] / 255
    x = torch.from_numpy(picture).permute(2, 0, 1)[None]
    with torch.no_grad():
        decoded = autoencoder.decode(autoencoder.encode(x)).clamp(0, 1)
    psnr = -10 * (decoded - x).square().mean().log10()
    assert psnr > 34.1  # 34.17 as measured here; all photographs: 28 on average
