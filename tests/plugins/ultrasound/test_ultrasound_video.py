"""Video: what is decoded comes back as it was, and what is no video is told in one line."""

import sys

import numpy as np
import pytest
from click.testing import CliRunner
from restore_ultrasound.files.video import read_video, write_video
from ultrasound_samples import bytes_of

from restore.cli import main
from restore.errors import UnavailableError


@pytest.fixture
def cv2():
    return pytest.importorskip("cv2")


def video(cv2, path, frames, codec="FFV1"):
    """RGB frames, (frames, rows, columns, 3), as a video."""
    rows, columns = frames.shape[1:3]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 12.5, (columns, rows))
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


@pytest.mark.parametrize("ending", [".avi", ".mkv"])
def test_frames_and_their_rate_come_back_bit_for_bit(tmp_path, cv2, ending):
    frames = bytes_of(3, 46, 62, 3)
    record = read_video(video(cv2, tmp_path / "a.avi", frames))
    assert np.array_equal(record.meta["raster"].stored, frames)
    assert record.meta["seconds"] == [0, 0.08, 0.16]
    write_video(record, tmp_path / f"b{ending}")
    again = read_video(tmp_path / f"b{ending}")
    assert np.array_equal(again.meta["raster"].stored, frames) and again.meta["rate"] == 12.5


def test_a_lossy_video_becomes_one_without_further_loss(tmp_path, cv2, untrained):
    grey = np.repeat(np.clip(bytes_of(2, 48, 64, 1) // 2 + 40, 3, 255).astype(np.uint8), 3, -1)
    source = video(cv2, tmp_path / "a.mp4", grey, "mp4v")
    words = ["run", "dehaze", str(source), "-o", str(tmp_path / "out"), "--prior", untrained[0]]
    words += ["--haze", untrained[1], "--chains", "1", "--steps", "2", "--quiet"]
    words += ["--region", "0,0,64,24"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    before = read_video(source).meta["raster"].stored
    after = read_video(tmp_path / "out" / "a" / "restored.avi").meta["raster"].stored
    assert np.array_equal(after[:, 24:], before[:, 24:]) and (after[:, :24] != before[:, :24]).any()


def test_what_is_no_video_gets_one_line_that_names_it(tmp_path, cv2):
    whole = video(cv2, tmp_path / "whole.avi", bytes_of(4, 46, 62, 3)).read_bytes()
    for name, content in (("text.mp4", b"no video"), ("cut.avi", whole[: len(whole) // 2])):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=name) as caught:
            read_video(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_without_opencv_the_package_to_install_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UnavailableError, match=r"pip install 'restore-ultrasound\[video\]'"):
        read_video(tmp_path / "a.avi")
