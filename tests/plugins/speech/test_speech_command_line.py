"""Recordings on the command line: a bad file is one line, and the run goes on."""

import json

import pytest
import soundfile
import torch
from click.testing import CliRunner
from speech_standins import RATE, load_prior, save, syllables

from restore.cli import main
from restore.sampling import by_name


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder, and priors known in closed form."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(by_name, "load_prior", load_prior)
    return tmp_path


def restore(*words):
    result = CliRunner().invoke(main, ("run", *words, "--device", "cpu"))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_folder_of_mixed_rates_channels_and_bad_files_is_done_as_far_as_it_goes(folder):
    inside = folder / "in"
    inside.mkdir()
    save(inside / "a.wav", syllables(0.3, 8000), 8000)
    save(inside / "b.flac", syllables(0.3, 44_100, channels=2), 44_100, "PCM_24")
    save(inside / "c.ogg", syllables(0.3, channels=2), RATE, "VORBIS")
    save(inside / "silent.wav", torch.zeros(1, RATE))
    (inside / "empty.wav").write_bytes(b"")
    save(inside / "one.wav", torch.ones(1, 1))
    save(inside / "nan.wav", torch.full((1, RATE), float("nan")), subtype="FLOAT")
    save(inside / "liar.wav", syllables(1.0))
    (inside / "liar.wav").write_bytes((inside / "liar.wav").read_bytes()[:9000])
    (inside / "codec.wav").write_bytes(b"ID3 this is no such thing")
    result = restore("enhance", "in", "-o", "out", "-q", "--json")
    assert result.exit_code == 3, result.stderr
    rows = {row["input"]: row for row in map(json.loads, result.stdout.splitlines())}
    bad = {name for name, row in rows.items() if row.get("error")}
    assert bad == {f"in/{n}.wav" for n in ("empty", "one", "nan", "liar", "codec")}
    for name in bad:  # one line says what is wrong with which
        lines = [line for line in result.stderr.splitlines() if name in line]
        assert len(lines) == 2 and "inputs failed" in lines[1], lines
    for name in ("a.wav", "b.flac", "c.ogg", "silent.wav"):
        stem, ending = name.split(".")
        before = soundfile.info(inside / name)
        after = soundfile.info(folder / "out" / stem / f"restored.{ending}")
        for fact in ("samplerate", "channels", "frames", "subtype", "format"):
            assert getattr(after, fact) == getattr(before, fact)


def test_a_codec_that_no_reader_knows_is_one_line(folder):
    (folder / "a.m4a").write_bytes(b"ftyp")
    result = restore("enhance", "a.m4a", "-o", "out")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no reader takes a.m4a" in result.stderr and not (folder / "out").exists()


def test_a_chain_is_the_default_and_the_sentence_says_so():
    save("a.wav", syllables(0.3))
    result = restore("enhance", "a.wav", "-o", "out")
    assert result.exit_code == 0
    assert "prior speech-enhance, sampler shared-noise, 1 chain, seed 0" in result.stderr
    assert result.stdout.startswith("out/a/restored.wav: the mean, by one network call")


def test_the_clip_level_is_printed():
    save("a.wav", syllables(0.5).clamp(-0.15, 0.15), subtype="FLOAT")
    result = restore("declip", "a.wav", "-o", "out", "--steps", "2")
    assert "a.wav: clip level 0.15 read from the histogram" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--strength", "1.5"), "strength lies between 0 and 1"),
        (("--max-attenuation", "-3"), "max-attenuation is in dB, 0 or more"),
        (("--noise", "0.1"), "leave --noise out"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(folder, words, message):
    save("a.wav", syllables(0.3))
    result = restore("enhance", "a.wav", "-o", "out", *words)
    (line,) = result.stderr.strip().splitlines()
    assert result.exit_code in (1, 2) and message in line and not (folder / "out").exists()


def test_an_input_is_never_touched(folder):
    save("a.wav", syllables(0.3))
    before = (folder / "a.wav").read_bytes()
    assert restore("enhance", "a.wav", "-o", "out", "-q").exit_code == 0
    assert (folder / "a.wav").read_bytes() == before
    assert restore("enhance", "a.wav", "-o", ".", "--overwrite").exit_code == 1
