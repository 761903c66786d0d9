"""PICMUS: plane waves as US/US_DATASET0000/{data/real, data/imag, angles, probe_geometry, ...}.

Liebgott et al., IUS 2016. Data are (transmits, elements, samples); where the imaginary part is zero
everywhere they are radio frequency.
"""

from pathlib import Path

import h5py
import numpy as np
from restore_dicom.files.bounded import loaded

from restore.files.task import Record

from .frames import CHANNELS, signal_of

GROUP = "US/US_DATASET0000"
CARRIER = 5.208e6  # Hz of the probe of the challenge; the experiments' own file gives 0
NEEDED = ("angles", "sampling_frequency", "sound_speed", "probe_geometry", "initial_time")


def holds(file: h5py.File) -> bool:
    return GROUP in file


def read(file: h5py.File, path: Path) -> Record:
    """channels: (transmits, elements, samples), complex of IQ, and the scan in zea's names.

    scan: polar_angles (transmits,) rad, probe_geometry (elements, 3) m, initial_times (transmits,)
    s, sampling_frequency, demodulation_frequency (0 of radio frequency) and center_frequency in Hz,
    sound_speed in m/s.
    """
    group = file[GROUP]
    missing = [name for name in ("data/real", *NEEDED) if name not in group]
    if missing:
        raise ValueError(f"its {GROUP} misses {', '.join(missing)}")
    values = loaded(group["data/real"]).astype(np.float32)
    imaginary = loaded(group["data/imag"]) if "data/imag" in group else np.zeros(1)
    values = np.atleast_3d(values) if values.ndim == 3 else values[None]
    is_iq = bool(np.abs(imaginary).max() > 0)
    if is_iq:
        values = values + 1j * imaginary.reshape(values.shape).astype(np.float32)
    number = {name: float(np.ravel(group[name][()])[0]) for name in NEEDED[1:3]}
    carrier = (
        float(np.ravel(group["modulation_frequency"][()])[0])
        if ("modulation_frequency" in group)
        else 0.0
    )
    carrier = carrier or CARRIER
    angles = np.ravel(group["angles"][()]).astype(float)
    if values.ndim != 3 or len(angles) != len(values):
        sizes = "x".join(map(str, values.shape))
        raise ValueError(f"it has {len(angles)} angles, and data of {sizes}")
    geometry = group["probe_geometry"][()].astype(float)
    scan = {
        **number,
        "polar_angles": angles,
        "probe_geometry": geometry.T if geometry.shape[0] == 3 else geometry,
        "initial_times": np.full(len(angles), float(np.ravel(group["initial_time"][()])[0])),
        "center_frequency": carrier,
        "demodulation_frequency": carrier if is_iq else 0.0,
    }
    meta = {"format": "picmus", "scan": scan, "regions": None, "seconds": None}
    kind = np.complex64 if is_iq else np.float32
    return Record(signal_of(values, values.shape, kind)[0], CHANNELS, path, meta)
