"""The embedded prior: complex slices as two real channels, real and imaginary part."""

from pathlib import Path

from restore.priors.prior import Prior

WEIGHTS = Path(__file__).parent / "weights"


def slices() -> Prior:
    """Two channels, any size, a 99th percentile of the magnitude near one.

    A demonstration prior, not for diagnosis. WeightsError where the weights are missing or not as
    made.
    """
    from restore.networks.folder import load_prior_folder
    from restore.priors.combined.tiled import tiled

    return tiled(load_prior_folder(WEIGHTS / "slices"))
