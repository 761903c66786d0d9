"""Pictures of a CT volume for the report: its middle slice through the standard windows."""

from torch import Tensor

from restore.files.task import Record

from ..windows import WINDOWS, title


def views(record: Record) -> dict[str, Tensor]:
    """Window -> (1, y, x) from 0 to 1 of the middle slice; the record is in HU.

    A std is shown from 0 to 100 HU instead. Padding, where the record marks it, is black.
    Units other than HU have no windows: ValueError.
    """
    units = record.meta.get("units", "HU")
    if units != "HU":
        raise ValueError(f"the windows are of Hounsfield units, the volume is in {units}")
    middle = record.signal[:, record.signal.shape[1] // 2].float()
    if record.kind == "std":
        return {"std 0..100": (middle / 100).clamp(0, 1)}
    valid = record.meta.get("valid")
    inside = 1.0 if valid is None else valid[:, valid.shape[1] // 2].to(middle)
    return {
        title(name): inside * ((middle - low) / (high - low)).clamp(0, 1)
        for name, (low, high) in WINDOWS.items()
    }
