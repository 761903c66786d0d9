"""Acquisitions of an ISMRMRD file: readouts with their headers, and which are of the image.

Inati et al., ISMRM Raw data format, MRM 2017, doi:10.1002/mrm.26089. Flags are numbers of bits,
from 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import h5py
import numpy as np

NOISE, CALIBRATION, REVERSE = 19, 20, 22
# navigators, phase correction, feedback, dummies, surface coil correction, phase stabilisation
OTHER = (23, 24, 26, 27, 28, 29, 30, 31)
FRAME = ("slice", "contrast", "phase", "repetition", "set")
NEEDED = {"flags", "idx", "number_of_samples", "active_channels", "center_sample"}


@dataclass(frozen=True)
class Readout:
    """One acquisition, turned the way it should run and without what is to be discarded."""

    samples: np.ndarray  # (coil, sample) complex64
    places: np.ndarray  # (sample, trajectory axes) float32
    center: int  # the sample at zero frequency
    steps: tuple[int, int]  # numbers of the first and second phase encoding
    frame: tuple[int, ...]  # FRAME


class Acquisitions:
    """All readouts of the data set `data`; ValueError where it is not that of an ISMRMRD file."""

    def __init__(self, data: h5py.Dataset):
        names = set(data.dtype.names or ())
        if not {"head", "data"} <= names or not set(data.dtype["head"].names or ()) >= NEEDED:
            raise ValueError("its data are no acquisitions of ISMRMRD: head, traj and data")
        if not len(data):
            raise ValueError("it holds no acquisitions")
        self._rows = data[()]
        self.heads = self._rows["head"]
        spaces = "encoding_space_ref" in self.heads.dtype.names
        first = self.heads["encoding_space_ref"] == 0 if spaces else np.ones(len(data), bool)
        skipped = np.any([self._flag(flag) for flag in (NOISE, *OTHER)], axis=0) | ~first
        self.noise = np.flatnonzero(self._flag(NOISE))
        self.calibration = np.flatnonzero(self._flag(CALIBRATION) & ~skipped)
        self.image = np.flatnonzero(~skipped & ~self._flag(CALIBRATION))
        self.skipped = int(skipped.sum()) - len(self.noise)
        if not len(self.image):
            raise ValueError("it holds no acquisitions of an image")

    def readouts(self, indices: np.ndarray) -> Iterator[Readout]:
        for index in indices:
            yield self._readout(int(index))

    def whitener(self, bandwidth: float) -> np.ndarray | None:
        """(coil, coil) that makes the noise white with std 1 in real and imaginary parts.

        From the noise scan; None without one. The scan's dwell time and its receiver's relative
        bandwidth scale its variance to that of the image's readouts (Kellman & McVeigh, 2005).
        """
        if not len(self.noise):
            return None
        scan = np.concatenate([r.samples for r in self.readouts(self.noise)], axis=1)
        scan = scan.astype(np.complex128)
        coils, count = scan.shape
        if count < 2 * coils:
            raise ValueError(f"its noise scan has {count} samples for {coils} coils: too few")
        covariance = scan @ scan.conj().T / count
        try:
            factor = np.linalg.cholesky(covariance)
        except np.linalg.LinAlgError:
            raise ValueError("the covariance of its noise scan is singular") from None
        dwell, own = (self._dwell(index) for index in (self.noise[0], self.image[0]))
        share = own / dwell if dwell > 0 and own > 0 else 1.0
        return np.linalg.inv(factor) * np.sqrt(2 * share * bandwidth)

    def _dwell(self, index: int) -> float:
        named = "sample_time_us" in self.heads.dtype.names
        return float(self.heads["sample_time_us"][index]) if named else 0.0

    def _flag(self, number: int) -> np.ndarray:
        return (self.heads["flags"].astype(np.uint64) >> np.uint64(number - 1)) & np.uint64(1) != 0

    def _field(self, name: str, index: int) -> int:
        return int(self.heads[name][index]) if name in self.heads.dtype.names else 0

    def _readout(self, index: int) -> Readout:
        head, row = self.heads[index], self._rows[index]
        coils, count = int(head["active_channels"]), int(head["number_of_samples"])
        numbers = np.ascontiguousarray(row["data"], np.float32)
        if coils < 1 or count < 1 or numbers.size != 2 * coils * count:
            raise ValueError(
                f"its acquisition {index} holds {numbers.size} numbers, its header says "
                f"{coils} coils of {count} complex samples"
            )
        samples = numbers.view(np.complex64).reshape(coils, count)
        axes = self._field("trajectory_dimensions", index)
        places = np.asarray(row["traj"], np.float32) if axes else np.zeros(0, np.float32)
        if places.size != axes * count:
            raise ValueError(f"its acquisition {index} has a trajectory of another length")
        first, last = self._field("discard_pre", index), self._field("discard_post", index)
        if first + last >= count:
            raise ValueError(f"its acquisition {index} discards all its samples")
        samples = samples[:, first : count - last]
        places = places.reshape(count, axes)[first : count - last]
        reverse = bool(int(head["flags"]) >> (REVERSE - 1) & 1)
        if reverse:  # center_sample counts along the turned readout, as an even one needs it to
            samples, first = samples[:, ::-1], last
            places = places[::-1]
        steps = tuple(int(head["idx"][f"kspace_encode_step_{i}"]) for i in (1, 2))
        frame = tuple(int(head["idx"][name]) for name in FRAME)
        return Readout(samples, places, int(head["center_sample"]) - first, steps, frame)
