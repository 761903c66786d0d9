"""MetaImage of every element type, byte order and packing comes back, at its place."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from dicom_samples import ct_series
from restore_dicom.files.dicom.series import read_series
from restore_dicom.files.mha import TYPES, read_mha, write_mha
from restore_dicom.geometry import Geometry

from restore.files.task import Record

AXES = np.array([[0.8, 0.6, 0.0], [0.0, 0.0, -1.0], [-0.6, 0.8, 0.0]])  # row i: of axis i, LPS
HEAD = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": " ".join(map(str, AXES.ravel())),
    "Offset": "10 20 30",
    "CenterOfRotation": "0 0 0",
    "AnatomicalOrientation": "RAI",
    "ElementSpacing": "0.5 0.75 2.5",
    "DimSize": "4 3 2",
    "ElementType": "MET_SHORT",
}
VALUES = np.arange(24).reshape(2, 3, 4) * 3  # (z, y, x)


def made(path, data=None, values=VALUES, *, name="LOCAL", **changes):
    """A file of those fields; a field of None is left out."""
    fields = {**HEAD, **changes}
    kind = TYPES.get(fields["ElementType"], "i2")
    order = ">" if fields.get("BinaryDataByteOrderMSB") == "True" else "<"
    if data is None:
        data = values.astype(np.dtype(kind).newbyteorder(order)).tobytes()
        data = zlib.compress(data) if fields["CompressedData"] == "True" else data
    lines = [f"{key} = {value}" for key, value in fields.items() if value is not None]
    head = "\n".join([*lines, f"ElementDataFile = {name}", ""]).encode()
    path.write_bytes(head + (data if name == "LOCAL" else b""))
    if name not in ("LOCAL", "LIST"):
        (path.parent / name).write_bytes(data)
    return path


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("msb", ["True", "False"])
@pytest.mark.parametrize("packed", ["True", "False"])
def test_every_type_order_and_packing_is_read_and_comes_back(tmp_path, kind, msb, packed):
    path = made(tmp_path / "a.mha", ElementType=kind, BinaryDataByteOrderMSB=msb,
                CompressedData=packed, Modality="MET_MOD_CT")  # fmt: skip
    record = read_mha(path)
    np.testing.assert_array_equal(record.signal[0], VALUES)
    write_mha(record, tmp_path / "b.mha")
    again = read_mha(tmp_path / "b.mha")
    assert torch.equal(again.signal, record.signal)
    changed = {"ElementType": "MET_FLOAT", "ElementDataFile": "LOCAL"}
    expected = {**record.meta["mha"], **changed}
    found = {k: v for k, v in again.meta["mha"].items() if k != "CompressedDataSize"}
    assert found == expected


def test_axes_spacing_and_offset_turn_from_lps_to_ras(tmp_path):
    geometry = read_mha(made(tmp_path / "a.mha")).meta["geometry"]
    assert geometry.spacing == pytest.approx((2.5, 0.75, 0.5))
    np.testing.assert_allclose(geometry.lps @ [0, 0, 0, 1], [10, 20, 30, 1])
    for axis, spacing in enumerate((0.5, 0.75, 2.5)):
        step = geometry.lps[:3, axis]
        np.testing.assert_allclose(step, spacing * AXES[axis], atol=1e-12)
    np.testing.assert_allclose(geometry.affine[:2, 3], [-10, -20])


@pytest.mark.parametrize(("packed", "suffix"), [("True", ".zraw"), ("False", ".raw")])
def test_mhd_has_its_elements_beside_it(tmp_path, packed, suffix):
    record = read_mha(made(tmp_path / "a.mhd", name=f"a{suffix}", CompressedData=packed))
    np.testing.assert_array_equal(record.signal[0], VALUES)
    write_mha(record, tmp_path / "b.mhd")
    assert (tmp_path / f"b{suffix}").exists()
    assert torch.equal(read_mha(tmp_path / "b.mhd").signal, record.signal)
    write_mha(record, tmp_path / "c.mha")
    assert torch.equal(read_mha(tmp_path / "c.mha").signal, record.signal)


def test_a_long_of_eight_bytes_is_known_by_the_length_of_the_data(tmp_path):
    path = made(tmp_path / "a.mha", VALUES.astype("<i8").tobytes(), ElementType="MET_LONG")
    np.testing.assert_array_equal(read_mha(path).signal[0], VALUES)


def test_text_elements_are_read(tmp_path):
    text = " ".join(map(str, VALUES.ravel())).encode()
    record = read_mha(made(tmp_path / "a.mha", text, BinaryData="False"))
    np.testing.assert_array_equal(record.signal[0], VALUES)


@pytest.mark.parametrize("size", ["7", "-1"])
def test_a_header_before_the_elements_is_passed_over(tmp_path, size):
    data = bytes(7) + VALUES.astype("<i2").tobytes()
    record = read_mha(made(tmp_path / "a.mhd", data, name="a.raw", HeaderSize=size))
    np.testing.assert_array_equal(record.signal[0], VALUES)


@pytest.mark.parametrize(("dims", "size"), [(2, "4 6"), (4, "4 3 2 1")])
def test_pictures_and_single_volumes_in_time_are_volumes(tmp_path, dims, size):
    words = {
        "TransformMatrix": " ".join(map(str, np.eye(dims).ravel())),
        "Offset": " ".join("1234"[:dims]),
        "ElementSpacing": " ".join("5678"[:dims]),
    }
    record = read_mha(made(tmp_path / "a.mha", NDims=str(dims), DimSize=size, **words))
    assert record.signal.shape == ((1, 1, 6, 4) if dims == 2 else (1, 2, 3, 4))
    write_mha(record, tmp_path / "b.mha")
    again = read_mha(tmp_path / "b.mha")
    assert torch.equal(again.signal, record.signal) and again.meta["mha"]["DimSize"] == size
    assert again.meta["geometry"].close_to(record.meta["geometry"])


def test_any_volume_with_a_geometry_is_written_where_it_lies(tmp_path):
    ct_series(tmp_path / "scan", (4, 5, 6))
    scan = read_series(tmp_path / "scan")
    write_mha(scan, tmp_path / "scan.mha")
    again = read_mha(tmp_path / "scan.mha")
    assert torch.equal(again.signal, scan.signal)
    assert again.meta["geometry"].close_to(scan.meta["geometry"], 1e-9)


def test_a_changed_geometry_is_written_in_place_of_the_old(tmp_path):
    record = read_mha(made(tmp_path / "a.mha"))
    geometry = record.meta["geometry"].resampled(z=2)
    finer = replace(
        record.with_signal(record.signal.repeat_interleave(2, 1)),
        kind="std",
        meta={**record.meta, "geometry": geometry},
    )
    write_mha(finer, tmp_path / "b.mha")
    again = read_mha(tmp_path / "b.mha")
    assert torch.equal(again.signal, finer.signal)
    assert again.meta["geometry"].close_to(geometry, 1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": b"12"}, "it is cut off: 2 of 48 bytes"),
        (
            {"data": zlib.compress(VALUES.astype("<i2"))[:-4], "CompressedData": "True"},
            "it is cut off: its compressed bytes do not end",
        ),
        ({"data": b"nonsense", "CompressedData": "True"}, "its compressed bytes are broken"),
        ({"data": b"1 2 3", "BinaryData": "False"}, "it is cut off: 3 of 24 numbers"),
        ({"ElementNumberOfChannels": "3"}, "it has 3 channels, not one"),
        ({"ElementType": "MET_STRING"}, "its ElementType is MET_STRING"),
        ({"ElementType": None}, "its header misses ElementType"),
        ({"DimSize": None}, "its header misses DimSize"),
        ({"DimSize": "4 3"}, "its DimSize is 4 3, NDims 3"),
        ({"DimSize": "4 0 2"}, "its DimSize is 4 0 2"),
        ({"DimSize": "4 3 1 2", "NDims": "4"}, "it is 4x3x1x2, not one volume"),
        ({"TransformMatrix": "1 0 0"}, "its TransformMatrix has 3 numbers, not 9"),
        ({"ElementSpacing": "1 0 1"}, "its ElementSpacing is 1 0 1"),
        ({"ElementSpacing": "1 -1 1"}, "its ElementSpacing is 1 -1 1"),
        ({"ElementSpacing": "1 nan 1"}, "its ElementSpacing is 1 nan 1"),
        ({"ElementSpacing": "1 1e-20 1"}, "voxels of .* mm are impossible"),
        ({"ElementSpacing": "a b c"}, "could not convert"),
        ({"name": "../x.raw"}, "outside of its own folder"),
        ({"name": "/etc/passwd"}, "outside of its own folder"),
        ({"name": "..\\\\x.raw"}, "outside of its own folder"),
        ({"name": "LIST"}, "its elements are in a list of files"),
    ],
)
def test_what_is_no_volume_is_refused_in_one_line(tmp_path, changes, words):
    path = made(tmp_path / "a.mha", **{"ElementType": "MET_SHORT", **changes})
    with pytest.raises(ValueError, match=words) as caught:
        read_mha(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_missing_elements_and_foreign_files_are_refused(tmp_path):
    path = made(tmp_path / "a.mhd", name="a.raw")
    (tmp_path / "a.raw").unlink()
    with pytest.raises(ValueError, match=r"its elements are in a\.raw, which is not there"):
        read_mha(path)
    for content in (b"", b"\x89PNG\r\n", bytes(100_000), b"ObjectType = Image\n"):
        (tmp_path / "b.mha").write_bytes(content)
        with pytest.raises(ValueError, match="it is no MetaImage"):
            read_mha(tmp_path / "b.mha")


def test_a_volume_without_a_place_is_no_metaimage(tmp_path):
    with pytest.raises(ValueError, match="no geometry"):
        write_mha(Record(torch.zeros(1, 2, 3, 4), "volume"), tmp_path / "a.mha")
    write_mha(
        Record(torch.zeros(1, 2, 3, 4), "volume", meta={"geometry": Geometry(np.eye(4))}),
        tmp_path / "a.mha",
    )
    assert read_mha(tmp_path / "a.mha").meta["geometry"].close_to(Geometry(np.eye(4)))


def test_the_shared_head_comes_back(shared_data, tmp_path):
    record = read_mha(shared_data / "ct" / "cil_head.mha")
    assert record.signal.shape == (1, 93, 64, 64)
    write_mha(record, tmp_path / "b.mha")
    again = read_mha(tmp_path / "b.mha")
    assert torch.equal(again.signal, record.signal)
    assert np.array_equal(again.meta["geometry"].affine, record.meta["geometry"].affine)
