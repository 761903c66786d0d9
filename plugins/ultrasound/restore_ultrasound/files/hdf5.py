"""HDF5 of ultrasound, told apart by what is in it: zea and USBMD, PICMUS."""

from pathlib import Path

import h5py

from restore.files.naming import naming
from restore.files.task import Record

from . import picmus, zea
from .frames import refuse_source


def read_hdf5(path: str | Path) -> Record:
    """bmode, rf, iq or channels, whatever lies deepest in the chain; see `zea` and `picmus`.

    ValueError for what is no HDF5 or holds no layout known here.
    """
    path = Path(path)
    with naming(path):
        if path.suffix.lower() == ".uff":
            raise ValueError(
                "the layout of USTB (.uff) is not read; write it as zea or PICMUS HDF5"
            )
        try:
            file = h5py.File(path, "r")
        except OSError:
            raise ValueError("it is no HDF5 file, or is cut off") from None
        with file:
            for layout in (picmus, zea):
                if layout.holds(file):
                    return layout.read(file, path)
            names = ", ".join(sorted(file)) or "nothing"
            raise ValueError(f"it holds {names}: neither zea or USBMD (data, scan) nor PICMUS (US)")


def write_hdf5(record: Record, path: str | Path) -> None:
    """A file in zea's layout with what was restored, and the source's scan and probe.

    ValueError where the record's kind is none that it holds.
    """
    path = Path(path)
    refuse_source(record, path)
    with naming(path):
        zea.write(record, path)
