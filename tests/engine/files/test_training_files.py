"""restore train: from a folder of files to a prior that restores."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import grid, restore, tiny  # noqa: F401

from restore.files.training import denoising_errors, mean_and_std, read_signals
from restore.networks.training import loop as training
from restore.sampling.by_name import load_prior

pytestmark = pytest.mark.usefixtures("tiny")
SMALL = ("--widths", "4,8", "--patch", "8", "--batch", "4", "--validate-every", "10")


@pytest.fixture
def grids():
    for seed in range(4):
        grid(f"grids/{'deep/' * (seed % 2)}{seed}.grid", 9 + seed, 12, seed)
    return "grids"


def train(*words):
    return restore("train", "denoiser", *words)


def test_a_trained_prior_is_loaded_and_restores(grids):
    result = train(grids, "-o", "p", "--steps", "20", "--validation", grids, "--licence", "CC0",
                   "--data", "four grids", *SMALL)  # fmt: skip
    assert result.exit_code == 0
    assert result.stdout.startswith("p: rms error ")
    assert "4 signals to train on, 4 to validate with" in result.stderr
    assert "step 20/20" in result.stderr and "dB" in result.stderr
    assert sorted(p.name for p in Path("p").iterdir()) == [
        "checkpoint.pt", "curve.csv", "model.safetensors", "prior.json", "training.json",
    ]  # fmt: skip
    card = load_prior("p").card
    assert (card["name"], card["licence"], card["data"]) == ("p", "CC0", "four grids")
    assert card["training"]["steps"] == 20 and card["signals"] == 4
    config = json.loads(Path("p/prior.json").read_text())
    mean, spread = mean_and_std(read_signals(Path("grids")))
    assert config["preconditioning"] == {"kind": "edm", "mean": mean, "sigma_data": spread}
    assert len(Path("p/curve.csv").read_text().splitlines()) == 3
    result = restore("run", "calm", "a.grid", "-o", "out", "--noise", "0.1", "--prior", "./p")
    assert result.exit_code == 0
    report = json.loads(Path("out/a/report.json").read_text())
    assert report["provenance"]["prior"]["sha256"] == config["sha256"]


def test_training_gone_on_with_equals_training_in_one_go(grids, monkeypatch):
    train(grids, "-o", "whole", "--steps", "20", *SMALL)
    update, calls = training._Run.update, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 14:
            raise KeyboardInterrupt
        return update(self, *arguments)

    monkeypatch.setattr(training._Run, "update", interrupted)
    result = train(grids, "-o", "p", "--steps", "20", *SMALL)
    assert result.exit_code == 130 and "run the same command again" in result.stderr
    assert not Path("p/prior.json").exists()
    assert train(grids, "-o", "p", "--steps", "20", *SMALL).exit_code == 0
    digests = [json.loads(Path(p, "prior.json").read_text())["sha256"] for p in ("whole", "p")]
    assert digests[0] == digests[1]


def test_another_network_does_not_go_on_with_the_first(grids):
    train(grids, "-o", "p", "--steps", "3", *SMALL)
    result = train(grids, "-o", "p", "--steps", "3", *SMALL, "--widths", "4,4")
    assert result.exit_code == 1 and "widths [4, 8], not [4, 4]" in result.stderr
    Path("p/checkpoint.pt").unlink()
    result = train(grids, "-o", "p", "--steps", "3", *SMALL)
    assert result.exit_code == 1 and "p holds a prior already" in result.stderr


def test_widths_that_are_none_are_refused(grids):
    result = train(grids, "-o", "p", "--widths", "4,eight")
    assert result.exit_code == 2 and "no list of widths" in result.stderr.replace("not a", "no")


def test_damaged_weights_are_refused_with_status_5(grids):
    train(grids, "-o", "p", "--steps", "3", *SMALL)
    path = Path("p/model.safetensors")
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    words = ("run", "calm", "a.grid", "-o", "out", "--noise", "0.1", "--prior", "./p")
    result = restore(*words)
    assert result.exit_code == 5 and "checksum" in result.stderr
    assert not Path("out").exists()


def test_grey_and_colour_are_made_of_each_other(monkeypatch):
    for name, channels in (("a.grid", 1), ("b.grid", 3)):
        signal = torch.rand(channels, 3, 3, generator=torch.Generator().manual_seed(channels))
        np.save(name, signal.numpy())
        Path(name + ".npy").rename(name)

    def read_grid(path):
        from restore.files.task import Record

        return Record(torch.from_numpy(np.load(path)), "grid", Path(path))

    monkeypatch.setattr("tiny_parts.read_grid", read_grid)
    with pytest.raises(ValueError, match=r"b\.grid has 3 channels, a\.grid has 1"):
        read_signals(Path())
    grey, of_colour = read_signals(Path(), channels="grey")
    assert torch.equal(grey[0], torch.from_numpy(np.load("a.grid"))[0])
    colour = torch.from_numpy(np.load("b.grid"))
    expected = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    assert torch.allclose(of_colour[0], expected)
    of_grey, same = read_signals(Path(), channels="colour")
    assert of_grey.shape == (3, 3, 3) and (of_grey == of_grey[:1]).all()
    assert torch.equal(same, colour)


def test_eight_bits_are_kept_as_eight_bits():
    values = np.arange(12.0).reshape(3, 4) / 255
    np.savetxt("a.grid", values)
    eight, other = read_signals(Path())
    assert eight.dtype == torch.uint8 and other.dtype == torch.float32
    assert torch.equal(eight[0], torch.arange(12, dtype=torch.uint8).reshape(3, 4))
    assert mean_and_std([eight]) == (
        pytest.approx(values.mean(), rel=5e-3), pytest.approx(values.std(), rel=5e-3),
    )  # fmt: skip


def test_the_measured_error_of_an_exact_denoiser_is_its_posterior_variance():
    generator = torch.Generator().manual_seed(5)
    signals = list(torch.randn(8, 1, 64, 64, generator=generator))
    errors = denoising_errors(lambda x, sigma: x / (1 + sigma**2), signals, [0.1, 1.0, 10.0])
    for sigma, error in errors.items():
        # 32768 values: the mean square is known to about 1 %
        assert error == pytest.approx(sigma**2 / (1 + sigma**2), rel=0.05)


def test_signals_of_one_value_are_refused():
    with pytest.raises(ValueError, match="nothing to learn"):
        mean_and_std([torch.ones(1, 4, 4)])
