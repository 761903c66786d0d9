"""NCSN++ of score_sde and of SGMSE+: names, shapes, outputs, and both processes."""

import math

import pytest
import torch
from published_files import load, randomised, shapes_of, under
from recorded import drawn_state, listing, outputs, picked, picture

from restore.networks.published import family
from restore.networks.published.layers.edm_unet import EDMUNet

NCSNPP, SGMSE = family("ncsnpp"), family("sgmse")
UNET = {
    "channels": 3, "width": 16, "widths": [16, 32], "blocks": 1, "attention": [1], "fourier": True,
    "entry": "input_skip", "summed": True, "fir": True, "numbered": True, "outputs": None,
    "scales": 10,
}  # fmt: skip
KINDS = {  # as in configs/ve/ffhq_256, ve/cifar10 and vp/cifar10_ddpmpp
    "summed": UNET,
    "residual": UNET | {"entry": "residual", "summed": False},
    "ddpm++": UNET | {"entry": "none", "summed": False, "fourier": False, "fir": False},
}


def test_sgmses_published_network_is_told_by_its_shapes():
    """647 tensors and 65.6 million values are what its authors' checkpoints hold."""
    official = listing("sgmse_ncsnpp")
    assert len(official) == 647
    config = SGMSE.recognise(official, {})
    assert config["unet"]["widths"] == [128, 128, 256, 256, 256, 256, 256]
    assert SGMSE.shape(config) == (2, 256, None)
    with torch.device("meta"):
        network = SGMSE.build(config)
    assert shapes_of(under("state_dict.dnn.", network.state_dict())) == official
    assert sum(value.numel() for value in network.parameters()) == 65_590_822


@pytest.mark.parametrize("name", ["sgmse_small", "sgmse_48k_small"])
def test_the_network_gives_what_sgmses_code_gives(name):
    network, _ = load("sgmse", under("state_dict.", drawn_state(listing(name))))
    x = picture(4, 16)  # real, imaginary of the state, then of the noisy speech
    given = network(x, torch.tensor([0.1, 0.9]))
    torch.testing.assert_close(picked(given), outputs(name), rtol=1e-4, atol=2e-5)  # float32 sums


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_score_sde_is_told_by_its_shapes(kind):
    config = {"unet": KINDS[kind], "process": "ve"}
    state = randomised(NCSNPP.build(config))
    described = {} if KINDS[kind]["fourier"] else {"process": "vp"}
    network, read = load("ncsnpp", under("model.module.", state), described)
    assert read["unet"] == KINDS[kind]
    assert NCSNPP.shape(read) == (3, 32, 32)
    assert network(torch.rand(1, 3, 32, 32), torch.ones(1)).shape == (1, 3, 32, 32)


def test_numbers_of_modules_without_weights_change_nothing():
    numbered = NCSNPP.build({"unet": UNET}).eval()
    dense = NCSNPP.build({"unet": UNET | {"numbered": False}}).eval()
    state = randomised(numbered)
    values = [value for name, value in state.items() if name != "sigmas"]
    own = dense.state_dict()
    names = [name for name in own if name != "sigmas"]
    dense.load_state_dict(dict(zip(names, values, strict=True)) | {"sigmas": own["sigmas"]})
    numbered.load_state_dict(state)
    x, label = torch.rand(1, 3, 16, 16), torch.tensor([0.4])
    torch.testing.assert_close(numbered(x, label), dense(x, label))


def _as_score_sde(theirs, mine):
    """Values of EDM's NCSN++ in the order of score_sde's, which it restates."""
    blocks = [*theirs.enc.values(), *theirs.dec.values()]
    values = [theirs.map_noise.freqs]
    for layer in (theirs.map_layer0, theirs.map_layer1):
        values += [layer.weight, layer.bias]
    for block in blocks:
        if not hasattr(block, "conv0"):
            values += [block.weight, block.bias]
            continue
        parts = [block.norm0, block.conv0, block.affine, block.norm1, block.conv1, block.skip]
        values += [v for part in parts if part is not None for v in (part.weight, part.bias)]
        if block.heads:
            width = block.proj.weight.shape[0]
            q, k, v = block.qkv.weight.reshape(width, 3, width).unbind(1)
            biases = block.qkv.bias.reshape(width, 3).unbind(1)
            values += [block.norm2.weight, block.norm2.bias]
            for weight, bias in zip((q, k, v), biases, strict=True):
                values += [weight.T, bias]
            values += [block.proj.weight[:, :, 0, 0].T, block.proj.bias]
    names = [name for name, _ in mine.named_parameters()]
    return dict(zip(names, values, strict=True))


