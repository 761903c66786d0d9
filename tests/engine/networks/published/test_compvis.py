"""Latent diffusion: names, shapes and outputs of the official code, latents, and conditions."""

import pytest
import torch
from published_files import load, shapes_of, under
from recorded import drawn, drawn_state, listing, outputs, picked, picture

from restore.networks.published import FAMILIES, family
from restore.networks.published.layers.vp_table import root_linear

COMPVIS, STAGE = family("latent-diffusion"), family("latent-autoencoder")
TEXT = {"heads": 4, "scale_factor": 0.5}
FULL = {  # values of the U-Net, of the autoencoder; heads, channels of a head, scale, latents
    "celebahq_ldm_vq_4": (274_056_163, 55_322_782, None, 32, 1.0, 3),
    "stable_diffusion_v1": (859_520_964, 83_653_863, 8, None, 0.18215, 4),
}


@pytest.mark.parametrize("name", FULL)
def test_a_published_model_is_told_by_its_shapes_alone(name):
    """The numbers of values are those that the authors' code prints when it loads the models."""
    official = listing(name)
    unet, stage, heads, head_channels, scale, latents = FULL[name]
    config = COMPVIS.recognise(official, {})
    told = config["unet"]["heads"], config["unet"]["head_channels"], config["scale_factor"]
    assert told == (heads, head_channels, scale)
    assert COMPVIS.shape(config) == (latents, None, None)
    with torch.device("meta"):
        network = COMPVIS.build(config)
    assert shapes_of(under("state_dict.", network.state_dict())) == official
    parts = (network.model, network.first_stage_model)
    assert [sum(v.numel() for v in part.parameters()) for part in parts] == [unet, stage]


def _state(name):
    """A small model with a rising schedule of its own."""
    state = drawn_state(listing(name))
    return state | {"alphas_cumprod": torch.linspace(0.999, 0.005, 1000)}


def _context():
    import numpy as np

    return torch.from_numpy(np.random.RandomState(1).standard_normal((2, 5, 24))).float()


def test_the_unets_give_what_the_official_code_gives():
    time = torch.tensor([3.0, 700.0])
    text, _ = load("latent-diffusion", _state("compvis_text_small"), TEXT)
    given = text.model.diffusion_model(picture(4, 16), time, None, _context())
    torch.testing.assert_close(
        picked(given), outputs("compvis_text_small"), rtol=1e-4, atol=2e-5
    )  # float32 sums
    plain, _ = load("latent-diffusion", _state("compvis_vq_small"), {"head_channels": 16})
    given = plain.model.diffusion_model(picture(3, 16), time)
    torch.testing.assert_close(picked(given), outputs("compvis_vq_small"), rtol=1e-4, atol=2e-5)


def test_the_autoencoders_give_what_the_official_code_gives():
    network, config = load("latent-diffusion", _state("compvis_text_small"), TEXT)
    codec = COMPVIS.autoencoder(network, config)
    assert (codec.channels, codec.factor, codec.data_range) == (4, 2, (-1, 1))
    encoded, decoded = codec.encode(picture(3, 16)), codec.decode(0.5 * picture(4, 16))
    torch.testing.assert_close(
        picked(encoded), 0.5 * outputs("compvis_kl_encoded"), rtol=1e-4, atol=2e-5
    )
    torch.testing.assert_close(picked(decoded), outputs("compvis_kl_decoded"), rtol=1e-4, atol=2e-5)
    network, config = load("latent-diffusion", _state("compvis_vq_small"), {"head_channels": 16})
    rounded = COMPVIS.autoencoder(network, config).decode(0.3 * picture(3, 16))
    torch.testing.assert_close(picked(rounded), outputs("compvis_vq_decoded"), rtol=1e-4, atol=2e-5)


def test_a_rounded_latent_passes_its_gradient_through():
    network, config = load("latent-diffusion", _state("compvis_vq_small"), {"head_channels": 16})
    z = picture(3, 8).requires_grad_()
    (slope,) = torch.autograd.grad(COMPVIS.autoencoder(network, config).decode(z).square().sum(), z)
    assert slope.abs().amin(dim=(1, 2, 3)).min() > 0


def test_an_autoencoder_alone_is_read_without_its_loss():
    state = {
        name.removeprefix("first_stage_model."): value
        for name, value in _state("compvis_text_small").items()
        if name.startswith("first_stage_model.")
    }
    state["loss.logvar"] = torch.zeros(())
    network, config = load("latent-autoencoder", under("state_dict.", state), {"scale_factor": 2.0})
    codec = STAGE.autoencoder(network, config)
    torch.testing.assert_close(codec.encode(picture(3, 16)), 2 * network.encode(picture(3, 16)))
    assert STAGE.denoiser is None


def test_averaged_weights_are_taken_by_their_dotless_names():
    state = _state("compvis_vq_small")
    averaged = {
        "model_ema." + name.removeprefix("model.").replace(".", ""): value + 1
        for name, value in state.items()
        if name.startswith("model.diffusion_model.")
    }
    state = under("state_dict.", state | averaged | {"model_ema.decay": torch.tensor(0.99)})
    network, _ = load("latent-diffusion", state, {"head_channels": 16})
    bias = "state_dict.model.diffusion_model.out.2.bias"
    torch.testing.assert_close(network.model.diffusion_model.out[2].bias, state[bias] + 1)


