"""A room found beside the speech: both closed forms, and `dereverb --blind` from end to end."""

import pytest
import torch
from restore_speech.files.sound import read_sound
from restore_speech.operators import unknown_room
from restore_speech.operators.unknown_room import HOP, TAPS, UnknownRoom, convolved, deconvolved
from speech_standins import RATE, load_prior, save, syllables

from restore.files.problem import Settings, pose
from restore.files.restoring import restore_file


def randn(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def bursts(samples, channels=1):
    """White noise with pauses: it tells every band of a response; (1, channels, samples)."""
    moments = torch.arange(samples) / RATE
    loud = (2 * torch.pi * 2.5 * moments).sin().clamp(min=0)
    return (0.1 * loud * randn(1, channels, samples)).to(torch.float64)


def echoing(speech, response):
    size = speech.shape[-1] + len(response)
    wet = torch.fft.irfft(torch.fft.rfft(speech, size) * torch.fft.rfft(response, size), size)
    return wet[..., : speech.shape[-1]]


def test_an_echo_by_whole_frames_is_found_where_the_speech_is_known():
    """y(t) = x(t) + x(t - 6 hops) / 2 is exact in bands: the taps are 1 and 1/2.

    Frames overlap by three quarters, so that the prior of the taps smears each over its
    neighbours: a sixth of the response's norm, measured.
    """
    speech = bursts(2 * RATE)
    response = torch.zeros(8 * HOP, dtype=torch.float64)
    response[0], response[6 * HOP] = 1.0, 0.5
    found = UnknownRoom(echoing(speech, response)[0]).response(speech)[0, 0]
    truth = torch.zeros(TAPS, dtype=found.dtype)
    truth[0], truth[6] = 1.0, 0.5
    assert found.shape == (257, TAPS)
    error = (found - truth).abs().square().sum(1).sqrt().mean()
    assert error < 0.2 * truth.abs().square().sum().sqrt()
    assert found.abs().mean(0).topk(2).indices.tolist() == [0, 6]


def test_a_simulated_room_is_found_up_to_a_hundredth_of_its_power():
    """A response of decaying noise, T60 0.4 s, is found but for the crossings between bands."""
    moments = torch.arange(int(0.35 * RATE), dtype=torch.float64) / RATE
    response = 0.05 * randn(len(moments), seed=1) * 10 ** (-3 * moments / 0.4)
    response[0] = 1.0
    speech = bursts(3 * RATE)
    room = UnknownRoom(echoing(speech, response)[0])
    explained = convolved(room.response(speech), room._bins(speech))[0]
    left = (room.bins - explained).abs().square().sum() / room.bins.abs().square().sum()
    assert left < 0.01


def test_the_response_is_the_most_probable_one(monkeypatch):
    """The gradient of its negative log density, written out, is zero there."""
    monkeypatch.setattr(unknown_room, "BLOCK", 7)  # several blocks
    speech, recording = bursts(RATE // 2, 2), bursts(RATE // 2, 2).flip(1).flip(2)
    room = UnknownRoom(recording[0])
    response = room.response(speech).requires_grad_()
    x, weights = room._bins(speech), room.weights
    decay = 3 * torch.log(torch.tensor(10.0)) * HOP / (1.1 * RATE)
    held = 0.01 * (2 * decay * torch.arange(TAPS)).exp()
    held[0] = 0.1
    about = torch.zeros(TAPS)
    about[0] = 1.0
    power = (weights * x.abs().square()).sum(-1)[..., None]
    misfit = weights * (room.bins - convolved(response, x)).abs().square()
    prior = power * held * (response - about).abs().square()
    (gradient,) = torch.autograd.grad(misfit.sum() + prior.sum(), response)
    # of double precision, in the units of its largest term
    assert gradient.abs().max() < 1e-8 * (power * held).max()


def test_speech_in_a_known_room_is_the_mean_of_its_gaussian_posterior():
    """Against the dense normal equations of one band, frames and pause written out."""
    frames, taps, power = 9, 3, 0.7
    y, guess = (
        torch.complex(randn(1, frames, seed=k), randn(1, frames, seed=k + 9)) for k in (0, 1)
    )
    response = torch.complex(randn(1, taps, seed=5), randn(1, taps, seed=6))
    noise = torch.tensor([[0.3]], dtype=torch.float64)
    found = deconvolved(y, response, noise, guess, power)[0]
    size = frames + taps
    first = torch.nn.functional.pad(response[0], (0, size - taps))
    room = torch.stack([first.roll(k) for k in range(size)], 1)
    padded = [torch.nn.functional.pad(part[0], (0, taps)) for part in (y, guess)]
    matrix = room.mH @ room / 0.3 + torch.eye(size) / power
    expected = torch.linalg.solve(matrix, room.mH @ padded[0] / 0.3 + padded[1] / power)
    torch.testing.assert_close(found, expected[:frames])


def test_a_sure_guess_stays_and_a_room_without_echo_gives_the_recording():
    speech = bursts(RATE)
    room, other = UnknownRoom(speech[0]), 0.05 * randn(1, 1, RATE, seed=3)
    sure = room.explained(other, other, 1e-12)
    torch.testing.assert_close(sure, other, rtol=0, atol=1e-6)
    explained = room.explained(speech, other, 1e6)
    inside = slice(TAPS * HOP, -TAPS * HOP)  # at the ends frames go round
    error = (explained - speech)[..., inside].square().mean() / speech.square().mean()
    assert error < 0.02  # the prior of the taps is all that stands between them


def blindly(tmp_path, signal):
    path = save(tmp_path / "in.wav", signal, RATE, "FLOAT")
    settings = Settings.of("dereverb", {"blind": True}, steps=2)
    facts = restore_file(path, tmp_path / "out", settings, load_prior=load_prior)
    return facts, read_sound(tmp_path / "out" / "restored.wav").signal


def test_dereverb_blind_keeps_level_length_and_the_image_of_stereo(tmp_path):
    one = syllables(0.5) - syllables(0.5).mean()
    facts, restored = blindly(tmp_path, torch.cat([one, one]))
    assert restored.shape == (2, RATE // 2) and restored.any()
    assert torch.allclose(restored[0], restored[1], atol=1e-6)  # one noise for both
    assert "unknown" in facts["facts"]["room"] and facts["calls"] == 2
    (tmp_path / "loud").mkdir()
    _, louder = blindly(tmp_path / "loud", 10 * torch.cat([one, one]))
    assert torch.allclose(louder, 10 * restored, atol=1e-4)


def test_silence_and_a_moment_are_explained_too():
    """A channel of digital silence beside one of noise, 20 ms long."""
    recording = torch.cat([torch.zeros(1, 320), 0.05 * randn(1, 320)])
    room, guess = UnknownRoom(recording.float()), 0.05 * randn(1, 2, 320, seed=1).float()
    explained = room.explained(recording[None].float(), guess, 0.01)
    assert explained.isfinite().all() and explained[0, 0].abs().max() < 1e-6


@pytest.mark.parametrize(
    ("options", "noise", "said"),
    [
        ({"response": "room.wav"}, None, "needs no --response"),
        ({}, 0.01, "needs no --noise"),
        ({"front": "predict"}, None, "has a front of its own"),
    ],
)
def test_what_a_blind_room_has_no_use_for_is_refused(tmp_path, options, noise, said):
    path = save(tmp_path / "a.wav", syllables(0.3), RATE)
    settings = Settings.of("dereverb", {"blind": True, **options}, noise=noise)
    with pytest.raises(ValueError, match=said):
        pose(path, settings, load_prior=load_prior)
