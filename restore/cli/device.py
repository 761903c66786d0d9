"""--device: a name becomes a device that is there."""

from ..errors import UsageError


def usable(name: str) -> str:
    """The device to compute on, "auto" decided; UsageError for one that is not there."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).splitlines()[0]
        raise UsageError(f"no device '{name}' can be used here: {why}") from None
    return name
