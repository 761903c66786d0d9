"""The windows that radiologists look through: a range of Hounsfield units shown as black to white.

Soft tissue W 400 L 40, lung W 1500 L -600, bone W 1800 L 400.
"""

WINDOWS = {"soft tissue": (-160.0, 240.0), "lung": (-1350.0, 150.0), "bone": (-500.0, 1300.0)}


def title(name: str) -> str:
    """ "soft tissue" -> "soft tissue -160..240"."""
    low, high = WINDOWS[name]
    return f"{name} {low:g}..{high:g}"
