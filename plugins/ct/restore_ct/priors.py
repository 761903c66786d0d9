"""The embedded prior: slices of attenuation, in units of that of water."""

from pathlib import Path

from restore.priors.prior import Prior

WEIGHTS = Path(__file__).parent / "weights"


def slices() -> Prior:
    """One channel, any size: air 0, water 1, bone about 2.

    A demonstration prior, not for diagnosis. WeightsError where the weights are missing or not as
    made.
    """
    from restore.networks.folder import load_prior_folder
    from restore.priors.combined.tiled import tiled

    return tiled(load_prior_folder(WEIGHTS / "slices"))