def test_ncsnpp_is_the_one_that_edm_restates():
    """EDM's network is held to its own release in test_edm."""
    theirs = EDMUNet(
        3, 3, size=32, width=32, embedding=64, first=16, widths=[16, 32], blocks=1, attention=[16],
        song=True, fourier=True, encoder="residual", decoder="standard", taps=[1, 3, 3, 1],
        labels=0, augment=0,
    ).eval()  # fmt: skip
    state = randomised(theirs)
    theirs.load_state_dict(
        state | {n: theirs.state_dict()[n] for n in state if "filter" in n or "freqs" in n}
    )
    mine = NCSNPP.build({"unet": KINDS["residual"] | {"scales": None}}).eval()
    mine.load_state_dict(_as_score_sde(theirs, mine))
    x, label = torch.rand(2, 3, 32, 32), torch.tensor([0.1, 3.0])
    torch.testing.assert_close(mine(x, label), theirs(x, label.log()), rtol=1e-3, atol=1e-4)


def test_averaged_weights_are_taken_by_their_order():
    config = {"unet": UNET, "process": "ve"}
    network = NCSNPP.build(config)
    state = network.state_dict()
    for every in (True, False):  # score_sde keeps those that are trained, torch_ema all
        kept = [p for p in network.parameters() if every or p.requires_grad]
        averaged = {f"ema.shadow_params.{i}": p.data + 1 for i, p in enumerate(kept)}
        loaded, _ = load("ncsnpp", under("model.module.", state) | averaged)
        for name, value in network.named_parameters():
            moved = loaded.get_parameter(name) - value
            assert moved.mean().item() == pytest.approx(
                1 if every or value.requires_grad else 0, abs=1e-5
            )
    del averaged["ema.shadow_params.0"]
    with pytest.raises(ValueError, match="averaged weights are"):
        NCSNPP.rename(under("model.module.", state) | averaged, config)


def test_the_ve_denoiser_is_its_formula_on_pictures_in_0_to_1():
    config = {"unet": UNET, "process": "ve", "sigma_min": None, "sigma_max": None}
    seen, h = [], torch.randn(2, 3, 4, 4)

    def spy(x, label):
        seen.extend((x, label))
        return h

    x, sigma = torch.rand(2, 3, 4, 4), torch.tensor([0.1, 5.0])
    denoised = NCSNPP.denoiser(spy, config)(x, sigma)
    score = h / sigma[:, None, None, None]  # score_sde divides by the noise level
    torch.testing.assert_close(denoised, x + sigma[:, None, None, None] ** 2 * score)
    torch.testing.assert_close(seen[0], 2 * x - 1)
    torch.testing.assert_close(seen[1], sigma)
    assert NCSNPP.data_range(config) == (0, 1)
    network = NCSNPP.build(config)
    network.sigmas.copy_(torch.linspace(348, 0.01, 10))
    assert NCSNPP.sigmas(network, config) == pytest.approx((0.01, 348))


def test_the_vp_denoiser_is_told_999_t():
    config = {"unet": KINDS["ddpm++"], "process": "vp"}
    seen, eps = [], torch.randn(1, 3, 4, 4)

    def spy(x, label):
        seen.append(label)
        return eps

    t = torch.tensor(0.5)
    sigma = torch.expm1(0.1 * t + 19.9 * t**2 / 2).sqrt()
    x = torch.randn(1, 3, 4, 4)
    denoised = NCSNPP.denoiser(spy, config)(x, sigma)
    torch.testing.assert_close(denoised, x - sigma * eps)
    torch.testing.assert_close(seen[0], torch.tensor([499.5]))
    assert NCSNPP.data_range(config) == (-1, 1)


