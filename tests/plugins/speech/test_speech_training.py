"""Mixing, the pool, the loop: what a network is shown, and that it learns and is gone on with."""

import numpy as np
import pytest
import torch
from restore_speech.networks.spectral_unet import SIGMA_DATA, SpectralUNet
from restore_speech.priors import load_folder
from restore_speech.training import augmenting, losses, mixing
from restore_speech.training.loop import SIGMA_MAX, SIGMA_MIN, Plan, Run, train
from restore_speech.training.mixing import Sources, Spoken, level_of, mixed
from restore_speech.training.pool import Pool
from restore_speech.training.saving import denoising_errors, save

from restore.errors import WeightsError

RATE = augmenting.RATE


def tone(seconds: float = 1.0, hertz: float = 440.0):
    return np.sin(2 * np.pi * hertz * np.arange(int(RATE * seconds)) / RATE).astype(np.float32)


def sources(rooms: bool = True) -> Sources:
    rng = np.random.default_rng(0)
    noise = [rng.standard_normal(RATE).astype(np.float32)]
    response = np.exp(-np.arange(800) / 200).astype(np.float32) * rng.choice([-1, 1], 800)
    return Sources([tone(), tone(hertz=250)], noise, [response.astype(np.float32)] if rooms else [])


def test_speech_and_noise_meet_at_the_ratio_that_was_drawn(monkeypatch):
    monkeypatch.setattr(mixing, "NARROW", 0.0)
    monkeypatch.setattr(mixing, "CLEAN", 0.0)
    speech, noise = tone(), np.random.default_rng(1).standard_normal(RATE).astype(np.float32)
    for ratio in (-5.0, 12.0):
        monkeypatch.setattr(mixing, "SNR_MEAN", ratio)
        monkeypatch.setattr(mixing, "SNR_SPREAD", 0.0)
        made = mixed(Spoken(speech, speech), noise, False, 0.05, np.random.default_rng(0))
        left = made.noisy - made.clean
        found = 10 * np.log10(np.square(made.clean).mean() / np.square(left).mean())
        # the noise drawn has a power of 1 +- 2 / sqrt(16000), 0.05 dB
        assert found == pytest.approx(ratio, abs=0.15)


def test_a_recording_is_shown_at_its_level_whatever_its_gain(monkeypatch):
    monkeypatch.setattr(mixing, "LEVEL_SPREAD", 0.0)
    for gain in (1e-3, 1.0, 300.0):
        speech = gain * tone()
        made = mixed(Spoken(speech, speech), tone(hertz=90), False, 0.05, np.random.default_rng(3))
        assert level_of(made.noisy) == pytest.approx(0.05, rel=1e-4)


def test_neither_pauses_nor_a_click_tell_the_level():
    speech = tone(2.0)
    paused = np.concatenate([speech, np.zeros_like(speech)])
    clicked = speech.copy()
    clicked[100] = 30.0
    # frames hold no whole number of periods: 1 %
    assert level_of(paused) == pytest.approx(level_of(speech), rel=0.01)
    # its frame counts as no louder than the others
    assert level_of(clicked) == pytest.approx(level_of(speech), rel=0.05)


def test_another_speed_keeps_a_tone_a_tone():
    rng = np.random.default_rng(0)
    played = augmenting.respeeded(tone(2.0, 5000), RATE, 0.3, rng)
    power = np.abs(np.fft.rfft(played * np.hanning(RATE))) ** 2
    top = int(power.argmax())
    assert 5000 / 1.3 <= top <= 5000 * 1.3
    # all but what the ends of the piece spread: no images, as linear interpolation leaves
    assert power[top - 20 : top + 20].sum() > 0.99 * power.sum()


def test_dry_speech_is_the_wet_one_without_its_tail():
    response = np.zeros(4000, np.float32)
    response[[50, 3000]] = 1.0, 0.5
    wet, dry = augmenting.in_a_room(tone(), response)
    np.testing.assert_allclose(dry, tone(), atol=1e-5)  # float32 convolution by FFT
    late = np.concatenate([np.zeros(2950, np.float32), 0.5 * tone()[:-2950]])
    np.testing.assert_allclose(wet - dry, late, atol=1e-5)


