"""Stored pixels and the brightness in them: grey, RGB, YBR and palettes, without loss.

Only brightness is ever changed, and only that of grey pixels: a coloured one (flow, a caliper) has
another meaning than an echo. What is not changed keeps its stored numbers, bit for bit.
"""

from dataclasses import dataclass

import numpy as np

GREY, RGB, YBR, PALETTE = "grey", "rgb", "ybr", "palette"
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
NEUTRAL = 10 / 255  # of the range: JPEG gives grey pixels so much colour


@dataclass(frozen=True)
class Raster:
    """Frames as they are stored, and how their numbers mean brightness."""

    stored: np.ndarray  # (frames, rows, columns), of RGB and YBR (frames, rows, columns, samples)
    space: str = GREY
    top: int = 255  # the number of white, of each sample
    palette: np.ndarray | None = None  # (entries, 3), 0 to 1: the colours of stored numbers
    inverted: bool = False  # 0 is white: MONOCHROME1
    first: int = 0  # the stored number of the palette's first entry

    def brightness(self, frames: slice = slice(None)) -> np.ndarray:
        """(frames, rows, columns) float32, 0 to 1; of coloured pixels their luma."""
        stored = self.stored[frames]
        if self.space == PALETTE:
            return (self.palette @ LUMA).astype(np.float32)[self._entries(stored)]
        values = stored.astype(np.float32) / self.top
        if self.space == RGB:
            return values[..., :3] @ LUMA
        values = values[..., 0] if self.space == YBR else values
        return 1 - values if self.inverted else values

    def neutral(self, frames: slice = slice(None)) -> np.ndarray:
        """(frames, rows, columns): True where a pixel is grey."""
        stored = self.stored[frames]
        if self.space == PALETTE:
            return self._neutral_entries()[self._entries(stored)]
        if self.space == GREY:
            return np.ones(stored.shape, bool)
        values = stored[..., :3].astype(np.float32) / self.top
        if self.space == YBR:
            return (np.abs(values[..., 1:] - (self.top + 1) / 2 / self.top) <= NEUTRAL).all(-1)
        return values.max(-1) - values.min(-1) <= NEUTRAL

    def frame_at(self, k: int, wanted: np.ndarray) -> np.ndarray:
        """Stored frame k at another brightness, (rows, columns), 0 to 1, where it is grey.

        Brightness is rounded to the stored numbers; where that is no change nothing is. Of RGB all
        samples move by as much, of YBR only Y does, of a palette the nearest grey entry is taken.
        """
        here, made = slice(k, k + 1), self.stored[k].copy()
        moved = np.rint((wanted - self.brightness(here)[0]) * self.top).astype(np.int64)
        where = (moved != 0) & self.neutral(here)[0]
        if self.space == PALETTE:
            made[where] = self._nearest(wanted[where], made.dtype)
            return made
        moved = np.where(where, -moved if self.inverted else moved, 0)
        channels = {GREY: ..., RGB: np.s_[..., :3], YBR: np.s_[..., 0]}[self.space]
        part = made[channels].astype(np.int64)
        move = moved[..., None] if part.ndim == 3 else moved
        made[channels] = np.clip(part + move, 0, self.top)
        return made

    def _entries(self, stored: np.ndarray) -> np.ndarray:
        return np.clip(stored.astype(np.int64) - self.first, 0, len(self.palette) - 1)

    def _neutral_entries(self) -> np.ndarray:
        return self.palette.max(1) - self.palette.min(1) <= NEUTRAL

    def shades(self) -> tuple[np.ndarray, np.ndarray]:
        """The grey entries of the palette and their levels, in rising order; ValueError for one."""
        entries = np.flatnonzero(self._neutral_entries())
        levels = self.palette[entries] @ LUMA
        order = np.argsort(levels, kind="stable")
        if len(order) < 2 or levels.max() == levels.min():
            raise ValueError("its palette has no two shades of grey: no brightness can be changed")
        return entries[order], levels[order]

    def _nearest(self, wanted: np.ndarray, dtype: np.dtype) -> np.ndarray:
        entries, levels = self.shades()
        above = np.clip(np.searchsorted(levels, wanted), 1, len(levels) - 1)
        lower = wanted - levels[above - 1] < levels[above] - wanted
        return (entries[above - lower.astype(int)] + self.first).astype(dtype)
