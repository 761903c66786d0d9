"""EDM's networks: names, shapes and outputs, and every preconditioning of its table."""

import math

import pytest
import torch
from published_files import load, shapes_of
from recorded import drawn_state, listing, outputs, picked, picture

from restore.networks.published import family

EDM = family("edm")
FULL = {
    "edm_ffhq_64_vp": ([128, 256, 256, 256], [1, 1], 0),
    "edm_ffhq_64_ve": ([128, 256, 256, 256], [1, 3, 3, 1], 0),
    "edm_imagenet_64_adm": ([192, 384, 576, 768], [1, 1], 1000),
}
SMALL = ("edm_ddpmpp", "edm_ncsnpp", "edm_adm")


@pytest.mark.parametrize("name", FULL)
def test_a_published_network_is_told_by_its_shapes(name):
    """The listings come from a port that loads the release's weights strictly."""
    official, (widths, taps, labels) = listing(name), FULL[name]
    config = EDM.recognise(official, {"preconditioning": "edm"})
    unet = config["unet"]
    assert (unet["widths"], unet["taps"], unet["labels"]) == (widths, taps, labels)
    assert EDM.shape(config) == (3, 64, 64)
    with torch.device("meta"):
        network = EDM.build(config)
    assert shapes_of(network.state_dict()) == official


@pytest.mark.parametrize("name", SMALL)
def test_the_network_gives_what_the_port_of_the_release_gives(name):
    state = drawn_state(listing(name))
    network, config = load("edm", state, {"preconditioning": "edm"})
    classes = None
    if config["unet"]["labels"]:
        classes = torch.nn.functional.one_hot(torch.tensor([1, 4]), 5).float()
    given = network.model(picture(3, 16), torch.tensor([-0.7, 0.9]), classes)
    torch.testing.assert_close(picked(given), outputs(name), rtol=1e-4, atol=2e-5)  # float32 sums


def test_bare_names_and_those_under_model_are_one_network():
    state = drawn_state(listing("edm_ddpmpp"))
    bare = {name.removeprefix("model."): value for name, value in state.items()}
    one, other = (load("edm", s, {"preconditioning": "vp"})[0] for s in (state, bare))
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)


class Spy(torch.nn.Module):
    """A wrapped network of a known output that remembers what it saw."""

    def __init__(self, given):
        super().__init__()
        self.given = given
        self.register_buffer("u", torch.linspace(100, 0, 1001))

    def model(self, x, noise, classes):
        self.seen = x, noise, classes
        return self.given


def _vp_time(sigma):
    """By bisection of sigma(t)^2 = exp(9.95 t^2 + 0.1 t) - 1."""
    low, high = 0.0, 1.2
    for _ in range(60):
        t = (low + high) / 2
        low, high = (t, high) if math.expm1(9.95 * t * t + 0.1 * t) < sigma**2 else (low, t)
    return t


@pytest.mark.parametrize("kind", ["edm", "vp", "ve", "iddpm"])
def test_the_denoiser_is_the_papers_table(kind):
    given, x, s = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4), 0.7
    total = math.hypot(s, 0.5)
    skip, out, scale, noise = {
        "edm": (0.25 / total**2, s * 0.5 / total, 1 / total, math.log(s) / 4),
        "vp": (1, -s, 1 / math.hypot(s, 1), 999 * _vp_time(s)),
        "ve": (1, s, 1, math.log(s / 2)),
        "iddpm": (1, -s, 1 / math.hypot(s, 1), 6),  # level 993 of 1000 is 0.7
    }[kind]
    config = {"preconditioning": kind, "sigma_data": 0.5, "unet": {"labels": 0, "inputs": 3}}
    spy = Spy(torch.cat([given, given + 1], 1))  # iddpm's variance, which is left aside
    denoised = EDM.denoiser(spy, config)(x, torch.tensor(s))
    torch.testing.assert_close(spy.seen[0], scale * x)
    torch.testing.assert_close(spy.seen[1], torch.full((2,), float(noise)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(denoised, skip * x + out * given)
    assert spy.seen[2] is None


def test_the_noise_levels_are_those_of_each_training():
    def sigmas(kind):
        return EDM.sigmas(Spy(None), {"preconditioning": kind})

    assert sigmas("edm") == (0.002, 80)
    assert sigmas("ve") == (0.02, 100)
    assert sigmas("vp") == pytest.approx((1e-3, 152.2), rel=1e-2)
    assert sigmas("iddpm") == pytest.approx((0.1, 100))


def test_a_label_is_one_hot_and_asked_for_where_there_are_labels_only():
    config = {"preconditioning": "edm", "sigma_data": 0.5, "unet": {"labels": 5, "inputs": 3}}
    spy, x = Spy(torch.zeros(2, 3, 4, 4)), torch.zeros(2, 3, 4, 4)
    EDM.denoiser(spy, config, label=torch.tensor([1, 4]))(x, torch.tensor(1.0))
    assert spy.seen[2].argmax(1).tolist() == [1, 4]
    assert EDM.conditions(config) == ("label",)
    with pytest.raises(ValueError, match="network of labels"):
        EDM.denoiser(spy, config)


def test_the_preconditioning_is_asked_for():
    shapes = listing("edm_ddpmpp")
    with pytest.raises(ValueError, match="say preconditioning in the description"):
        EDM.recognise(shapes, {})
    with pytest.raises(ValueError, match="there is no 'ddim' among"):
        EDM.recognise(shapes, {"preconditioning": "ddim"})
    with pytest.raises(ValueError, match="not there"):
        EDM.recognise(shapes, {"preconditioning": "iddpm"})
    buffered = shapes | {"u": (1001,)}
    assert EDM.recognise(buffered, {})["preconditioning"] == "iddpm"
    state = drawn_state(shapes) | {"u": torch.linspace(100, 0, 1001)}
    network, config = load("edm", state)
    assert EDM.sigmas(network, config) == pytest.approx((0.1, 100))
