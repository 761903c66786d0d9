"""MATLAB files of the Helsinki Tomography Challenge and the Finnish Inverse Problems Society.

A struct, CtDataFull or CtDataLimited, with `sinogram`, line integrals (view, bin), and `parameters`
of a flat detector: angles in degrees, distances and pixel sizes in mm (Meaney et al., 2022).
"""

from pathlib import Path
from typing import Any

import numpy as np

from restore.files.naming import naming
from restore.files.task import Record
from restore.measurement.checks import sizes
from restore.untrusted.matlab5 import read_matlab5

from ..scan import FLAT, number, scan

NAMES = ("CtDataFull", "CtDataLimited", "CtData")
PITCH = ("pixelSizePost", "pixelSize")  # after binning, before it


def read_mat(path: str | Path) -> Record:
    """Line integrals (1, view, bin) of a fan beam; MATLAB's format 5 to 7.2.

    ValueError in one line that names the file where the struct or a parameter is missing.
    """
    path = Path(path)
    with naming(path):
        found = read_matlab5(path)
        data = next((found[name] for name in NAMES if name in found), None)
        parameters = data.get("parameters") if isinstance(data, dict) else None
        if not isinstance(parameters, dict) or "sinogram" not in data:
            held = ", ".join(found)
            raise ValueError(
                f"it holds no {' or '.join(NAMES[:2])} with sinogram and parameters, but "
                f"{held or 'nothing'}"
            )
        sinogram, angles = np.asarray(data["sinogram"]), np.ravel(_of(parameters, "angles"))
        if sinogram.ndim != 2:
            raise ValueError(f"the sinogram must be (view, bin), got {sizes(sinogram.shape)}")
        if sinogram.shape[0] != len(angles) and sinogram.shape[1] == len(angles):
            sinogram = sinogram.T
        source = number("distanceSourceOrigin", _of(parameters, "distanceSourceOrigin"))
        detector = number("distanceSourceDetector", _of(parameters, "distanceSourceDetector"))
        return scan(
            sinogram[None],
            path,
            angles=np.deg2rad(angles.astype(np.float64)),
            beam=FLAT,
            pitch=_of(parameters, *PITCH),
            source_radius=source,
            detector_radius=detector - source,
            format="mat",
        )


def _of(parameters: dict[str, Any], *names: str) -> Any:
    """The first of the parameters that is there, an array without its axes of one entry."""
    for name in names:
        if name in parameters:
            return np.squeeze(parameters[name])
    raise ValueError(f"the parameter {names[0]} is missing")
