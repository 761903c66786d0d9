"""restore demo, in small: every act is played, by commands that can be repeated."""

import json
import re
import shlex

import pytest
import torch
from restore_image import demo, priors

from restore.cli import main
from restore.priors.coloured import Coloured
from restore.priors.prior import COLOURED, NOISE_MAPS, Prior, isotropic

TOLD = (NOISE_MAPS, COLOURED)


@pytest.fixture
def small(monkeypatch):
    """Little pictures, few steps, and a white Gaussian prior in place of the embedded ones."""

    def denoise(x, sigma):
        if isinstance(sigma, Coloured):
            kept = 0.09 / (0.09 + sigma.std**2)
            return 0.5 + sigma.to_signal(kept * sigma.from_signal(x - 0.5))
        sigma = torch.as_tensor(sigma, dtype=x.dtype)
        sigma = sigma if sigma.ndim == x.ndim else sigma.reshape(-1, 1, 1, 1)
        return 0.5 + (x - 0.5) * 0.09 / (0.09 + sigma**2)

    def load(name):
        channels, told = {"grey": (1, ()), "grey_map": (1, TOLD), "colour": (3, ())}[name]
        known = {"mean": 0.5, "variance": isotropic(0.3), "offers": frozenset(told)}
        return Prior(denoise, (channels, None, None), sigma_max=5.0, **known)

    monkeypatch.setattr(priors, "_load", load)
    for name, value in {"SIZE": 24, "CHAINS": 2, "STEPS": 12}.items():
        monkeypatch.setattr(demo, name, value)


def test_the_demo_leaves_a_contact_sheet_of_reports(small, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["demo", "-o", str(out)], standalone_mode=False) == 0
    links = re.findall(r'href="([^"]+)"', (out / "index.html").read_text())
    assert len(links) == len(demo.ACTS) == 4
    for link in links:
        assert (out / link).exists()
        facts = json.loads((out / link).with_name("report.json").read_text())
        assert facts["metrics"]["mean"]["psnr"] > 10
    commands = [line for line in capsys.readouterr().err.splitlines() if line.startswith("$ ")]
    assert len(commands) == 8

    # what was shown does the same again
    before = facts["metrics"]
    again = [*shlex.split(commands[-1])[2:], "--overwrite", "--quiet"]
    assert main(again, standalone_mode=False) == 0
    assert json.loads((out / links[-1]).with_name("report.json").read_text())["metrics"] == before


def test_the_demo_can_be_played_again_in_its_folder_only_on_demand(small, tmp_path, capsys):
    assert demo.run(tmp_path / "out", quiet=True) == 0
    assert "$" not in capsys.readouterr().err
    with pytest.raises(FileExistsError, match="holds files already"):
        main(["demo", "-o", str(tmp_path / "out")], standalone_mode=False)
    assert main(["demo", "-o", str(tmp_path / "out"), "--overwrite"], standalone_mode=False) == 0
