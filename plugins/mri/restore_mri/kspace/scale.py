"""The scale of a volume: a high percentile of its magnitudes."""

from torch import Tensor

PERCENTILE = 0.99
MOST = 4_000_000  # values of one volume that a quantile is taken of


def quantile(values: Tensor, share: float) -> Tensor:
    """A quantile of all values, or of an even choice of them where there are too many."""
    flat = values.flatten()
    return flat[:: 1 + flat.numel() // MOST].quantile(share)
