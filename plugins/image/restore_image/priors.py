"""The embedded priors, trained by `restore train denoiser` on the BSDS500 photographs."""

from pathlib import Path

from restore.priors.prior import Prior

WEIGHTS = Path(__file__).parent / "weights"


def grey() -> Prior:
    """One channel, any size. WeightsError where the weights are missing or not as made."""
    return _load("grey")


def grey_map() -> Prior:
    """One channel, any size, told the noise of every pixel and band: what `exact-score` asks for.

    WeightsError where the weights are missing or not as made.
    """
    return _load("grey_map")


def colour() -> Prior:
    """Three channels, red, green and blue, any size.

    WeightsError where the weights are missing or not as made.
    """
    return _load("colour")


def colour_map() -> Prior:
    """Three channels, told the noise of every pixel and band: brightness and colours by grey_map.

    WeightsError where the weights are missing or not as made.
    """
    from restore.priors.combined.opponent import opponent

    return opponent(grey_map())


def _load(name: str) -> Prior:
    from restore.networks.folder import load_prior_folder
    from restore.priors.combined.tiled import tiled

    return tiled(load_prior_folder(WEIGHTS / name))
