"""A checkpoint becomes a prior's folder, whole or not at all, and nothing is guessed."""

import gzip
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from small_checkpoints import ADM, DNCNN, small

from restore.errors import WeightsError
from restore.networks.folder import load_prior_folder
from restore.networks.importing.converting import import_prior
from restore.networks.importing.describing import read_told
from restore.networks.importing.trial import loaded
from restore.networks.parameterisations import from_v
from restore.networks.published import family
from restore.networks.published.layers.vp_table import cosine, label_of


def _stored(folder):
    return sorted(one.name for one in folder.iterdir())


def test_an_imported_denoiser_is_that_of_the_file(tmp_path):
    network, state = small("dncnn", DNCNN)
    torch.save({"epoch": 3, "params_ema": state, "params": small("dncnn", DNCNN, 1)[1]},
               tmp_path / "dncnn.pth")  # fmt: skip
    notes = import_prior(tmp_path / "dncnn.pth", tmp_path / "store" / "face")
    assert any("params_ema" in note and "average" in note for note in notes)
    prior = load_prior_folder(tmp_path / "store" / "face")
    x = torch.rand(2, 1, 9, 7)
    torch.testing.assert_close(prior.denoise(x, 0.1), x - network(x), rtol=1e-5, atol=1e-6)
    described = json.loads((tmp_path / "store" / "face" / "prior.json").read_text())
    assert described["source"]["file"] == "dncnn.pth" and len(described["sha256"]) == 64
    assert described["card"]["licence"].startswith("unknown") and described["channels"] == 1


def test_a_network_of_minus_one_to_one_serves_signals_of_zero_to_one(tmp_path):
    network, state = small("adm", ADM)
    save_file(state, tmp_path / "adm.safetensors")
    import_prior(tmp_path / "adm.safetensors", tmp_path / "p", told={"heads": 2, "size": 16})
    prior = load_prior_folder(tmp_path / "p")
    assert prior.shape == (1, 16, 16) and prior.mean == 0.5
    x, own = torch.rand(2, 1, 16, 16), family("adm").denoiser(network, ADM)
    expected = (own(2 * x - 1, torch.tensor(0.6)) + 1) / 2
    torch.testing.assert_close(prior.denoise(x, torch.tensor(0.3)), expected, rtol=1e-4, atol=1e-5)
    low, high = family("adm").sigmas(network, ADM)
    assert prior.sigma_min == pytest.approx(low / 2) and prior.sigma_max == pytest.approx(high / 2)


def test_what_shapes_do_not_tell_is_asked_for_and_described(tmp_path):
    _, state = small("adm", ADM)
    torch.save(state, tmp_path / "adm.pt")
    with pytest.raises(WeightsError, match=r"adm.pt: .*heads.*--describe"):
        import_prior(tmp_path / "adm.pt", tmp_path / "p")
    assert _stored(tmp_path) == ["adm.pt"]
    (tmp_path / "adm.yaml").write_text(
        "heads: 2\nlicence: MIT\ntitle: Faces\nsigma_max: 1e1\n"
        "denoiser: {kind: v, schedule: {kind: cosine}, label: step}\n"
    )
    told = read_told(tmp_path / "adm.yaml")
    import_prior(tmp_path / "adm.pt", tmp_path / "p", told=told)
    prior = load_prior_folder(tmp_path / "p")
    assert prior.card["licence"] == "MIT" and prior.sigma_max == 5
    network, _ = small("adm", ADM)
    own = from_v(lambda x, t: network(x, t)[:, :1], label_of(cosine()))
    x = torch.rand(1, 1, 16, 16)
    expected = (own(2 * x - 1, torch.tensor(0.6)) + 1) / 2
    torch.testing.assert_close(prior.denoise(x, torch.tensor(0.3)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour: red", "no field 'colour'"), ("sigma_max: -1", "above 0"), ("- 1", "object"),
        ("sigma_max: .nan", "finite"), ("data_range: [0]", "list of 2"), ("a: [", "line 1"),
        ("licence: &a x\ntitle: *a", "aliases"), ("licence: x\nlicence: y", "twice"),
        ("denoiser: {kind: w}", "'eps'|eps"), ("licence: !!python/name:os.system x", "constructor"),
        ("size: 10000000", "65536"), ("{" * 3000, "deep|flow|nested|expected"),
    ],
)  # fmt: skip
def test_a_wrong_description_is_refused_in_one_line(tmp_path, text, said):
    pytest.importorskip("yaml")
    (tmp_path / "told.yaml").write_text(text)
    with pytest.raises(WeightsError, match=said) as caught:
        read_told(tmp_path / "told.yaml")
    assert "told.yaml" in str(caught.value) and "\n" not in str(caught.value)


