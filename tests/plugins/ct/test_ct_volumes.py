"""Volumes in files are restored slice by slice: the same bytes, whoever does which slice."""

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from restore import Prior
from restore.files.by_extension import read
from restore.files.merit.figures import metrics_of
from restore.files.problem import Settings
from restore.files.restoring import do_parts, restore_file
from restore.files.runs.claims import Claims
from restore.files.runs.sharing import Sharing

AFFINE = np.diag([1.0, 1.0, 2.0, 1.0])
SETTINGS = Settings.of("ct-denoise", noise=20.0, chains=3, steps=3, samples=True, device="cpu",
                       precision="float32")  # fmt: skip


def prior(*_, **__) -> Prior:
    """Water with 50 HU, each value for itself, in units of water's attenuation."""

    def denoise(x, sigma):
        s2 = torch.as_tensor(sigma) ** 2
        s2 = s2.reshape(-1, *(1,) * (x.ndim - 1)) if s2.ndim else s2
        return (s2 + 0.05**2 * x) / (s2 + 0.05**2)

    return Prior(denoise, shape=(1, None, None), sigma_min=0.002, sigma_max=10.0, mean=1.0,
                 variance=lambda s: s**2 * 0.05**2 / (s**2 + 0.05**2),
                 card={"name": "water"})  # fmt: skip


def file_of(path: Path, *shape: int) -> Path:
    values = np.random.default_rng(0).normal(0, 50, shape).round()
    values[0] = -1000  # air
    nibabel.save(nibabel.Nifti1Image(values.astype(np.int16), AFFINE), path)
    return path


def results(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.startswith("report")}


@pytest.mark.parametrize("shape", [(12, 10, 5), (12, 10, 3, 2)])
def test_a_volume_is_the_same_whoever_did_which_slice(tmp_path, shape):
    source = file_of(tmp_path / "a.nii", *shape)
    facts = restore_file(source, tmp_path / "alone", SETTINGS, load_prior=prior)
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims/a").touch()
    sharing = [Sharing(Claims(tmp_path / "claims", name), "a", tmp_path / "kept") for name in "xyz"]
    first, second = (do_parts(source, SETTINGS, one, prior) for one in sharing[:2])
    next(first), next(second), next(first)
    shared = restore_file(source, tmp_path / "shared", SETTINGS, load_prior=prior,
                          checkpoint=tmp_path / "kept", sharing=sharing[2])  # fmt: skip
    alone = results(tmp_path / "alone")
    assert alone == results(tmp_path / "shared") and "restored.nii" in alone
    for key in ("chi_square", "chi_square_of_samples", "calls", "seed", "facts"):
        assert facts[key] == shared[key]
    assert nibabel.load(tmp_path / "alone/restored.nii").shape == shape


def test_figures_of_a_volume_are_of_all_its_slices(tmp_path):
    source = file_of(tmp_path / "a.nii", 12, 10, 4)
    truth = file_of(tmp_path / "truth.nii", 12, 10, 4)
    settings = Settings.of("ct-denoise", noise=20.0, chains=3, steps=3, reference=truth)
    facts = restore_file(source, tmp_path / "out", settings, load_prior=prior)
    made, wanted = (read(path).signal for path in (tmp_path / "out/restored.nii", truth))
    report = json.loads((tmp_path / "out/report.json").read_text())
    for name, metric in metrics_of("ct", read(truth)).items():
        figure, told = metric(made, wanted), facts["metrics"]["mean"][name]
        assert told == figure or told == pytest.approx(figure, rel=1e-5)
    mean, std = (np.load(tmp_path / f"out/{name}.npy") for name in ("mean", "std"))
    assert mean.shape == std.shape == (1, 4, 10, 12)
    assert report["chi_square"] == facts["chi_square"] and report["facts"]["slices"] == 4
