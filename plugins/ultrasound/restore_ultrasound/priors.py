"""The embedded priors: tissue and haze, as companded envelopes from 0 to 1."""

from pathlib import Path

from restore.priors.prior import Prior

WEIGHTS = Path(__file__).parent / "weights"


def tissue() -> Prior:
    """One channel, any size: what a display of 60 dB shows of tissue.

    A demonstration prior, not for diagnosis. WeightsError where the weights are missing or not as
    made.
    """
    return _embedded("tissue")


def haze() -> Prior:
    """One channel, any size: what a display of 60 dB shows of haze alone, mostly simulated.

    A demonstration prior, not for diagnosis. WeightsError where the weights are missing or not as
    made.
    """
    return _embedded("haze")


def _embedded(name: str) -> Prior:
    from restore.networks.folder import load_prior_folder
    from restore.priors.combined.tiled import tiled

    return tiled(load_prior_folder(WEIGHTS / name))
