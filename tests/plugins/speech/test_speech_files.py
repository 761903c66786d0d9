"""Recordings come back as they were: values, rate, depth, length, words; or one line."""

import warnings

import numpy as np
import pytest
import soundfile
import torch
from restore_speech.files.quantising import Quantiser
from restore_speech.files.sound import read_sound, write_sound
from speech_standins import RATE, save, syllables

from restore.errors import RestoreWarning
from restore.files.task import Record

LOSSLESS = [
    ("a.wav", "PCM_U8"), ("a.wav", "PCM_16"), ("a.wav", "PCM_24"), ("a.wav", "FLOAT"),
    ("a.w64", "PCM_16"), ("a.rf64", "PCM_24"), ("a.flac", "PCM_16"), ("a.flac", "PCM_24"),
    ("a.aiff", "PCM_16"), ("a.caf", "PCM_24"),
]  # fmt: skip
LOSSY = [("a.ogg", "VORBIS"), ("a.mp3", "MPEG_LAYER_III"), ("a.opus", "OPUS")]
FORMATS = {".w64": "W64", ".rf64": "RF64", ".opus": "OGG"}


def written(path, signal, subtype, rate=RATE):
    """A file of another program's."""
    named = FORMATS.get(path.suffix)
    return save(path, signal, rate, subtype, **({"format": named} if named else {}))


@pytest.mark.parametrize(("name", "subtype"), LOSSLESS)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_not_changed_comes_back_to_the_last_bit(tmp_path, name, subtype, channels):
    path = written(tmp_path / name, syllables(0.1, channels=channels), subtype)
    record = read_sound(path)
    write_sound(record, tmp_path / f"again-{name}")
    before, after = (soundfile.SoundFile(p) for p in (path, tmp_path / f"again-{name}"))
    assert (after.samplerate, after.channels, after.subtype) == (RATE, channels, subtype)
    assert np.array_equal(before.read(), after.read())


@pytest.mark.parametrize(("name", "subtype"), LOSSY)
def test_lossy_files_keep_their_length_and_stay_near(tmp_path, name, subtype):
    signal = syllables(1.0, channels=2)
    record = read_sound(written(tmp_path / name, signal, subtype))
    write_sound(record, tmp_path / f"again-{name}")
    again = read_sound(tmp_path / f"again-{name}")
    assert again.signal.shape == record.signal.shape == signal.shape
    assert again.meta["subtype"] == subtype
    error = (again.signal - record.signal).square().mean() / record.signal.square().mean()
    assert error < 0.02  # 17 dB: what a second pass of a codec in its best quality leaves at most


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_words_are_kept(tmp_path, name):
    with soundfile.SoundFile(tmp_path / name, "w", RATE, 1) as file:
        file.title, file.artist, file.comment = "a title", "somebody", "said twice"
        file.write(syllables(0.1)[0].numpy())
    write_sound(read_sound(tmp_path / name), tmp_path / f"again-{name}")
    tags = soundfile.SoundFile(tmp_path / f"again-{name}").copy_metadata()
    assert (tags["title"], tags["artist"]) == ("a title", "somebody")


def test_rounding_to_sixteen_bits_is_dithered_and_the_error_says_nothing_of_the_signal():
    rng = np.random.default_rng(0)
    values = 0.3 * np.sin(np.arange(200_000) / 50)[:, None] + rng.uniform(-1e-4, 1e-4, (200_000, 1))
    steps = values * 2**15
    error = Quantiser("PCM_16")(values) - steps
    # TPDF: variance 1/12 of rounding and 2/12 of the dither, whatever the signal; 1.5 % is
    # five standard errors
    assert error.var() == pytest.approx(0.25, rel=0.015)
    phase = steps - np.floor(steps)
    assert abs(np.corrcoef(error[:, 0], phase[:, 0])[0, 1]) < 5 / len(error) ** 0.5
    assert abs(np.corrcoef(np.abs(error[:, 0]), phase[:, 0])[0, 1]) < 5 / len(error) ** 0.5


def test_silence_and_values_of_the_grid_get_no_dither():
    values = np.array([[0.0], [3 / 2**15], [-1.0], [0.0]])
    assert Quantiser("PCM_16")(values)[:, 0].tolist() == [0, 3, -(2**15), 0]


def test_what_is_beyond_full_scale_is_clipped_counted_and_said(tmp_path):
    signal = torch.tensor([[1.5, -2.0, 0.5, 1.0] * 100])
    record = Record(signal, "speech", None, {"rate": RATE, "subtype": "PCM_24"})
    with pytest.warns(RestoreWarning, match=r"a\.wav: 200 samples beyond full scale, clipped"):
        write_sound(record, tmp_path / "a.wav")
    assert read_sound(tmp_path / "a.wav").signal[0, :2].tolist() == [1 - 2**-23, -1.0]
    floats = Record(signal, "speech", None, {"rate": RATE, "subtype": "FLOAT"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_sound(floats, tmp_path / "b.wav")
    assert torch.equal(read_sound(tmp_path / "b.wav").signal, signal)


def test_chunks_that_are_not_copied_are_named(tmp_path):
    path = save(tmp_path / "a.wav", syllables(0.1))
    with open(path, "ab") as file:
        file.write(b"cue " + (4).to_bytes(4, "little") + bytes(4))
    with pytest.warns(RestoreWarning, match="without cue, which cannot be copied"):
        write_sound(read_sound(path), tmp_path / "again.wav")


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff", "a.w64", "a.rf64"])
def test_a_file_that_is_cut_off_is_refused_in_one_line_that_names_it(tmp_path, name):
    subtype = None if name[2:] in ("ogg", "mp3") else "PCM_16"
    path = written(tmp_path / name, syllables(1.0, channels=2), subtype)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=name) as refused:
        read_sound(path)
    assert "\n" not in str(refused.value)


def test_a_stream_whose_size_was_not_known_is_read_to_its_end(tmp_path):
    path = save(tmp_path / "a.wav", syllables(0.1))
    data = bytearray(path.read_bytes())
    data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    assert read_sound(path).signal.shape == (1, RATE // 10)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "empty"), (b"hello", "not recognised"), (b"RIFF\0\0\0\0WAVE", "'data' chunk")],
)
def test_what_is_no_recording_is_refused_in_one_line(tmp_path, content, words):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ValueError, match=f"a.wav.*({words})"):
        read_sound(tmp_path / "a.wav")


@pytest.mark.parametrize("samples", [0, 1, 100])
def test_a_recording_shorter_than_a_frame_is_refused(tmp_path, samples):
    save(tmp_path / "a.wav", torch.zeros(1, samples))
    with pytest.raises(ValueError, match=f"a.wav.*{samples} sample"):
        read_sound(tmp_path / "a.wav")