def test_band_limits_keep_what_lies_within():
    kept = augmenting.band_limited(tone(hertz=1000), 300, 3400)
    gone = augmenting.band_limited(tone(hertz=6000), 300, 3400)
    # a whole number of periods: the tones are single bins
    np.testing.assert_allclose(kept, tone(hertz=1000), atol=1e-4)
    assert np.abs(gone).max() < 1e-4


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_coloured_noise_falls_as_told(slope):
    noise = augmenting.colour_noise(1 << 17, slope, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(len(noise), 1 / RATE)
    octave = [power[(frequencies >= f) & (frequencies < 2 * f)].mean() for f in (200, 400, 800)]
    # means over at least 1600 bins: 2.5 %, 0.1 dB
    falls = -np.diff(10 * np.log10(octave))
    np.testing.assert_allclose(falls, 3.01 * slope, atol=0.5)


def test_a_simulated_room_decays():
    pytest.importorskip("pyroomacoustics", reason="rooms are simulated by pyroomacoustics")
    response = augmenting.random_room(np.random.default_rng(0))
    start = int(np.argmax(np.abs(response)))
    early, late = response[start : start + 800], response[-800:]
    assert np.square(late).sum() < 0.1 * np.square(early).sum()


def test_losses_are_zero_for_the_truth_and_only_there():
    network = SpectralUNet(conditional=False, widths=(8, 8), blocks=1)
    clean = 0.05 * torch.randn(2, 1, 4000, generator=torch.Generator().manual_seed(0))
    spectrum = network.spectrum(clean[:, 0])
    assert losses.spectral_error(spectrum, spectrum).abs().max() == 0
    assert (losses.spectral_error(0.9 * spectrum, spectrum) > 1e-4).all()
    assert (
        losses.log_error(0.9 * clean, clean, clean) > losses.log_error(clean, clean, clean)
    ).all()


def small_plan(**changes) -> Plan:
    return Plan(**{"steps": 12, "batch": 2, "frames": 32, "warmup": 2, **changes})


def small_run(folder, **changes) -> Run:
    return Run(small_plan(**changes), folder / "checkpoint.pt", widths=(8, 8), blocks=1)


@pytest.fixture(scope="module")
def pool():
    with Pool(sources(), small_plan().samples, seed=0, size=80) as ready:
        yield ready


@pytest.mark.parametrize("conditional", [True, False])
def test_training_lowers_the_loss_and_is_gone_on_with(tmp_path, pool, conditional):
    told = []
    train(
        small_run(tmp_path, conditional=conditional),
        pool,
        lambda n: {},
        every=5,
        report=told.append,
    )
    again = small_run(tmp_path, conditional=conditional)
    assert again.step == 12
    longer = Run(
        small_plan(conditional=conditional, steps=60, learning_rate=3e-3),
        tmp_path / "checkpoint.pt", widths=(8, 8), blocks=1,
    )  # fmt: skip
    noisy, clean = pool.draw(np.zeros(8, bool), SIGMA_DATA, longer.plan.samples)
    before = error(longer.network, noisy, clean)
    while longer.step < 60:
        longer.update(pool)
    assert error(longer.network, noisy, clean) < 0.9 * before
    assert (tmp_path / "curve.csv").read_text().startswith("step,seconds,loss")


def error(network, noisy, clean) -> float:
    """Mean square error at the level of the speech, on fixed excerpts and noise."""
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = network(clean + SIGMA_DATA * noise, SIGMA_DATA, *[noisy] * network.conditional)
    return (found - clean).square().mean().item()


def test_the_pool_mixes_at_the_ratios_of_its_law(pool):
    noisy, clean = pool.draw(np.zeros(200, bool), SIGMA_DATA, pool.samples)
    power = clean.square().mean((1, 2)) / (noisy - clean).square().mean((1, 2))
    ratios = 10 * power.log10()
    # drawn with a deviation of 8 dB about 5 dB, clipped at -8; pauses lower the mean: 0.6 dB each
    assert ratios.median().item() == pytest.approx(5, abs=2.5)


def test_a_folder_gives_the_network_back(tmp_path):
    torch.manual_seed(0)
    network = SpectralUNet(conditional=True, widths=(8, 8), blocks=1)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    network.load_state_dict({n: v.half().float() for n, v in network.state_dict().items()})
    pairs = [(0.05 * torch.randn(1, 1, 3000), 0.05 * torch.randn(1, 1, 3000))]
    errors = denoising_errors(network, pairs, SIGMA_MIN, SIGMA_MAX)
    save(tmp_path, network, errors, {"name": "small"})
    prior = load_folder(tmp_path)
    u, noisy = pairs[0]
    assert torch.equal(prior.network(u, 0.1, noisy), network(u, 0.1, noisy).detach())
    assert prior.sigma_max == pytest.approx(SIGMA_MAX)
    assert prior.variance(SIGMA_MIN) == pytest.approx(errors[min(errors)], rel=1e-4)


def test_damaged_weights_are_refused(tmp_path):
    network = SpectralUNet(conditional=False, widths=(8, 8), blocks=1)
    save(tmp_path, network, {1e-3: 1e-6, 1.0: SIGMA_DATA**2}, {})
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        load_folder(tmp_path)
