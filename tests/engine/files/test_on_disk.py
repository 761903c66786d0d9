"""Arrays on disk hold what was put into them, also after their memory was given back."""

import numpy as np
import pytest
import torch

from restore.files.answers import on_disk


@pytest.fixture(params=[0, 1 << 25], ids=["on disk", "in memory"])
def held(request, monkeypatch):
    monkeypatch.setattr(on_disk, "HELD", request.param)


def test_frames_are_what_they_were_when_they_are_asked_for_again(held):
    frames = np.random.default_rng(0).random((5, 40, 30)).astype(np.float32)
    array = on_disk.filled(iter(frames), frames.shape, np.float32)
    assert np.array_equal(array, frames)
    array[3] = 7  # and what is written later stays, too
    on_disk.let_go()
    assert (array[3] == 7).all() and np.array_equal(array[4], frames[4])


def test_parts_are_all_values_in_their_order(held, monkeypatch):
    monkeypatch.setattr(on_disk, "PART", 7)
    values = np.arange(60.0).reshape(3, 4, 5)
    signal = torch.from_numpy(on_disk.filled(values, values.shape, np.float64))
    assert torch.cat(list(on_disk.parts(signal))).tolist() == list(range(60))


def test_a_disk_that_is_too_small_is_an_error_before_anything_is_written():
    with pytest.raises(OSError):
        on_disk.on_disk((1 << 50,), np.uint8)
