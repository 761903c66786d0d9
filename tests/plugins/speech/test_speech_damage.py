"""Clipping, gaps, narrow bands and known rooms: what was recorded stays as it is."""

import json

import pytest
import torch
from restore_speech.files.sound import read_sound
from restore_speech.signals.damage import lengths
from restore_speech.signals.level import speech_level
from speech_standins import RATE, save, syllables
from test_speech_recipes import run

QUICK = {"steps": 4}


@pytest.mark.parametrize(("rate", "channels"), [(RATE, 1), (44_100, 2), (8000, 1)])
def test_peaks_go_beyond_the_clip_level_and_all_else_stays(tmp_path, rate, channels):
    clean = syllables(0.7, rate, channels)
    clipped = clean.clamp(-0.15, 0.15)
    with pytest.warns(UserWarning, match=r"clip level 0\.15 read from the histogram"):
        restored, facts = run(tmp_path, "declip", clipped, rate, steps=1)
    at_level = clipped.abs() >= 0.15
    assert torch.equal(restored[~at_level], clipped[~at_level])
    assert (restored[at_level].abs() >= 0.15 - 1e-6).all()
    assert torch.equal(restored[at_level].sign(), clipped[at_level].sign())
    assert (restored - clean).square().sum() < 0.5 * (clipped - clean).square().sum()
    assert facts["facts"]["clip level"] == pytest.approx(0.15, rel=1e-6)
    assert facts["facts"]["begun from"].startswith("A-SPADE")


def test_a_clip_level_is_given_or_found_or_refused(tmp_path):
    clean = syllables(0.5)
    _, facts = run(tmp_path, "declip", clean.clamp(-0.2, 0.2), options={"level": 0.2}, **QUICK)
    assert facts["facts"]["clip level"] == 0.2
    with pytest.raises(ValueError, match=r"in\.wav; if there is some, give its level"):
        run(tmp_path, "declip", clean)
    with pytest.raises(ValueError, match=r"no sample of .* reaches 0\.9"):
        run(tmp_path, "declip", clean, options={"level": 0.9})


@pytest.mark.parametrize(("rate", "channels"), [(RATE, 1), (44_100, 2), (8000, 1)])
def test_gaps_are_filled_without_clicks_and_all_else_stays(tmp_path, rate, channels):
    clean = syllables(0.7, rate, channels)
    lost = torch.zeros(clean.shape[1], dtype=torch.bool)
    for start in (0.13, 0.52):
        lost[round(start * rate) : round((start + 0.01) * rate)] = True
    broken = torch.where(lost, 0, clean)
    restored, facts = run(tmp_path, "audio-inpaint", broken, rate)
    assert torch.equal(restored[:, ~lost], broken[:, ~lost])
    # a white prior knows nothing but the level, and diffpir's draws are narrow
    share = restored[:, lost].square().mean().sqrt().item() / speech_level(clean, rate)
    assert 0.3 < share < 1.3
    assert facts["facts"]["gaps"] == 2 * channels
    assert facts["facts"]["longest gap in ms"] == pytest.approx(10, abs=0.2)


@pytest.mark.parametrize("name", ["gaps.csv", "gaps.json"])
def test_gaps_are_given_in_seconds(tmp_path, name):
    pairs = [[0.1, 0.12], [0.3, 0.301]]
    rows = "begin,end\n" + "\n".join(f"{a},{b}" for a, b in pairs)
    (tmp_path / name).write_text(json.dumps(pairs) if name.endswith("json") else rows)
    clean = syllables(0.5)
    restored, facts = run(
        tmp_path, "audio-inpaint", clean, options={"gaps": tmp_path / name}, **QUICK
    )
    assert facts["facts"]["gaps"] == 2
    assert lengths(restored != clean) == [320, 16]


@pytest.mark.parametrize(
    ("text", "words"),
    [("0.3,0.2", "ends after that"), ("a,b\nc,d", "gaps.csv"), ("9,9.5", "no gaps inside")],
)
def test_gaps_that_are_none_are_refused(tmp_path, text, words):
    (tmp_path / "gaps.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        run(tmp_path, "audio-inpaint", syllables(0.5), options={"gaps": tmp_path / "gaps.csv"})


def test_a_recording_without_gaps_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no gaps inside the recording"):
        run(tmp_path, "audio-inpaint", syllables(0.5))


def narrow(signal, rate, cutoff):
    spectrum = torch.fft.rfft(signal)
    spectrum[:, round(cutoff * signal.shape[1] / rate) :] = 0
    return torch.fft.irfft(spectrum, n=signal.shape[1])


@pytest.mark.parametrize("rate", [RATE, 48_000])
def test_a_band_is_added_and_the_one_that_was_there_stays(tmp_path, rate):
    signal = narrow(syllables(1.0, rate), rate, 4000)
    restored, facts = run(tmp_path, "bandwidth", signal, rate, **QUICK)
    assert facts["facts"]["cutoff in Hz"] == pytest.approx(4000, abs=100)
    assert restored.shape == signal.shape
    added = torch.fft.rfft(restored - signal).abs().square()[0]  # bins of 1 Hz
    below, above = added[:3900].sum(), added[4100:7900].sum()
    assert below < 1e-3 * above and added[8300:].sum() < 1e-3 * above


def test_narrow_files_need_a_rate_that_holds_the_band(tmp_path):
    signal = syllables(1.0, 8000)
    with pytest.raises(ValueError, match="--rate 16000"):
        run(tmp_path, "bandwidth", signal, 8000)
    restored, _ = run(
        tmp_path, "bandwidth", signal, 8000, options={"rate": RATE, "cutoff": 3800.0}, **QUICK
    )
    assert restored.shape == (1, RATE)
    assert read_sound(tmp_path / "out" / "restored.wav").meta["rate"] == RATE


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_a_known_room_is_undone_and_its_delay_shifts_nothing(tmp_path, rate):
    clean = syllables(0.6, rate) - syllables(0.6, rate).mean()
    room = torch.zeros(1, rate // 4)
    for moment, gain in ((0.02, 0.5), (0.05, -0.3), (0.11, 0.2)):  # the direct sound after 20 ms
        room[0, round(moment * rate)] = gain
    size = clean.shape[1] + room.shape[1]
    wet = torch.fft.irfft(torch.fft.rfft(clean, n=size) * torch.fft.rfft(room, n=size), n=size)
    wet = wet[:, round(0.02 * rate) :] / 0.5  # as loud as the direct sound, and aligned with it
    options = {"response": save(tmp_path / "room.wav", room, rate, "FLOAT")}
    restored, _ = run(tmp_path, "dereverb", wet, rate, options=options, noise=1e-4, steps=8)
    truth = torch.nn.functional.pad(clean, (0, wet.shape[1] - clean.shape[1]))
    before, after = ((x - truth)[:, : rate // 2] for x in (wet, restored))
    assert after.square().sum() < 0.05 * before.square().sum()


def test_a_silent_response_is_refused(tmp_path):
    options = {"response": save(tmp_path / "room.wav", torch.zeros(1, 1000))}
    with pytest.raises(ValueError, match="is silent"):
        run(tmp_path, "dereverb", syllables(0.5), options=options)