def test_linear_projections_are_read_as_convolutions():
    state = _state("compvis_text_small")
    flat = {
        name: value[:, :, 0, 0] if ".proj_" in name and "diffusion" in name and value.ndim == 4
        else value
        for name, value in state.items()
    }  # fmt: skip
    one, other = (load("latent-diffusion", s, TEXT)[0] for s in (state, flat))
    assert shapes_of(flat) != shapes_of(state)
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)


def test_the_schedules_are_the_published_tables():
    at = [0, 1, 10, 100, 500, 900, 998, 999]
    for name, ends in (("sd", (0.00085, 0.012)), ("vq", (0.0015, 0.0195))):
        expected = outputs(f"sigmas_root_{name}").double()
        table = root_linear(first=ends[0], last=ends[1])
        torch.testing.assert_close(table[at], expected, rtol=1e-6, atol=0)
    bare = {n: s for n, s in listing("stable_diffusion_v1").items() if "alphas_cumprod" not in n}
    config = COMPVIS.recognise(bare, {})
    assert COMPVIS.sigmas(None, config) == pytest.approx((0.02917, 14.6146), rel=1e-3)


def test_a_schedule_stored_in_half_precision_is_the_published_one():
    config = COMPVIS.recognise(listing("stable_diffusion_v1"), {})
    exact = root_linear(first=0.00085, last=0.012)
    stored = torch.nn.Module()
    stored.alphas_cumprod = (1 / (1 + exact**2)).half()
    ends = exact[0].item(), exact[-1].item()
    assert COMPVIS.sigmas(stored, config) == pytest.approx(ends, rel=1e-9)
    stored.alphas_cumprod = torch.linspace(0.999, 0.001, 1000)  # another schedule: the file's
    assert COMPVIS.sigmas(stored, config)[1] == pytest.approx(999**0.5, rel=1e-4)


@pytest.mark.parametrize("prediction", ["eps", "v"])
def test_the_denoiser_is_its_formula_with_the_files_own_schedule(prediction):
    described = TEXT | {"prediction": prediction}
    network, config = load("latent-diffusion", _state("compvis_text_small"), described)
    table = (1 / network.alphas_cumprod.double() - 1).sqrt()
    assert COMPVIS.sigmas(network, config) == pytest.approx((table[0].item(), table[-1].item()))
    seen, given = [], torch.randn(2, 4, 8, 8)

    def spy(x, time, label, context):
        seen.extend((x, time, label, context))
        return given

    network.model.diffusion_model.forward = spy
    context = _context()[:1]
    x, s = torch.randn(2, 4, 8, 8), table[600].item()
    denoised = COMPVIS.denoiser(network, config, context=context)(x, torch.tensor(s))
    root = (1 + s**2) ** 0.5
    expected = {"eps": x - s * given, "v": x / root**2 - s / root * given}[prediction]
    torch.testing.assert_close(denoised, expected)
    torch.testing.assert_close(seen[0], x / root)
    torch.testing.assert_close(seen[1], torch.full((2,), 600.0), rtol=1e-4, atol=1e-2)
    assert seen[2] is None
    torch.testing.assert_close(seen[3], context.expand(2, -1, -1))


def test_a_condition_is_asked_for_where_there_is_one_only():
    network, config = load("latent-diffusion", _state("compvis_text_small"), TEXT)
    assert COMPVIS.conditions(config) == ("context",)
    for wrong in ({}, {"context": _context(), "label": 1}):
        with pytest.raises(ValueError, match="for a network conditioned by it"):
            COMPVIS.denoiser(network, config, **wrong)


def test_what_shapes_do_not_tell_is_asked_for():
    text = listing("compvis_text_small")
    for described, asked in (
        ({}, "say heads or head_channels"),
        ({"heads": 4}, "say scale_factor"),
        ({"heads": 4, "scale_factor": 1.0, "prediction": "x0"}, "say prediction"),
    ):
        with pytest.raises(ValueError, match=asked):
            COMPVIS.recognise(text, described)
    bare = {name: shape for name, shape in text.items() if name != "alphas_cumprod"}
    with pytest.raises(ValueError, match="say betas"):
        COMPVIS.recognise(bare, TEXT)
    wide = text | {"model.diffusion_model.input_blocks.0.0.weight": (32, 9, 3, 3)}
    with pytest.raises(ValueError, match="takes 9 channels and gives 4"):
        COMPVIS.recognise(wide, TEXT)


def test_a_scale_in_the_file_is_used():
    state = _state("compvis_vq_small") | {"scale_factor": torch.tensor(3.0)}
    network, config = load("latent-diffusion", state, {"head_channels": 16})
    x = drawn("x", (1, 3, 16, 16))
    encoded = COMPVIS.autoencoder(network, config).encode(x)
    torch.testing.assert_close(encoded, 3 * network.first_stage_model.encode(x))


def test_no_two_families_take_the_full_size_models():
    for name in FULL:
        taking = [f.name for f in FAMILIES if f.recognise(listing(name), {})]
        assert taking == ["latent-diffusion"]
