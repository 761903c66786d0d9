"""Devices: which there are, and how much memory they have left."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import torch


def free_memory(device: "torch.device") -> float:
    """Bytes that a process may still take on the device; 4 GiB where the system does not say."""
    if device.type == "cuda":
        import torch

        return float(torch.cuda.mem_get_info(device)[0])
    path = Path("/proc/meminfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    return 4 * 2.0**30


def usable(name: str) -> str:
    """The device to compute on, "auto" decided; UsageError for one that is not there."""
    import torch

    if not isinstance(name, (str, torch.device)):
        raise TypeError(f"a device is named by text, such as cpu or cuda:0, got {name!r}")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        raise UsageError(f"no device '{name}' can be used here: {why}") from None
    return name
