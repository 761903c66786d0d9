"""y = A(x) + noise: signals, operators, noise, and the likelihood p(y | x) of what was measured.

What a measurement is made by is imported when it is first asked for.
"""

from importlib import import_module
from typing import Any

__all__ = ["FLOOR", "Measurement", "simulate", "stack"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.measurement"), name)