def _sources(folder):
    """name -> what is said of it."""
    _, dncnn = small("dncnn", DNCNN)
    _, adm = small("adm", ADM)
    first = next(iter(dncnn))
    others = {"model.a.weight": torch.zeros(2), "model.b.weight": torch.zeros(3)}
    kept = {name: value for name, value in adm.items() if not name.startswith("output_blocks.1")}
    cases = {
        "unlike.pt": (others, "no known family"),
        "lacking.pt": ({n: v for n, v in dncnn.items() if n != "model.2.bias"}, "'model.2.bias'"),
        "wide.pt": ({**dncnn, "model.2.bias": torch.zeros(9)}, "'model.2.bias' is 9, not 4"),
        "nan.pt": ({**dncnn, first: dncnn[first] * float("nan")}, "not finite"),
        "flat.pt": ({**dncnn, first: dncnn[first].flatten()}, "known family"),
        "half_adm.pt": (kept, "heads|adm"),
        "several.pt": ({"a": dncnn, "b": dncnn}, "several models: 'a', 'b'"),
        "empty.pt": ({}, "no named weights"),
    }
    for name, (tree, _) in cases.items():
        torch.save(tree, folder / name)
    (folder / "models").mkdir()
    for name in ("one.pt", "two.pt"):
        torch.save(dncnn, folder / "models" / name)
    (folder / "nothing").mkdir()
    (folder / "text.ckpt").write_text("no weights")
    said = {name: words for name, (_, words) in cases.items()}
    return said | {"models": "several models: one.pt, two.pt", "nothing": "holds no model",
                   "text.ckpt": "no checkpoint", "absent.pt": "no such file"}  # fmt: skip


def test_nothing_is_stored_of_what_is_no_prior(tmp_path):
    for name, said in _sources(tmp_path).items():
        with pytest.raises(WeightsError, match=said) as caught:
            import_prior(tmp_path / name, tmp_path / "store" / "face")
        words = str(caught.value)
        assert name in words and "\n" not in words and ".partial" not in words
        assert not (tmp_path / "store").exists() or not _stored(tmp_path / "store")


def test_the_nearest_family_is_named_with_what_is_missing(tmp_path):
    _, state = small("adm", ADM)
    torch.save({n: v for n, v in state.items() if "time_embed" not in n}, tmp_path / "x.pt")
    with pytest.raises(WeightsError, match=r"nearest is adm, but 'time_embed.0.weight' is missing"):
        import_prior(tmp_path / "x.pt", tmp_path / "p", told={"heads": 2})


def test_weights_of_a_name_are_chosen_by_a_description(tmp_path):
    network, state = small("dncnn", DNCNN)
    torch.save({"a": small("dncnn", DNCNN, 1)[1], "b": state}, tmp_path / "x.pt")
    import_prior(tmp_path / "x.pt", tmp_path / "p", told={"weights": "b"})
    x = torch.rand(1, 1, 8, 8)
    denoised = load_prior_folder(tmp_path / "p").denoise(x, 0.1)
    torch.testing.assert_close(denoised, x - network(x), rtol=1e-5, atol=1e-6)
    with pytest.raises(WeightsError, match="no weights called 'c'; there are: 'a', 'b'"):
        import_prior(tmp_path / "x.pt", tmp_path / "q", told={"weights": "c"})


