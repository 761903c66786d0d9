"""What a file says of its size is held against a bound before memory is taken for it."""

import math
import os

VARIABLE = "RESTORE_MAX_PIXELS"  # values that any file may declare, in place of MOST
MOST = 1 << 26  # values
PACKED = 200  # values for each byte on file: noise packs no denser, and pictures hold noise
SPARSE, FEW = 64, 1 << 20  # times the values measured; values that are always allowed


def refuse_bomb(values: int, stored: int, what: str = "it") -> None:
    """ValueError where a file declares more values than RESTORE_MAX_PIXELS and its bytes can hold.

    values: as many as are declared; stored: the bytes on file that they are made of.
    """
    most = _most()
    if values > most and (values > PACKED * stored or VARIABLE in os.environ):
        raise ValueError(
            f"{what} declares {values} values in {stored} bytes; of what is packed so densely at "
            f"most {most} are read. {VARIABLE}={values} lifts the bound"
        )


def refuse_sparse(values: int, measured: int, what: str) -> None:
    """ValueError where a grid is so large that next to nothing of it was measured.

    values: of the grid that is declared; measured: those of them that the file holds.
    """
    if values > max(SPARSE * measured, FEW):
        raise ValueError(
            f"{what} has {values} values, of which the file holds {measured}: its sizes are wrong"
        )


def _most() -> int:
    text = os.environ.get(VARIABLE)
    try:
        most = MOST if text is None else float(text)
    except ValueError:
        most = math.nan
    if not most >= 1:
        raise ValueError(f"{VARIABLE} is a number of values, such as 1e9, got '{text}'")
    return int(min(most, 1 << 62))
