"""Video of a screen, AVI, MP4, MOV or MKV, read by OpenCV; written as FFV1, which loses nothing.

OpenCV's wheel is Apache-2.0 and decodes by an FFmpeg under the LGPL; those of PyAV and
imageio-ffmpeg hold x264, which is under the GPL.
"""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from restore.errors import UnavailableError
from restore.files.answers.on_disk import filled
from restore.files.naming import naming
from restore.files.task import Record
from restore.untrusted.bounds import refuse_bomb

from .colours import RGB, Raster
from .frames import bmode, refuse_source, stored_frames

LOSSLESS = "FFV1"
RATE = 25.0  # frames a second where a file tells none


def read_video(path: str | Path) -> Record:
    """Frames as displayed, (1, frames, rows, columns), 0 to 1, as the codec's decoder gives them.

    meta: `raster`, `seconds`, and `rate`, frames a second. ValueError for what does not decode, is
    cut off, or holds another number of frames than it tells; UnavailableError without OpenCV.
    """
    path, cv2 = Path(path), _opencv()
    with naming(path):
        video = _opened(cv2, path)
        told = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        rate = video.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate < 1e4 else RATE
        found = 0
        while video.grab():
            found += 1
        ok, first = _opened(cv2, path).read()
        if not ok:
            raise ValueError("it is no video that decodes, or is cut off before its first frame")
        if told > 0 and found != told:
            raise ValueError(f"it tells of {told} frames and holds {found}")
        refuse_bomb(found * first.shape[0] * first.shape[1], path.stat().st_size)
        stored = filled(_frames(cv2, path), (found, *first.shape), np.uint8)
        seconds = [k / rate for k in range(found)]
        return bmode(Raster(stored, RGB), path, format="video", seconds=seconds, rate=rate)


def write_video(record: Record, path: str | Path) -> None:
    """FFV1 in AVI or Matroska, of the source's rate; what did not change, bit for bit as decoded.

    ValueError where the record is not from a video.
    """
    path, cv2 = Path(path), _opencv()
    refuse_source(record, path)
    frames, rate = stored_frames(record, path), record.meta.get("rate")
    if rate is None:
        raise ValueError(f"{path}: the record is not from a video")
    rows, columns = record.signal.shape[-2:]
    with naming(path), TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / f"made{path.suffix}"
        codec = cv2.VideoWriter.fourcc(*LOSSLESS)
        writer = cv2.VideoWriter(str(made), cv2.CAP_FFMPEG, codec, rate, (columns, rows), True)
        if not writer.isOpened():
            raise ValueError(f"OpenCV here cannot write {LOSSLESS}")
        for frame in frames:
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
        writer.release()
        made.replace(path)


def _opencv() -> Any:
    if find_spec("cv2") is None:
        raise UnavailableError("video needs OpenCV: pip install 'restore-ultrasound[video]'")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong is said once, by us
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    import cv2

    return cv2


def _opened(cv2: Any, path: Path) -> Any:
    return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)


def _frames(cv2: Any, path: Path) -> Iterator[np.ndarray]:
    video = _opened(cv2, path)
    while (decoded := video.read())[0]:
        yield decoded[1][..., ::-1]