def test_the_sub_vp_denoiser_is_score_sdes():
    """x_t = a x0 + (1 - a^2) n, and the score is -F(x_t, 999 t) / (1 - a^2)."""
    config = {"unet": KINDS["ddpm++"], "process": "subvp"}
    seen, h = [], torch.randn(3, 3, 4, 4)

    def spy(x, label):
        seen.extend((x, label))
        return h

    t = torch.tensor([0.01, 0.4, 1.0], dtype=torch.float64)
    a = (-0.1 * t / 2 - 19.9 * t**2 / 4).exp()[:, None, None, None]
    state = torch.randn(3, 3, 4, 4, dtype=torch.float64)
    score = -h / (1 - a**2)
    expected = (state + (1 - a**2) ** 2 * score) / a  # Tweedie
    sigma = ((1 - a**2) / a).flatten()
    denoised = NCSNPP.denoiser(spy, config)(state / a, sigma)
    torch.testing.assert_close(denoised, expected)
    torch.testing.assert_close(seen[0], state)
    torch.testing.assert_close(seen[1], 999 * t)
    low, high = NCSNPP.sigmas(None, config)
    assert high == pytest.approx(sigma[2].item()) and 0 < low < 1e-3
    assert NCSNPP.data_range(config) == (-1, 1)


def test_what_shapes_do_not_tell_is_asked_for():
    plain = shapes_of(NCSNPP.build({"unet": KINDS["ddpm++"]}).state_dict())
    with pytest.raises(ValueError, match="say process"):
        NCSNPP.recognise(plain, {})
    bare = shapes_of(NCSNPP.build({"unet": UNET | {"scales": None}}).state_dict())
    with pytest.raises(ValueError, match="say sigma_min and sigma_max"):
        NCSNPP.recognise(bare, {})
    assert NCSNPP.recognise(bare, {"sigma_min": 0.01, "sigma_max": 50})
    small = listing("sgmse_small")
    for described, said in (
        ({"backbone": "ncsnpp_v3"}, "not 'ncsnpp_v3'"),
        ({"backbone": "ncsnpp_v2"}, "do not tell loss_type"),
        ({"process": "sbve"}, "gives scores: of the processes ouve and bbed"),
        ({"backbone": "ncsnpp_v2", "loss_type": "mse"}, "data_prediction are known"),
        ({"backbone": "ncsnpp_v2", "loss_type": "denoiser", "c_in": 2}, "1, edm are known"),
        ({"backbone": "ncsnpp_v2", "loss_type": "denoiser", "process": "sbve"}, "of a bridge"),
    ):
        with pytest.raises(ValueError, match=said):
            SGMSE.recognise(small, described)


def test_sgmses_noise_levels_are_those_of_its_process():
    config = SGMSE.recognise(listing("sgmse_small"), {})
    std = outputs("sgmse_std").double()  # at times 0.03, 0.2, 0.5, 1
    low, high = SGMSE.sigmas(None, config)
    assert low == pytest.approx(std[0].item() * 2.718281828 ** (1.5 * 0.03) / 2**0.5, rel=1e-5)
    assert high == pytest.approx(std[3].item() * 2.718281828**1.5 / 2**0.5, rel=1e-5)


def test_sgmses_denoiser_takes_the_drift_away():
    """With the exact network of one clean signal the denoiser gives that signal."""
    config = SGMSE.recognise(listing("sgmse_small"), {})
    clean, noisy = torch.randn(1, 2, 8, 8), torch.randn(2, 8, 8)
    seen = []

    def network(x, time):
        seen.append(time)
        share = (-1.5 * time)[:, None, None, None].exp()
        k = torch.tensor(10.0).log()
        std = 0.05 * ((100**time - (-3 * time).exp()) * k / (1.5 + k)).sqrt()[:, None, None, None]
        z = (x[:, :2] - share * clean - (1 - share) * x[:, 2:]) / std
        torch.testing.assert_close(x[:, 2:], noisy.expand_as(z))
        return z / std  # minus the score

    low, high = SGMSE.sigmas(None, config)
    sigma = torch.tensor([low, 0.3, high])
    x = clean + sigma[:, None, None, None] * torch.randn(3, 2, 8, 8)
    denoised = SGMSE.denoiser(network, config, noisy=noisy)(x, sigma)
    torch.testing.assert_close(denoised, clean.expand_as(x), rtol=1e-3, atol=1e-3)
    assert seen[0][[0, 2]].tolist() == pytest.approx([0.03, 1.0], abs=1e-4)
    assert SGMSE.conditions(config) == ("noisy",)


