"""HDF5's data sets and gzip's bytes, no more of them than a file of its size can honestly hold."""

import io
import zlib
from typing import Any

import numpy as np

from restore.untrusted.bounds import refuse_bomb

LEFT = 1 << 16  # bytes that may follow those that are declared


def loaded(dataset: Any) -> np.ndarray:
    """All of an h5py.Dataset. ValueError where it declares more than its bytes on file can hold."""
    refuse_bomb(dataset.size or 0, dataset.id.get_storage_size(), f"its {dataset.name}")
    return np.asarray(dataset[()])


def inflated(packed: bytes, most: int, window: int = zlib.MAX_WBITS) -> bytes:
    """What zlib packed; at most `most` bytes and a few more that nobody asked for.

    window: 31 for gzip. ValueError for what is broken, cut off, or goes on after that.
    """
    stream, out = zlib.decompressobj(window), io.BytesIO()
    most += LEFT
    try:
        while packed and out.tell() <= most:
            out.write(stream.decompress(packed, most + 1 - out.tell()))
            packed = stream.unconsumed_tail
            if stream.eof:  # gzip may hold several one after the other
                packed = stream.unused_data if window > zlib.MAX_WBITS else b""
                if packed[:2] != b"\x1f\x8b":
                    break
                stream = zlib.decompressobj(window)
    except zlib.error as error:
        raise ValueError(f"its compressed bytes are broken ({error})") from None
    if out.tell() > most:
        raise ValueError(f"it unpacks to more than the {most - LEFT} bytes that it declares")
    if not stream.eof:
        raise ValueError("it is cut off: its compressed bytes do not end")
    return out.getvalue()


def beginning(packed: bytes, count: int, window: int = zlib.MAX_WBITS) -> bytes:
    """The first bytes of what zlib packed. ValueError for what is broken."""
    try:
        return zlib.decompressobj(window).decompress(packed, count)
    except zlib.error as error:
        raise ValueError(f"its compressed bytes are broken ({error})") from None
