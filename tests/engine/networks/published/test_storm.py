"""StoRM: sizes of its published networks, its two stages, and a checkpoint of it as a prior."""

import pytest
import torch
from published_files import randomised, shapes_of, under

from restore.networks.importing.converting import import_prior
from restore.networks.importing.loading import prior as prior_of
from restore.networks.importing.trial import loaded
from restore.networks.paths import OrnsteinUhlenbeck
from restore.networks.prior_schema import read_description
from restore.networks.published import family

STORM = family("storm")
UNET = {
    "width": 8, "widths": [8, 8], "blocks": 1, "attention": [], "fourier": True,
    "entry": "input_skip", "summed": True, "fir": True, "numbered": False, "outputs": 2,
    "scales": None,
}  # fmt: skip
FIRST = UNET | {"channels": 2, "conditional": False}
TOLD = {"centered": False, "theta": 1.5, "sigma_min": 0.05, "sigma_max": 0.5, "t_eps": 0.03}
BOTH = {"first": FIRST, "unet": UNET | {"channels": 6}, "condition": "both", **TOLD}


def test_the_published_networks_have_as_many_values_as_their_authors_say():
    """27.8 million for the score; the prediction has no layers for a time, and fewer channels."""
    published = {"width": 128, "widths": [128, 256, 256, 256]}
    config = BOTH | {key: BOTH[key] | published for key in ("first", "unet")}
    with torch.device("meta"):
        network = STORM.build(config)
    sizes = [sum(p.numel() for p in net.parameters()) for net in network.children()]
    assert sizes == [27_342_350, 27_776_038]


def test_both_networks_are_told_by_their_shapes():
    shapes = shapes_of(under("state_dict.", STORM.build(BOTH).state_dict()))
    assert STORM.recognise(shapes, {}) == BOTH | {"spec_factor": 0.33}
    score_alone = {n: s for n, s in shapes.items() if "score_net" in n}
    assert STORM.recognise(score_alone, {}) is None
    four = STORM.build(BOTH | {"unet": UNET | {"channels": 4}}).state_dict()
    with pytest.raises(ValueError, match="describe condition, noisy, post_denoiser, both"):
        STORM.recognise(shapes_of(four), {})
    assert STORM.recognise(shapes_of(four), {"condition": "noisy"})["condition"] == "noisy"
    first = {n.removeprefix("denoiser_net."): s for n, s in shapes_of(four).items()}
    with pytest.raises(ValueError, match="first stage of StoRM"):
        family("sgmse").recognise({n: s for n, s in first.items() if "score" not in n}, {})


def test_the_first_stage_has_no_use_for_a_time():
    network = STORM.build(BOTH)
    network.load_state_dict(randomised(network))
    x, once = torch.randn(2, 2, 8, 8), torch.ones(2)
    first = network.denoiser_net
    torch.testing.assert_close(first(x, once), first(x, 0.1 * once), rtol=0, atol=0)
    assert not torch.equal(network.score_net(torch.cat([x] * 3, 1), once), network.score_net(
        torch.cat([x] * 3, 1), 0.1 * once))  # fmt: skip


class Exact(torch.nn.Module):
    """The stages of a world of one clean signal, whose prediction is half the noisy speech."""

    def __init__(self, clean, condition):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(()))
        self.clean, self.condition, self.calls = clean, condition, 0

    def denoiser_net(self, seen, time):
        self.calls += 1
        return 0.5 * (seen + 1) / 2

    def score_net(self, seen, time):
        state, *told = ((seen + 1) / 2).split(2, 1)
        noisy, predicted = NOISY.expand_as(state), 0.5 * NOISY.expand_as(state)
        expected = {"noisy": [noisy], "post_denoiser": [predicted], "both": [noisy, predicted]}
        for part, wanted in zip(told, expected[self.condition], strict=True):
            torch.testing.assert_close(part, wanted)
        share, std = (f(time)[:, None, None, None] for f in (PATH.clean_share, PATH.std))
        return (state - share * self.clean - (1 - share) * predicted) / std**2


PATH, NOISY = OrnsteinUhlenbeck(), torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("condition", ["noisy", "post_denoiser", "both"])
def test_the_process_drifts_to_the_prediction(condition):
    """With the exact score of one clean signal the denoiser gives that signal."""
    clean = torch.randn(1, 2, 4, 4)
    network, config = Exact(clean, condition), BOTH | {"condition": condition}
    low, high = STORM.sigmas(network, config)
    sigma = torch.tensor([low, 0.3, high])
    x = clean + sigma[:, None, None, None] * torch.randn(3, 2, 4, 4)
    denoise = STORM.denoiser(network, config, noisy=NOISY)
    for _ in range(2):  # float32, and the noise of up to 1.2 that the score divides by
        torch.testing.assert_close(denoise(x, sigma), clean.expand_as(x), rtol=1e-3, atol=1e-3)
    assert network.calls == 1  # the first stage runs once
    both = torch.cat([NOISY, 0.5 * NOISY])
    torch.testing.assert_close(
        STORM.denoiser(network, config, noisy=both)(x, sigma), denoise(x, sigma)
    )
    assert network.calls == 1
    torch.testing.assert_close(STORM.centre(network, config, noisy=NOISY), 0.5 * NOISY)


def test_a_checkpoint_becomes_a_prior_with_its_averages(tmp_path):
    network = STORM.build(BOTH)
    state = randomised(network)
    network.load_state_dict(state)
    averaged = [value + 1 for value in network.parameters()]
    torch.save(
        {"state_dict": state, "ema": {"decay": 0.999, "shadow_params": averaged}},
        tmp_path / "storm.ckpt",
    )
    import_prior(tmp_path / "storm.ckpt", tmp_path / "storm", told={"spec_factor": 0.15})
    folder = tmp_path / "storm"
    assert loaded(folder).network.score_net.output_layer.bias.mean().item() == pytest.approx(
        1 + state["score_net.output_layer.bias"].mean().item()
    )
    untold = prior_of(folder, read_description(folder), network)
    assert untold.card["spectrogram factor"] == 0.15 and untold.mean == 0
    noisy = torch.randn(2, 16, 8)
    predicted = untold.tell(noisy=noisy).mean
    assert predicted.shape == noisy.shape and not torch.equal(predicted, noisy)
    assert torch.equal(untold.tell(noisy=torch.cat([noisy, predicted])).mean, predicted)
