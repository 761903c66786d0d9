"""What ct-denoise makes of values: those of no body stay as they are, and maps are no slices."""

import pytest
import torch
from restore_ct.recipes.denoise import solve_denoise

from restore.files.task import Record


def slice_of(signal, **meta):
    return Record(signal, "volume", None, {"units": "HU", "modality": "CT", **meta})


def presented(task):
    return task.present(torch.full(task.measurement.operator.in_shape, 1.01)).signal


@pytest.mark.parametrize("noise", [20.0, 300.0])
def test_padding_that_nobody_declared_passes_through(noise):
    generator = torch.Generator().manual_seed(0)
    signal = 40 + noise * torch.randn(1, 1, 32, 32, generator=generator)
    signal[..., :4] = -2000
    task = solve_denoise(slice_of(signal), noise)
    assert (presented(task)[..., :4] == -2000).all()
    assert presented(task)[..., 4:] == pytest.approx(torch.full((1, 1, 32, 28), 10.0), abs=1e-3)
    assert task.measurement.y[..., :4].abs().max() == 0  # seen as air
    assert task.facts["voxels passed through"].startswith("128,")


def test_noise_in_air_is_restored_however_low_it_reaches():
    generator = torch.Generator().manual_seed(0)
    signal = -1000 + 100 * torch.randn(1, 2, 64, 64, generator=generator)
    task = solve_denoise(slice_of(signal), 100.0)
    assert (presented(task) == presented(task)[0, 0, 0, 0]).all()
    assert "voxels passed through" not in task.facts


def test_metal_passes_through_and_is_seen_as_the_brightest_bone():
    signal = torch.zeros(1, 1, 16, 16)
    signal[..., 3, 5] = 20000
    task = solve_denoise(slice_of(signal), 20.0)
    assert presented(task)[..., 3, 5] == 20000
    assert task.measurement.y.max() == pytest.approx(4.071)


@pytest.mark.parametrize("content", ["a map of a quantity", "a localizer, a projection"])
def test_what_is_no_slice_of_attenuation_is_told(content):
    with pytest.raises(ValueError, match=content):
        solve_denoise(slice_of(torch.zeros(1, 1, 8, 8), content=content), 20.0)
