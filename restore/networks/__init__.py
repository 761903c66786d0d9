"""A network becomes a denoiser D(x, sigma), converted once, at the border; and how it is trained.

The conversions are imported when they are first asked for.
"""

from importlib import import_module
from typing import Any

_ROOMS = {
    "unets.folded_unet": ("FoldedUNet",),
    "parameterisations": (
        "from_blind",
        "from_edm",
        "from_edm_map",
        "from_eps",
        "from_flow",
        "from_v",
        "from_x0",
    ),
    "unets.unet": ("UNet", "begin_from"),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_ROOM_OF)


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
