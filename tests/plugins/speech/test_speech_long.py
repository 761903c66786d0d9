"""Recordings too long to be held: the same answer, piece by piece, in bounded memory."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from restore_speech.files import pieces
from speech_standins import RATE, load_prior, save, syllables
from test_speech_recipes import run

from restore.files.problem import Settings
from restore.files.restoring import restore_file

PEAK = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from restore_speech.files import pieces
from restore.files.problem import Settings
from restore.files.restoring import restore_file
from speech_standins import load_prior
pieces.PIECE, pieces.MOST, pieces.READ = 10, 2**15, 2**16
for where in map(Path, sys.argv[2:]):
    restore_file(where, where.parent / "out", Settings.of("enhance", {}), load_prior=load_prior)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.fixture
def short_pieces(monkeypatch):
    """Pieces of four seconds."""
    monkeypatch.setattr(pieces, "PIECE", 4)
    monkeypatch.setattr(pieces, "OVERLAP", 2)
    monkeypatch.setattr(pieces, "MOST", 2**15)


@pytest.mark.parametrize(("rate", "channels"), [(RATE, 2), (22_050, 1)])
def test_pieces_are_as_the_whole(tmp_path, monkeypatch, rate, channels):
    signal = syllables(6.3, rate, channels) + 0.05
    whole, _ = run(tmp_path, "enhance", signal, rate)
    monkeypatch.setattr(pieces, "PIECE", 4)
    monkeypatch.setattr(pieces, "OVERLAP", 2)
    monkeypatch.setattr(pieces, "MOST", 2**15)
    joined, facts = run(tmp_path, "enhance", signal, rate)
    assert facts["facts"]["pieces"] == 3 and facts["calls"] == 3
    assert joined.shape == whole.shape == signal.shape
    assert torch.allclose(joined, whole, atol=1e-4)  # the ends of soxr's filters
    assert not list((tmp_path / "out").glob("*.npy"))


@pytest.mark.filterwarnings("ignore:.*clip level")
@pytest.mark.parametrize("recipe", ["declip", "audio-inpaint", "bandwidth"])
def test_all_recipes_take_long_recordings(tmp_path, short_pieces, recipe):
    signal = syllables(5.5).clamp(-0.15, 0.15)
    for second in (1, 2, 5):
        signal[:, second * RATE : second * RATE + 300] = 0
    options = {"cutoff": 4000.0} if recipe == "bandwidth" else {}
    restored, facts = run(tmp_path, recipe, signal, options=options, steps=2)
    assert restored.shape == signal.shape and facts["facts"]["pieces"] == 2
    stays = {"declip": signal.abs() < 0.15, "audio-inpaint": signal != 0}.get(recipe)
    if stays is not None:
        assert torch.equal(restored[stays], signal[stays])
        assert not torch.equal(restored, signal)


def test_samples_and_their_spread_are_joined(tmp_path, short_pieces):
    run(tmp_path, "enhance", syllables(4.5), chains=2, samples=True)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {
        "restored.wav", "std.wav", "sample-1.wav", "sample-2.wav", "report.json", "report.html"
    }  # fmt: skip


def test_what_is_wrong_in_a_long_recording_is_said_before_the_long_part(tmp_path, short_pieces):
    signal = syllables(4.5)
    signal[0, -5] = float("nan")
    with pytest.raises(ValueError, match=r"in\.wav holds values that are not finite"):
        run(tmp_path, "enhance", signal)
    path = save(tmp_path / "cut.flac", syllables(4.5))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(ValueError, match=r"cut\.flac"):
        restore_file(path, tmp_path / "new", Settings.of("enhance", {}), load_prior=load_prior)
    assert not (tmp_path / "new").exists()


def test_memory_does_not_grow_with_length(tmp_path):
    files = [save(tmp_path / f"{seconds}.wav", syllables(seconds)) for seconds in (12, 80)]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(Path(__file__).parent), *map(str, files)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    short, long = map(int, done.stdout.split())
    assert long < short + 20  # MB; 80 s are 5 MB, and a dozen copies of them were held