V2 = {"backbone": "ncsnpp_v2"}
EDM = {"c_in": "edm", "c_out": "edm", "c_skip": "edm"}


@pytest.mark.parametrize(
    "told",
    [
        {"loss_type": "score_matching"},
        {"loss_type": "score_matching", "network_scaling": "1/t", "c_out": "1/sigma"},
        {"loss_type": "denoiser", "network_scaling": "1/sigma"},
        {"loss_type": "data_prediction", "c_out": "sigma"},
        {"loss_type": "data_prediction", **EDM},
        {"loss_type": "data_prediction", "process": "sbve"},
    ],
)
def test_the_second_network_of_sgmse_is_scaled_outside_of_it(told):
    """With F of one clean signal, by its authors' formulas inverted, the denoiser gives it."""
    config = SGMSE.recognise(listing("sgmse_small"), V2 | told)
    clean, noisy = torch.randn(1, 2, 8, 8), torch.randn(2, 8, 8)

    def law(time):
        if told.get("process") == "sbve":
            v, whole = (0.4 * (2.6 ** (2 * t) - 1) / (2 * math.log(2.6)) for t in (time, 1.0))
            return 1 - v / whole, (v * (1 - v / whole)).sqrt()
        var = 0.05**2 * (100**time - (-3 * time).exp()) * math.log(10) / (1.5 + math.log(10))
        return (-1.5 * time).exp(), var.sqrt()

    def network(x, time):
        share, std = (value[:, None, None, None] for value in law(time))
        total = (std**2 + 0.1**2).sqrt()
        edm = "c_in" in told
        state, y = (x * total if edm else x).split(2, 1)
        torch.testing.assert_close(y, noisy.expand_as(y), rtol=1e-4, atol=1e-4)
        mean = share * clean + (1 - share) * y
        out = {"1/sigma": 1 / std, "sigma": std, "edm": 0.1 * std / total}.get(told.get("c_out"), 1)
        skip = 0.01 / total**2 if edm else 0
        aim = {"score_matching": (mean - state) / std**2, "denoiser": mean,
               "data_prediction": clean.expand_as(state)}[told["loss_type"]]  # fmt: skip
        given = aim if told["loss_type"] == "denoiser" else (aim - skip * state) / out
        scale = {"1/t": time[:, None, None, None], "1/sigma": std}
        return given * scale.get(told.get("network_scaling"), 1)

    low, high = SGMSE.sigmas(None, config)
    sigma = torch.tensor([low, 0.3, high])
    x = clean + sigma[:, None, None, None] * torch.randn(3, 2, 8, 8)
    denoised = SGMSE.denoiser(network, config, noisy=noisy)(x, sigma)
    torch.testing.assert_close(denoised, clean.expand_as(x), rtol=5e-3, atol=5e-3)  # float32 / w


def test_the_second_network_does_not_divide_by_its_time():
    config = SGMSE.recognise(listing("sgmse_small"), V2 | {"loss_type": "denoiser"})
    state = under("state_dict.", drawn_state(listing("sgmse_small")))
    second, first = (load("sgmse", state, told)[0]
                     for told in (V2 | {"loss_type": "denoiser"}, {}))  # fmt: skip
    assert shapes_of(second.state_dict()) == shapes_of(first.state_dict())
    x, time = picture(4, 16), torch.tensor([0.1, 0.9])
    bias = second.output_layer.bias[:, None, None]
    share = (second(x, time) - bias) / time[:, None, None, None]
    torch.testing.assert_close(first(x, time), share + bias, rtol=1e-4, atol=1e-4)
    assert config["v2"]["sigma_data"] == 0.1
