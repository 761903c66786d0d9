"""Readers of Plus, zea, PICMUS and PNG, and the way back: what is stored stays."""

import numpy as np
import pytest
import torch
from PIL import Image
from restore_ultrasound.files.hdf5 import read_hdf5, write_hdf5
from restore_ultrasound.files.pictures import read_png, write_png
from restore_ultrasound.files.plus import read_mha, write_mha
from ultrasound_samples import bytes_of, picmus, plus, shorts, zea

ORIENTATIONS = {"MF": (0, 0, 0), "MFA": (0, 0, 0), "UF": (0, 0, 1), "FM": (1, 0, 0),
                "NM": (1, 1, 0), "FU": (1, 0, 1), "MN": (0, 1, 0)}  # fmt: skip


@pytest.mark.parametrize("letters", ORIENTATIONS)
def test_depth_runs_down_and_lines_to_the_marked_side(tmp_path, letters):
    transposed, near, unmarked = ORIENTATIONS[letters]
    frames = bytes_of(2, 9, 5)  # (frames, depth, lines) as they should come out
    stored = frames[:, ::-1] if near else frames
    stored = stored[:, :, ::-1] if unmarked else stored
    stored = stored.swapaxes(1, 2) if transposed else stored
    record = read_mha(plus(tmp_path / "a.mha", stored, "BRIGHTNESS", letters))
    torch.testing.assert_close(record.signal[0], torch.from_numpy(frames / 255).float())
    assert record.meta["seconds"] == [0.0, 0.25]


@pytest.mark.parametrize(
    "kind, stored, samples",
    [
        ("RF_REAL", lambda i, q: i, lambda i, q: i),
        ("RF_IQ_LINE", lambda i, q: np.stack([i, q], -1).reshape(2, 5, 18),
         lambda i, q: i + 1j * q),
        ("RF_I_LINE_Q_LINE", lambda i, q: np.stack([i, q], 2).reshape(2, 10, 9),
         lambda i, q: i + 1j * q),
    ],
)  # fmt: skip
def test_both_layouts_of_iq_make_the_same_samples(tmp_path, kind, stored, samples):
    i, q = shorts(2, 5, 9), shorts(2, 5, 9)  # (frames, lines, depth)
    record = read_mha(plus(tmp_path / "a.mha", stored(i, q), kind, "FM"))
    wanted = samples(i.astype(float), q.astype(float)).swapaxes(1, 2) / 32768
    np.testing.assert_array_equal(
        record.signal[0].numpy(), wanted.astype(record.signal.numpy().dtype)
    )
    write_mha(record, tmp_path / "b.mha")
    assert torch.equal(read_mha(tmp_path / "b.mha").signal, record.signal)


@pytest.mark.parametrize("kind", [">i2", "<f4", ">i4"])
def test_rf_keeps_the_type_and_the_order_of_its_bytes(tmp_path, kind):
    stored, big = shorts(2, 5, 9).astype(kind), kind[0] == ">"
    source = plus(tmp_path / "a.mha", stored, "RF_REAL", "FM", BinaryDataByteOrderMSB=big)
    record = read_mha(source)
    wanted = stored.astype(np.float32).swapaxes(1, 2) / 32768
    assert np.array_equal(record.signal[0].numpy(), wanted)
    write_mha(record, tmp_path / "b.mha")
    assert (tmp_path / "b.mha").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", [".mha", ".mhd"])
def test_a_sequence_comes_back_byte_for_byte(tmp_path, packed, ending):
    stored = bytes_of(3, 6, 8)
    source = plus(tmp_path / "a.mha", stored, "BRIGHTNESS", "NM", packed=packed, Kept="yes")
    record = read_mha(source)
    write_mha(record, tmp_path / f"b{ending}")
    again = read_mha(tmp_path / f"b{ending}")
    assert np.array_equal(again.meta["raster"].stored, record.meta["raster"].stored)
    left = ("CompressedDataSize", "ElementDataFile")
    fields = [{k: v for k, v in r.meta["fields"].items() if k not in left} for r in (record, again)]
    assert fields[0] == fields[1]


@pytest.mark.parametrize("newer", [False, True])
@pytest.mark.parametrize("event", [None, "event_0"])
def test_both_layouts_of_zea_are_read(tmp_path, newer, event):
    decibels = -60 * np.random.default_rng(0).random((2, 7, 5)).astype(np.float32)
    decibels[0, 0, :2] = 0, -60
    path = zea(tmp_path / "a.h5", {"image": decibels}, newer=newer, event=event)
    record = read_hdf5(path)
    torch.testing.assert_close(record.signal[0], torch.from_numpy(1 + decibels / 60))
    assert record.meta["scan"]["sound_speed"] == 1540 and "probe_geometry" in record.meta["scan"]
    write_hdf5(record, tmp_path / "b.h5")
    again = read_hdf5(tmp_path / "b.h5")
    torch.testing.assert_close(again.signal, record.signal, rtol=0, atol=1e-6)  # float32
    assert again.meta["scan"].keys() == record.meta["scan"].keys()


