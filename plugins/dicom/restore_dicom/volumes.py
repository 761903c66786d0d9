"""Any file or folder of a medical volume, read and written by what it is called."""

from pathlib import Path

from restore.files.task import Record

from .files.derived.writing import write_dicom, write_series
from .files.dicom.reading import read_dicom
from .files.dicom.series import read_series
from .files.mha import read_mha, write_mha
from .files.nifti import read_nifti, write_nifti

READERS = {
    ".dcm": read_dicom,
    ".ima": read_dicom,
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".mha": read_mha,
    ".mhd": read_mha,
}
WRITERS = {
    ".dcm": write_dicom,
    ".ima": write_dicom,
    ".nii": write_nifti,
    ".nii.gz": write_nifti,
    ".mha": write_mha,
    ".mhd": write_mha,
}


def read(path: str | Path) -> Record:
    """A volume (1, z, y, x): a folder is a DICOM series; a file without extension may be DICOM."""
    path = Path(path)
    if path.is_dir():
        return read_series(path)
    ending = _ending(path)
    if ending is None and _marked(path):
        return read_dicom(path)
    if ending is None:
        raise ValueError(f"{path} is no volume that is read here: {', '.join(READERS)}, a folder")
    return READERS[ending](path)


def write(record: Record, path: str | Path) -> None:
    """A volume by the extension of its name; a name without one is a folder, a DICOM series."""
    path = Path(path)
    ending = _ending(path)
    if ending is not None:
        WRITERS[ending](record, path)
    elif path.suffix:
        raise ValueError(
            f"{path} is no volume that is written here: {', '.join(WRITERS)}, a folder"
        )
    else:
        write_series(record, path)


def _ending(path: Path) -> str | None:
    return next((e for e in READERS if path.name.lower().endswith(e)), None)


def _marked(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(128)
        return file.read(4) == b"DICM"
