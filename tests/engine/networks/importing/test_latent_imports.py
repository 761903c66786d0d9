"""A prior of latents is stored with its autoencoder, or not at all."""

import json

import pytest
import torch
from small_checkpoints import ADM, small

from restore.errors import WeightsError
from restore.networks.folder import load_prior_folder
from restore.networks.importing.converting import import_prior
from restore.networks.published import family

latent = pytest.importorskip("restore.priors.combined.latent", reason="no latent priors here")
TINY = {"latents": 4, "width": 8, "pooled": False, "deep": False, "widths": [8, 8, 8, 8]}
TOLD = {"heads": 2, "size": None, "latent": {"scale": 2.0}}


@pytest.fixture
def files(tmp_path):
    """The prior of latents of four channels, and an encoder and a decoder in files of their own."""
    torch.save(small("adm", ADM | {"inputs": 4, "outputs": 8})[1], tmp_path / "prior.pt")
    codec, state = small("taesd", TINY)
    for half in ("encoder", "decoder"):
        own = {n.removeprefix(f"{half}."): v for n, v in state.items() if n.startswith(half)}
        torch.save(own, tmp_path / f"{half}.pth")
    return {"encoder": tmp_path / "encoder.pth", "decoder": tmp_path / "decoder.pth"}, codec


def test_what_the_prior_gives_is_decoded_by_the_files_beside_it(tmp_path, files):
    halves, codec = files
    import_prior(tmp_path / "prior.pt", tmp_path / "p", told=TOLD, **halves)
    described = json.loads((tmp_path / "p" / "prior.json").read_text())
    assert described["latent"]["factor"] == 8 and described["latent"]["scale"] == 2
    prior = load_prior_folder(tmp_path / "p")
    z = torch.randn(1, 4, 16, 16)
    expected = family("taesd").autoencoder(codec, TINY).decode(z / 2)
    torch.testing.assert_close(
        prior.codec.decoder((3, 128, 128))(z), expected, rtol=1e-3, atol=1e-4
    )
    (tmp_path / "p" / "autoencoder.safetensors").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"autoencoder.safetensors"):
        load_prior_folder(tmp_path / "p")


def test_an_autoencoder_alone_or_of_other_latents_is_refused(tmp_path, files):
    halves, _ = files
    with pytest.raises(WeightsError, match="an autoencoder is no prior"):
        import_prior(halves["encoder"], tmp_path / "p")
    torch.save(small("adm", ADM)[1], tmp_path / "pixels.pt")
    with pytest.raises(WeightsError, match="latents of 4 channels, the prior is of 1"):
        import_prior(tmp_path / "pixels.pt", tmp_path / "p", told=TOLD, **halves)
    with pytest.raises(WeightsError, match="give both"):
        import_prior(tmp_path / "prior.pt", tmp_path / "p", told=TOLD, encoder=halves["encoder"])
    assert not (tmp_path / "p").exists()
