"""An untrained prior of slices: enough to go through all the doors."""

import pytest
import torch

from restore.networks.folder import save_prior
from restore.networks.unets.unet import UNet


@pytest.fixture(scope="session")
def untrained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prior-ct")
    torch.manual_seed(3)
    save_prior(
        folder, UNet(1, widths=(4, 8), blocks=1), mean=0.5, sigma_data=0.5,
        sigma_min=0.01, sigma_max=2.0, errors={0.01: 1e-4, 2.0: 0.2}, card={"name": "untrained"},
    )  # fmt: skip
    return str(folder)