def test_beamformed_iq_is_preferred_to_its_image_and_comes_back(tmp_path):
    pairs = np.random.default_rng(1).standard_normal((2, 9, 4, 2)).astype(np.float32)
    products = {"image": np.zeros((2, 9, 4), np.float32), "beamformed_data": pairs}
    record = read_hdf5(zea(tmp_path / "a.h5", products))
    assert record.kind == "iq"
    np.testing.assert_array_equal(record.signal[0].numpy(), pairs[..., 0] + 1j * pairs[..., 1])
    write_hdf5(record, tmp_path / "b.h5")
    assert torch.equal(read_hdf5(tmp_path / "b.h5").signal, record.signal)


@pytest.mark.parametrize("imaginary", [0, 1])
def test_picmus_without_an_imaginary_part_is_radio_frequency(tmp_path, imaginary):
    values = np.random.default_rng(2).standard_normal((3, 4, 11))
    data = values + 1j * imaginary * values[::-1]
    record = read_hdf5(picmus(tmp_path / "a.hdf5", data, [-0.1, 0, 0.1]))
    assert record.kind == "channels" and record.signal.is_complex() == bool(imaginary)
    assert record.meta["scan"]["demodulation_frequency"] == (5.208e6 if imaginary else 0)
    assert record.meta["scan"]["probe_geometry"].shape == (4, 3)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "I;16"])
def test_a_png_keeps_its_mode_and_every_pixel(tmp_path, mode):
    if mode == "I;16":
        image = Image.fromarray(bytes_of(20, 30).astype(np.uint16) * 257)
    elif mode == "P":
        image = Image.fromarray(bytes_of(20, 30), "P")
        image.putpalette([v for n in range(256) for v in (n, n, 255 if n == 3 else n)])
    else:
        image = Image.fromarray(bytes_of(20, 30, 4)).convert(mode)
    image.save(tmp_path / "a.png")
    record = read_png(tmp_path / "a.png")
    write_png(record, tmp_path / "b.png")
    with Image.open(tmp_path / "a.png") as a, Image.open(tmp_path / "b.png") as b:
        assert a.mode == b.mode
        assert np.array_equal(np.asarray(a), np.asarray(b))


def test_brightness_moves_grey_pixels_and_leaves_coloured_ones(tmp_path):
    pixels = np.full((20, 20, 3), 100, np.uint8)
    pixels[3, 4] = 255, 0, 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    record = read_png(tmp_path / "a.png")
    write_png(record.with_signal(record.signal - 30 / 255), tmp_path / "b.png")
    made = np.array(Image.open(tmp_path / "b.png"))
    assert made[3, 4].tolist() == [255, 0, 0]
    made[3, 4] = 70
    assert (made == 70).all()


@pytest.mark.parametrize(
    "write, words",
    [
        (lambda p: p.write_bytes(b"no header"), "no MetaImage"),
        (lambda p: plus(p, shorts(1, 4, 6), "BRIGHTNESS", "MF"), "which BRIGHTNESS is not"),
        (lambda p: plus(p, bytes_of(1, 4, 6), "RF_IQ_LINE", "FM"), "which RF_IQ_LINE is not"),
        (lambda p: plus(p, shorts(1, 4, 7), "RF_IQ_LINE", "FM"), "pairs"),
        (lambda p: plus(p, bytes_of(2, 4, 6), "BRIGHTNESS", "MF", DimSize="6 4 9"), "cut off"),
        (lambda p: plus(p, bytes_of(2, 4, 6), "BRIGHTNESS", "MF", packed=True, DimSize="6 4 9"),
         "cut off"),
        (lambda p: plus(p, bytes_of(2, 4, 6), "BRIGHTNESS", "FF"), "UltrasoundImageOrientation"),
        (lambda p: plus(p, bytes_of(2, 4, 6), "BRIGHTNESS", "MF", DimSize="6 4 0"), "two axes"),
    ],
)  # fmt: skip
def test_a_broken_sequence_gets_one_line_that_names_it(tmp_path, write, words):
    path = tmp_path / "broken.mha"
    write(path)
    with pytest.raises(ValueError, match=r"broken\.mha") as caught:
        read_mha(path)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "write, words",
    [
        (lambda p: p.write_bytes(b"no"), "no HDF5 file"),
        (lambda p: zea(p, {}), "neither zea"),
        (lambda p: zea(p, {"image": np.zeros((0, 4, 4), np.float32)}), "no frames"),
        (lambda p: zea(p, {"envelope_data": -np.ones((1, 4, 4), np.float32)}), "no envelope"),
        (lambda p: zea(p, {"image": np.array([[[-3.0, 2.0]]], np.float32)}), "neither dB nor grey"),
        (lambda p: zea(p, {"image": np.full((1, 2, 2), np.nan, np.float32)}), "not finite"),
        (lambda p: picmus(p, np.zeros((3, 4, 5)), [0, 1]), "2 angles"),
    ],
)
def test_a_broken_hdf5_gets_one_line_that_names_it(tmp_path, write, words):
    path = tmp_path / "broken.h5"
    write(path)
    with pytest.raises(ValueError, match=r"broken\.h5") as caught:
        read_hdf5(path)
    assert words in str(caught.value) and "\n" not in str(caught.value)