def test_a_folder_of_ours_is_imported_as_it_is_and_a_damaged_one_is_not(tmp_path):
    torch.save(small("dncnn", DNCNN)[1], tmp_path / "x.pt")
    import_prior(tmp_path / "x.pt", tmp_path / "p")
    import_prior(tmp_path / "p", tmp_path / "q")
    for name in ("model.safetensors", "prior.json"):
        first, second = ((tmp_path / place / name).read_bytes() for place in "pq")
        assert first == second
    content = bytearray((tmp_path / "p" / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "p" / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match="checksum"):
        import_prior(tmp_path / "p", tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["FFDNet_gray.mat", "FDnCNN_gray.mat", "ddpm_mnist.pth"])
def test_the_shared_checkpoints_are_imported(shared_data, tmp_path, name):
    path = shared_data / "priors" / name
    if not path.exists():
        pytest.skip(f"{name} is not among the shared data")
    if name.endswith(".mat"):
        pytest.importorskip("h5py")
    import_prior(path, tmp_path / "p")
    prior = load_prior_folder(tmp_path / "p")
    x = torch.full((1, 1, 28, 28), 0.3)
    noisy = x + 0.1 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    assert (prior.denoise(noisy, torch.tensor(0.1)) - x).square().mean() < 0.5 * 0.1**2


def test_a_conditional_prior_is_whole_without_its_condition_and_used_with_it(tmp_path):
    _, state = small("adm", ADM | {"classes": 5})
    torch.save(state, tmp_path / "adm.pt")
    import_prior(tmp_path / "adm.pt", tmp_path / "p", told={"heads": 2, "size": 16})
    assert loaded(tmp_path / "p").shape == (1, 16, 16)
    with pytest.raises(WeightsError, match="a label"):
        load_prior_folder(tmp_path / "p")
    x, sigma = torch.rand(1, 1, 16, 16), torch.tensor(0.3)
    one, two = (load_prior_folder(tmp_path / "p", label=n).denoise(x, sigma) for n in (1, 2))
    assert not torch.equal(one, two)


def test_a_prior_that_is_no_picture_keeps_its_own_units(tmp_path):
    listed = Path(__file__).parents[1] / "published" / "listings" / "sgmse_small.json.gz"
    shapes = json.loads(gzip.decompress(listed.read_bytes()))
    generator = torch.Generator().manual_seed(0)
    state = {name: 0.05 * torch.randn(*shape, generator=generator)
             for name, shape in shapes.items()}  # fmt: skip
    torch.save({"state_dict": state}, tmp_path / "sgmse.ckpt")
    import_prior(tmp_path / "sgmse.ckpt", tmp_path / "p")
    described = json.loads((tmp_path / "p" / "prior.json").read_text())
    assert described["data_range"] is None and described["channels"] == 2
    size = [n or 64 for n in described["native_size"] or (None, None)]
    noisy = torch.zeros(1, 2, *size)
    prior = load_prior_folder(tmp_path / "p", noisy=noisy)
    assert prior.denoise(noisy, torch.tensor(prior.sigma_max)).shape == noisy.shape


def test_what_a_network_keeps_for_a_gradient_is_its_footprint(tmp_path):
    """Convolutions keep what they take, float32: the picture, and what each rectifier gives."""
    torch.save(small("dncnn", DNCNN)[1], tmp_path / "dncnn.pt")
    import_prior(tmp_path / "dncnn.pt", tmp_path / "p")
    kept = 4.0 * (1 + DNCNN["width"] * (DNCNN["depth"] - 1))
    assert load_prior_folder(tmp_path / "p").footprint == kept
    layers = {f"conv_layers.{i}.weight": torch.randn(b, a, 3, 3) for i, (a, b) in
              enumerate([(1, 4), (4, 4), (4, 1)])}  # fmt: skip
    scales = {"gammas.0": torch.ones(1, 4, 1, 1), "running_sd.0": torch.ones(1, 4, 1, 1)}
    torch.save(layers | scales, tmp_path / "bf.pt")
    import_prior(tmp_path / "bf.pt", tmp_path / "bf")
    prior = load_prior_folder(tmp_path / "bf")
    assert prior.footprint == 4.0 * (1 + 4 * 2)
    assert prior.sigma_max == 0.39 and not prior.reaches_noise  # trained to 100 / 255


def test_errors_are_not_measured_of_what_must_be_told_something(tmp_path):
    torch.save(small("adm", ADM | {"classes": 3})[1], tmp_path / "adm.pt")
    with pytest.raises(WeightsError, match="depend on what it is told"):
        import_prior(tmp_path / "adm.pt", tmp_path / "p", told={"heads": 2, "size": 16},
                     measured=lambda prior: ("nothing", {1.0: 1.0}))  # fmt: skip
    assert not (tmp_path / "p").exists()
