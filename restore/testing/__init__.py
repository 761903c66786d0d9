"""What authors call: the laws of operators and plugins as assertions, and posteriors known exactly.

The assertions are imported when they are first asked for.
"""

from importlib import import_module
from typing import Any

_ROOMS = {
    "laws": (
        "assert_adjoint",
        "assert_linear",
        "assert_normal",
        "assert_solve_normal",
        "assert_tikhonov",
        "assert_vjp",
        "randn",
    ),
    "plugin_contract": ("check_plugin",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = sorted(_ROOM_OF)


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
