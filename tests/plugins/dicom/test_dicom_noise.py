"""The noise of a volume is found where it is told to look."""

import pytest
import torch
from restore_dicom.noise import noise_std


def test_white_noise_is_found_inside_and_not_outside():
    generator = torch.Generator().manual_seed(0)
    volume = torch.zeros(1, 3, 65, 80)
    inside = torch.zeros(1, 3, 65, 80, dtype=torch.bool)
    inside[:, :, 10:50, 20:70] = True
    ramp = torch.linspace(0, 50, 80)  # has no diagonal detail
    noise = 3 * torch.randn(volume.shape, generator=generator)
    volume = torch.where(inside, ramp + noise, volume)
    # the median of 1500 blocks: a standard error of 3 %
    assert noise_std(volume, inside) == pytest.approx(3, rel=0.12)
    with pytest.raises(ValueError, match="from 24 blocks"):
        noise_std(volume[..., :4, :8], torch.ones(1, dtype=torch.bool))
