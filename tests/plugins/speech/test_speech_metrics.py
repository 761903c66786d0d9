"""Figures of merit of speech: closed forms, the golden pair, and what is not there."""

import importlib
import math

import numpy as np
import pytest
import torch
from restore_speech import metrics

from restore.errors import UnavailableError


def tone(hertz, samples=8000):
    return torch.sin(2 * torch.pi * hertz * torch.arange(samples) / 16000)[None]


def test_si_sdr_is_the_ratio_of_orthogonal_parts_whatever_the_gain():
    speech, other = tone(1000), tone(2000)  # whole periods: orthogonal, of one power
    assert metrics.si_sdr(speech + 0.1 * other, speech) == pytest.approx(20, abs=1e-3)
    assert metrics.si_sdr(7 * (speech + 0.1 * other), speech) == pytest.approx(20, abs=1e-3)
    assert metrics.si_sdr(speech + 0, speech) > 140  # rounding of float32
    assert metrics.si_sdr(speech, 0 * speech) is None


def test_si_sir_and_si_sar_tell_noise_from_artefacts():
    speech, noise, artefact = tone(1000), 0.5 * tone(2000), tone(3000)
    estimate = speech + 0.2 * noise + 0.01 * artefact
    assert metrics.si_sir(estimate, speech, noise) == pytest.approx(20, abs=1e-3)
    assert metrics.si_sar(estimate, speech, noise) == pytest.approx(40, abs=1e-2)


def test_lsd_of_a_gain_is_that_gain_and_of_the_same_is_zero():
    noise = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    assert metrics.lsd(noise, noise) == 0
    assert metrics.lsd(2 * noise, noise) == pytest.approx(20 * math.log10(2), abs=1e-4)


def test_channels_are_averaged():
    speech, other = tone(1000), tone(2000)
    both = torch.cat([speech + 0.1 * other, speech + other])
    assert metrics.si_sdr(both, torch.cat([speech, speech])) == pytest.approx(10, abs=1e-3)


def test_unequal_sizes_are_refused():
    with pytest.raises(ValueError, match="compare like sizes"):
        metrics.si_sdr(tone(10), tone(10, 100))


def test_a_missing_package_is_one_clear_line(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(metrics, "import_module", absent)
    with pytest.raises(UnavailableError, match=r"pesq is not installed: pip install"):
        metrics.pesq(tone(10), tone(10))


def test_what_pesq_and_estoi_cannot_hear_is_undefined():
    for name in ("pesq", "pystoi"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    assert metrics.pesq(tone(1000, 1000), tone(1000, 1000)) is None
    assert metrics.estoi(tone(1000, 2000), tone(1000, 2000)) is None


def test_the_golden_pair(shared_data):
    soundfile = pytest.importorskip("soundfile")
    package = pytest.importorskip("pesq")
    pytest.importorskip("pystoi")
    folder = shared_data / "speech" / "pairs" / "pesq_babble0dB"
    if not folder.is_dir():
        pytest.skip("the pair is not among the shared data")
    (speech, rate), (noisy, _) = (
        soundfile.read(folder / name) for name in ("speech.wav", "speech_bab_0dB.wav")
    )
    estimate, reference = (torch.from_numpy(np.atleast_2d(v)) for v in (noisy, speech))
    # the numbers of the package's own authors, to the last digit
    assert metrics.pesq(estimate, reference, rate=rate) == 1.0832337141036987
    assert package.pesq(rate, speech, noisy, "nb") == 1.6072081327438354
    assert metrics.estoi(estimate, reference, rate=rate) == pytest.approx(0.39045, abs=5e-6)
    assert metrics.si_sdr(estimate, reference) == pytest.approx(0.1396, abs=5e-5)
