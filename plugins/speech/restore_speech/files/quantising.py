"""Floats become whole numbers: full scale, dither, clipping."""

import numpy as np

BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
DITHERED = 16  # bits and fewer; below 16 the error of rounding is heard as noise of its own
FLOATS = {"FLOAT", "DOUBLE"}


class Quantiser:
    """Values of full scale 1 as what libsndfile writes unchanged, one piece after the other.

    A value that lies on the grid of the depth stays as it is, silence too; all others get
    triangular dither of +- one step (TPDF: Lipshitz et al., JAES 1992), from a fixed seed.
    """

    def __init__(self, subtype: str, seed: int = 0):
        self.subtype, self.clipped = subtype, 0
        self.generator = np.random.default_rng(seed)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(samples, channels) of floats -> int16, int32 or float32."""
        if self.subtype in FLOATS:
            return np.ascontiguousarray(values, np.float32)
        bits = BITS.get(self.subtype)
        if bits is None:  # a codec with floats inside
            self.clipped += int((np.abs(values) > 1).sum())
            return np.ascontiguousarray(values.clip(-1, 1), np.float32)
        whole = self._whole(values.astype(np.float64) * 2.0 ** (bits - 1), bits)
        container = 16 if bits <= 16 else 32
        return (whole << (container - bits)).astype(f"int{container}")

    def _whole(self, steps: np.ndarray, bits: int) -> np.ndarray:
        rounded = np.rint(steps)
        if bits <= DITHERED:
            draws = self.generator.random((2, *steps.shape))
            rounded = np.where(rounded == steps, steps, np.rint(steps + draws[0] - draws[1]))
        top = 2 ** (bits - 1)
        self.clipped += int(((steps > top) | (steps < -top)).sum())
        return rounded.clip(-top, top - 1).astype(np.int64)
