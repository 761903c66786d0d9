"""Untrained priors of tissue and haze: enough to go through all the doors."""

import pytest
import torch

from restore.networks.folder import save_prior
from restore.networks.unets.unet import UNet


@pytest.fixture(scope="session")
def untrained(tmp_path_factory):
    """The folders of two priors, tissue's and haze's."""
    folders = []
    for seed, name in enumerate(("us-tissue", "us-haze")):
        folder = tmp_path_factory.mktemp(name)
        torch.manual_seed(seed)
        save_prior(
            folder, UNet(1, widths=(4, 8), blocks=1), mean=0.25, sigma_data=0.2,
            sigma_min=0.01, sigma_max=2.0, errors={0.01: 1e-4, 2.0: 0.04}, card={"name": name},
        )  # fmt: skip
        folders.append(str(folder))
    return folders
