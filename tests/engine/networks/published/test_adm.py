"""ADM: names, shapes and outputs of the official code, and the convention of its denoiser."""

import pytest
import torch
from published_files import load, shapes_of, under
from recorded import drawn_state, listing, outputs, picked, picture

from restore.networks.published import family
from restore.networks.published.layers.vp_table import SCHEDULES, label_of

ADM = family("adm")
SMALL = {
    "adm_legacy": {"heads": 4},
    "adm_new_order": {"head_channels": 16, "new_order": True},
    "adm_plain": {"heads": 2},
}
FULL = {
    "adm_ffhq_256": (256, 64, None, 93_563_910),
    "adm_imagenet_256_uncond": (256, 64, None, 552_814_086),
    "adm_imagenet_256": (256, 64, None, 553_838_086),
    "adm_imagenet_512": (512, 64, None, 558_997_638),
    "adm_imagenet_128": (128, None, 4, 421_529_606),
    "adm_imagenet_64": (64, 64, None, 295_904_454),
}


@pytest.mark.parametrize("name", FULL)
def test_a_published_model_is_told_by_its_shapes_alone(name):
    official, (size, head_channels, heads, count) = listing(name), FULL[name]
    config = ADM.recognise(official, {})
    assert (config["size"], config["head_channels"], config["heads"]) == (
        size,
        head_channels,
        heads,
    )
    assert ADM.shape(config) == (3, size, size)
    with torch.device("meta"):
        network = ADM.build(config)
    assert shapes_of(network.state_dict()) == official
    assert sum(value.numel() for value in network.parameters()) == count


@pytest.mark.parametrize("name", SMALL)
def test_the_network_gives_what_the_official_code_gives(name):
    state = drawn_state(listing(name))
    network, config = load("adm", under("module.", state), SMALL[name])
    labels = () if config["classes"] is None else (torch.tensor([1, 4]),)
    given = network(picture(3, 16), torch.tensor([3.0, 700.0]), *labels)
    torch.testing.assert_close(picked(given), outputs(name), rtol=1e-4, atol=2e-5)  # float32 sums


def test_the_schedules_are_the_published_tables():
    at = [0, 1, 10, 100, 500, 900, 998, 999]
    for name in ("linear", "cosine"):
        expected = outputs(f"sigmas_{name}").double()
        torch.testing.assert_close(SCHEDULES[name]()[at], expected, rtol=1e-6, atol=0)
    config = {"schedule": "linear"}
    assert ADM.sigmas(None, config) == pytest.approx((0.0100, 157.4), rel=1e-3)


def test_the_label_of_a_step_is_its_number():
    table = SCHEDULES["linear"]()
    label, steps = label_of(table), torch.tensor([0, 1, 500, 998, 999])
    torch.testing.assert_close(label(table[steps]), steps.float(), rtol=1e-4, atol=1e-3)
    between = (table[500] * table[501]).sqrt()
    assert label(between[None]).item() == pytest.approx(500.5, abs=0.01)
    assert label_of(table, rounded=True)((between * 1.001)[None]).item() == 501


class Spy(torch.nn.Module):
    """Remembers what it was called with; its first channels are the eps that it was made for."""

    def __init__(self, eps):
        super().__init__()
        self.eps = eps

    def forward(self, x, time, label=None):
        self.seen = x, time, label
        return torch.cat([self.eps, torch.full_like(self.eps, 7.0)], 1)


def _config(**changes):
    return ADM.recognise(listing("adm_legacy"), {"heads": 4}) | changes


@pytest.mark.parametrize("sigma", [0.001, 0.5, 3.0, 1000.0])
def test_the_denoiser_is_its_formula_with_the_true_sigma(sigma):
    x, eps, table = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4), SCHEDULES["linear"]()
    spy = Spy(eps)
    denoised = ADM.denoiser(spy, _config())(x, torch.tensor(sigma))
    seen, time, label = spy.seen
    torch.testing.assert_close(denoised, x - sigma * eps)
    torch.testing.assert_close(seen, x / (1 + sigma**2) ** 0.5)
    nearest = (table.log() - torch.tensor(sigma).log()).abs().argmin().item()
    assert label is None
    assert ((time - nearest).abs() <= 1).all()
    assert ((time >= 0) & (time <= 999)).all()


def test_whole_steps_are_an_option():
    spy = Spy(torch.zeros(1, 3, 4, 4))
    ADM.denoiser(spy, _config(rounded=True))(torch.zeros(1, 3, 4, 4), torch.tensor(0.3))
    assert spy.seen[1] == spy.seen[1].round()


def test_a_class_is_asked_for_where_there_are_classes_only():
    spy, x = Spy(torch.zeros(2, 3, 4, 4)), torch.zeros(2, 3, 4, 4)
    config = _config(classes=5)
    assert ADM.conditions(config) == ("label",)
    for label in (3, torch.tensor([3, 3])):
        ADM.denoiser(spy, config, label=label)(x, torch.tensor(1.0))
        assert spy.seen[2].tolist() == [3, 3]
    for wrong in ({"config": config}, {"config": _config(), "label": 3}):
        with pytest.raises(ValueError, match="network of classes"):
            ADM.denoiser(spy, **wrong)


def test_what_shapes_do_not_tell_is_asked_for():
    with pytest.raises(ValueError, match="say heads or head_channels"):
        ADM.recognise(listing("adm_plain"), {})
    with pytest.raises(ValueError, match="no schedule is called 'line'"):
        ADM.recognise(listing("adm_plain"), {"heads": 2, "schedule": "line"})


def test_of_two_models_in_a_file_the_average_is_taken():
    state = drawn_state(listing("adm_legacy"))
    other = {name: value + 1 for name, value in state.items()}
    network, _ = load("adm", under("model.", other) | under("ema.", state), {"heads": 4})
    torch.testing.assert_close(network.out[2].bias, state["out.2.bias"])
    twice = shapes_of(under("a.", state) | under("b.", state))
    with pytest.raises(ValueError, match=r"several models are in it: a, b"):
        ADM.recognise(twice, {"heads": 4})


def test_an_enlarger_is_no_prior():
    shapes = listing("adm_legacy") | {"input_blocks.0.0.weight": (32, 6, 3, 3)}
    shapes |= {"out.2.weight": (3, 32, 3, 3)}
    with pytest.raises(ValueError, match="takes 6 channels and gives 3"):
        ADM.recognise(shapes, {"heads": 4})
