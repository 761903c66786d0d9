"""DXchange, as TomoPy and synchrotrons write it (De Carlo et al., J. Synchrotron Rad. 2014).

exchange/data, data_white, data_dark: (view, row, column); exchange/theta in degrees.
"""

import h5py
import numpy as np
import torch
from restore_dicom.files.bounded import loaded

from restore.files.task import Record

from .. import physics
from ..scan import LENGTHS, scan, unit_of_angles

SEVERAL = 5  # views, of which an arc of less than 7 degrees is none that anybody takes
PIXEL_SIZE = (
    "measurement/instrument/detector/pixel_size_x",
    "measurement/instrument/detector/actual_pixel_size_x",
)


def is_dxchange(file: h5py.File) -> bool:
    return "exchange" in file and "data" in file["exchange"]


def read_dxchange(file: h5py.File) -> Record:
    """Line integrals (row, view, column) with weights, corrected for flat and dark fields.

    The gain of the detector, and with it the weights, is found from how the flat fields vary;
    with fewer than two of them there are no weights. The axis of rotation is not in such files:
    centre is None. ValueError where flat fields or angles are missing.
    """
    exchange = file["exchange"]
    data = _frames(exchange, "data")
    white, dark, said = _fields(exchange, data)
    found = physics.corrected(data, white, dark)
    pitch, length = _pitch(file)
    if found.gain is None:
        said.append("the flat fields do not tell the gain: the noise of the rays is not known")
    else:
        said.append(
            f"counted {found.gain:.4g} units of the file a photon, by the flat fields' variance"
        )
    dead = int((~found.live).sum())
    if dead:
        said.append(f"{dead} dead pixels of the detector are left out")
    return scan(
        _sinogram(found.line_integrals),
        None,
        angles=_angles(exchange, len(data)),
        pitch=pitch,
        length=length,
        counts0=None if found.counts0 is None else found.counts0[:, None],
        weights=None if found.weights is None else _sinogram(found.weights),
        electronic=found.electronic,
        live=found.live[:, None],
        gain=found.gain,
        format="dxchange",
        converted=said,
    )


def _frames(exchange: h5py.Group, name: str) -> torch.Tensor:
    values = loaded(exchange[name])
    if values.dtype.kind not in "fiu" or values.ndim != 3:
        raise ValueError(
            f"exchange/{name} must be numbers (view, row, column), got {values.ndim} axes"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"exchange/{name} holds values that are not finite (NaN or infinity)")
    return torch.from_numpy(values.astype(np.float32))


def _fields(
    exchange: h5py.Group, data: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, list[str]]:
    said = ["line integrals are -log((data - dark) / (white - dark)), axes (row, view, column)"]
    if "data_white" not in exchange:
        raise ValueError("exchange/data_white, the flat fields, are missing")
    white = _frames(exchange, "data_white")
    if not len(white):
        raise ValueError("exchange/data_white holds no frame")
    if "data_dark" in exchange and len(exchange["data_dark"]):
        return white, _frames(exchange, "data_dark"), said
    said.append("there are no dark fields: dark is 0")
    return white, torch.zeros(1, *data.shape[1:]), said


def _angles(exchange: h5py.Group, views: int) -> np.ndarray:
    if "theta" not in exchange:
        raise ValueError("exchange/theta, the angles, is missing; it cannot be guessed")
    theta = exchange["theta"]
    unit = theta.attrs.get("units", "degrees")  # the format's own
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    angles = np.asarray(loaded(theta), np.float64)
    if angles.shape != (views,):
        raise ValueError(f"exchange/theta holds {angles.size} angles for {views} projections")
    arc = float(np.ptp(angles))
    if "units" not in theta.attrs and views >= SEVERAL and arc < 2 * np.pi + 0.01:
        raise ValueError(
            f"exchange/theta names no unit and spans {arc:.4g}: degrees by the format, but it "
            "looks like radians. Say which: "
            "h5py.File(name, 'r+')['exchange/theta'].attrs['units'] = 'radians'"
        )
    return angles * unit_of_angles(unit.strip())


def _pitch(file: h5py.File) -> tuple[float, str]:
    """The detector's, where the file tells it with a unit; otherwise lengths are in bins."""
    for place in PIXEL_SIZE:
        if place in file:
            unit = file[place].attrs.get("units", "")
            unit = unit.decode() if isinstance(unit, bytes) else str(unit)
            unit = {"micron": "um", "microns": "um", "µm": "um"}.get(unit.strip(), unit.strip())
            if unit in LENGTHS:
                return float(np.ravel(file[place][()])[0]), unit
    return 1.0, "bin"


def _sinogram(frames: torch.Tensor) -> torch.Tensor:
    """(view, row, column) -> (row, view, column)."""
    return frames.transpose(0, 1).contiguous()
