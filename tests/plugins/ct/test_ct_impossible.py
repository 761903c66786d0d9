"""Physical constants of files are held against what is possible; NaN passes no comparison."""

import numpy as np
import pytest
import torch
from restore_ct.files.numpy_arrays import read_npy
from restore_ct.operators import projector
from restore_ct.scan import scan

GOOD = "angles: {start: 0, stop: 180, count: 4, unit: degrees}\nbeam: parallel\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mu_water: .nan", "mu_water must be finite"),
        ("mu_water: 1e9", "mu_water is impossible"),
        ("mu_water: -0.02", "mu_water is impossible"),
        ("pitch: 1e-300", "pitch is impossible"),
        ("pixel: 1e-9", "pixel is impossible"),
        ("offset: 1e30", "offset is impossible"),
        ("counts0: 1e38", "counts0 is impossible"),
        ("counts0: .nan", "counts0 must be finite"),
        ("weights: [[[1, 1, 1, 1e30]]]", "weights are inverse variances"),
        ("weights: [[[1, 1, 1, .nan]]]", "weights are inverse variances"),
        ("live: [[[1, 1, 1, .nan]]]", "live holds values that are not finite"),
        ("angles: {start: 0, stop: 180, count: 4000000000, unit: degrees}", "count of the angles"),
        ("offset: &a [1, 1]\nshape: *a", "aliases are not read"),
    ],
)
def test_an_impossible_constant_is_told_by_name(tmp_path, line, said):
    np.save(tmp_path / "a.npy", np.ones((4, 4)))
    lines = GOOD if not line.startswith("angles") else ""
    lines += "" if line.startswith("pitch") else "pitch: 1\n"
    (tmp_path / "a.yaml").write_text(lines + line + "\n")
    with pytest.raises(ValueError, match=said) as caught:
        read_npy(tmp_path / "a.npy")
    assert str(tmp_path / "a.npy") in str(caught.value)


@pytest.mark.parametrize("length", ["mm", "um", "m"])
def test_a_length_is_held_in_its_own_unit(length):
    pitch = {"mm": 1.0, "um": 5.0, "m": 1e-3}[length]
    made = scan(torch.ones(1, 4, 4), None, angles=range(4), pitch=pitch, length=length, format="t")
    assert made.meta["pitch"] == pytest.approx({"mm": 1, "um": 5e-3, "m": 1}[length])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"pixel": 1e-5}, "the pixel is impossible"),
        ({"pixel": float("nan")}, "pixel must be finite"),
        ({"pixel": 0.0}, "pixel must be positive"),
        ({"shape": (1_000_000, 4)}, "more than 4 bins can tell"),
    ],
)
def test_a_picture_that_no_bins_can_see_is_refused(asked, said):
    record = scan(torch.ones(1, 4, 4), None, angles=range(4), format="t")
    with pytest.raises(ValueError, match=said):
        projector(record, **asked)
