"""The embedded priors of speech at 16 kHz, of root mean square 0.05: p(x) and p(x | recording)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from restore.priors.prior import Prior

WEIGHTS = Path(__file__).parent / "weights"
FOOTPRINT = 400.0  # bytes per sample that one call with gradient keeps, measured


def speech() -> Prior:
    """p(x) of clean speech, (1, samples), any length.

    WeightsError where the weights are missing or not as made.
    """
    from restore.priors.combined.tiled import tiled

    from .conditional import OVERLAP, TILE

    return tiled(load_folder(WEIGHTS / "speech"), TILE, OVERLAP)


def enhancer() -> Prior:
    """p(x | a noisy recording of it): restore_speech.conditional.told says which recording.

    WeightsError where the weights are missing or not as made.
    """
    return load_folder(WEIGHTS / "enhancer")


def load_folder(folder: Path) -> Prior:
    """The prior that `python -m restore_speech.training` left in a folder.

    WeightsError where it is not whole.
    """
    from restore.networks.prior_schema import CONFIG
    from restore.networks.prior_schema import WEIGHTS as VALUES
    from restore.networks.weights import load_network
    from restore.priors.prior import as_measured
    from restore.untrusted.strict_json import read_json

    from .conditional import TOLD
    from .networks.spectral_unet import SpectralUNet

    described: Mapping[str, Any] = read_json(folder / CONFIG)
    network = load_network(
        folder / VALUES, lambda: SpectralUNet(**described["network"]), described["sha256"]
    )
    errors = {float(sigma): error for sigma, error in described["errors"].items()}
    return Prior(
        network,
        (1, None),
        sigma_min=described["sigma_min"],
        sigma_max=described["sigma_max"],
        variance=as_measured(errors),
        card={**described["card"], "sha256": described["sha256"]},
        network=network,
        footprint=FOOTPRINT,
        offers=frozenset({TOLD}) if network.conditional else frozenset(),
    )
