"""What files say beside their pixels is true of what is written: sizes, pixel sizes, thumbnails."""

import io
import struct

import numpy as np
import pytest
import tifffile
import torch
from PIL import ExifTags, Image
from restore_image.files import formats
from restore_image.files.beside_pixels import enlarged, iptc_of, without_thumbnail

PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16), dtype=np.uint8)
IPTC = b"\x1c\x02x\x00\x0bhello world"


def threefold(source, target):
    """The picture of a file, three times as large, in another file."""
    record = formats.read(source)
    signal = record.signal.repeat_interleave(3, -1).repeat_interleave(3, -2)
    write = {".tif": formats.write_tiff, ".jpg": formats.write_jpeg}[target.suffix]
    write(enlarged(record, signal, 3), target)
    return target


def test_ome_has_the_sizes_and_the_pixel_size_of_the_larger_picture(tmp_path):
    metadata = {"axes": "YX", "PhysicalSizeX": 0.1, "PhysicalSizeXUnit": "um", "Name": "cell"}
    tifffile.imwrite(tmp_path / "a.ome.tif", PIXELS, ome=True, metadata=metadata)
    with tifffile.TiffFile(threefold(tmp_path / "a.ome.tif", tmp_path / "b.tif")) as file:
        assert file.is_ome and file.series[0].shape == (36, 48)
        pixels = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (pixels["SizeX"], pixels["SizeY"], pixels["Type"]) == (48, 36, "uint8")
    assert pixels["PhysicalSizeX"] == pytest.approx(0.1 / 3)


def test_ome_that_is_no_xml_is_left_out(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, description="<OME no xml", metadata=None)
    with tifffile.TiffFile(threefold(tmp_path / "a.tif", tmp_path / "b.tif")) as file:
        assert 270 not in file.pages[0].tags


def test_imagej_keeps_its_words_and_its_pixel_size(tmp_path):
    resolution = (20.0, 10.0)  # pixels a micrometre
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, imagej=True, resolution=resolution,
                     metadata={"unit": "um", "axes": "YX"})  # fmt: skip
    for target, factor in (("same.tif", 1), ("b.tif", 3)):
        if factor == 1:
            formats.write_tiff(formats.read_tiff(tmp_path / "a.tif"), tmp_path / target)
        else:
            threefold(tmp_path / "a.tif", tmp_path / target)
        with tifffile.TiffFile(tmp_path / target) as file:
            page = file.pages[0]
            assert file.is_imagej and file.imagej_metadata["unit"] == "um"
            assert page.get_resolution() == pytest.approx((20 * factor, 10 * factor))


def test_a_shape_that_no_longer_holds_is_left_out_and_other_words_stay(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, metadata={"axes": "YX"})  # {"shape": [12, 16]}
    with tifffile.TiffFile(threefold(tmp_path / "a.tif", tmp_path / "b.tif")) as file:
        assert file.series[0].shape == (36, 48) and 270 not in file.pages[0].tags
    tifffile.imwrite(tmp_path / "c.tif", PIXELS, description="a cat", metadata=None)
    with tifffile.TiffFile(threefold(tmp_path / "c.tif", tmp_path / "d.tif")) as file:
        assert file.pages[0].description == "a cat"


@pytest.mark.parametrize("point", [False, True], ids=["area", "point"])
def test_a_geotiff_lies_where_it_lay(tmp_path, point):
    keys = (1, 1, 0, 1, 1025, 0, 1, 2 if point else 1)
    scale, tie = (30.0, 20.0, 0.0), (2.0, 1.0, 0.0, 5000.0, 7000.0, 0.0)
    tags = [(33550, "d", 3, scale, True), (33922, "d", 6, tie, True), (34735, "H", 8, keys, True)]
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, extratags=tags)
    threefold(tmp_path / "a.tif", tmp_path / "b.tif")

    def corners(path):
        """Of the first and the last pixel's outer corners on the map."""
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            across, down, _ = page.tags.valueof(33550)
            column, row, _, x, y, _ = page.tags.valueof(33922)
            assert page.tags.valueof(34735) == keys
        shift = 0.5 if point else 0.0
        height, width = page.shape
        return [
            (x + (j - shift - column) * across, y - (i - shift - row) * down)
            for i, j in ((0, 0), (height, width))
        ]

    assert np.allclose(corners(tmp_path / "b.tif"), corners(tmp_path / "a.tif"))


def test_a_geotiff_s_matrix_maps_the_larger_picture_to_the_same_place(tmp_path):
    matrix = (30.0, 2.0, 0, 500.0, 1.0, -20.0, 0, 700.0, 0, 0, 0, 0, 0, 0, 0, 1.0)
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, extratags=[(34264, "d", 16, matrix, True)])
    with tifffile.TiffFile(threefold(tmp_path / "a.tif", tmp_path / "b.tif")) as file:
        found = np.reshape(file.pages[0].tags.valueof(34264), (4, 4))
    place = np.array([16, 12, 0, 1])
    assert np.allclose(found @ (place * [3, 3, 1, 1]), np.reshape(matrix, (4, 4)) @ place)


def with_thumbnail(order):
    """EXIF of a camera: orientation, a size, and a thumbnail behind all."""
    small = io.BytesIO()
    Image.fromarray(PIXELS).save(small, "JPEG")
    small = small.getvalue()
    end = {"<": b"II", ">": b"MM"}[order]
    head = end + struct.pack(f"{order}HI", 42, 8)
    first = struct.pack(f"{order}H", 1) + struct.pack(f"{order}HHIHH", 0x112, 3, 1, 6, 0)
    second_at = len(head) + len(first) + 4
    at = second_at + 2 + 24 + 4
    second = struct.pack(f"{order}H", 2)
    second += struct.pack(f"{order}HHII", 0x201, 4, 1, at)
    second += struct.pack(f"{order}HHII", 0x202, 4, 1, len(small)) + bytes(4)
    return b"Exif\0\0" + head + first + struct.pack(f"{order}I", second_at) + second + small


@pytest.mark.parametrize("order", ["<", ">"])
def test_no_thumbnail_shows_what_was_before(tmp_path, order):
    exif = with_thumbnail(order)
    assert b"\xff\xd8\xff" in exif
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif)
    record = formats.read_jpeg(tmp_path / "a.jpg")
    assert record.meta["orientation"] == 6
    formats.write_jpeg(record, tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        written, known = image.info["exif"], image.getexif()
        assert known[ExifTags.Base.Orientation] == 6 and not known.get_ifd(ExifTags.IFD.IFD1)
    assert b"\xff\xd8\xff" not in written


def test_what_is_no_exif_or_has_no_thumbnail_is_handed_on():
    plain = Image.Exif()
    plain[ExifTags.Base.Artist] = "me"
    for exif in (b"", b"Exif\0\0", b"what is this?", plain.tobytes(), with_thumbnail("<")[:40]):
        assert without_thumbnail(exif) == exif


def test_iptc_stays_with_a_jpeg(tmp_path):
    segment = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x10" + IPTC
    extra = b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", extra=extra)
    formats.write_jpeg(formats.read_jpeg(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert iptc_of(image.info["photoshop"]) == IPTC
    assert iptc_of(None) is iptc_of({}) is None


def test_exif_and_xmp_tell_the_size_of_the_larger_picture(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.XResolution] = 72
    exif[ExifTags.Base.ImageWidth] = 16
    inner = exif.get_ifd(ExifTags.IFD.Exif)
    inner[ExifTags.Base.ExifImageWidth], inner[ExifTags.Base.FocalPlaneXResolution] = 16, 100
    xmp = (b'<x exif:PixelXDimension="16" tiff:ImageLength="12"><exif:PixelYDimension>12'
           b"</exif:PixelYDimension><xmp:Thumbnails>old</xmp:Thumbnails></x>")  # fmt: skip
    Image.fromarray(PIXELS).save(tmp_path / "a.jpg", exif=exif, xmp=xmp)
    threefold(tmp_path / "a.jpg", tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        known = image.getexif()
        inner = known.get_ifd(ExifTags.IFD.Exif)
        assert (known[ExifTags.Base.XResolution], known[ExifTags.Base.ImageWidth]) == (216, 48)
        assert inner[ExifTags.Base.ExifImageWidth] == 48
        assert inner[ExifTags.Base.FocalPlaneXResolution] == 300
        assert image.info["xmp"] == (
            b'<x exif:PixelXDimension="48" tiff:ImageLength="36"><exif:PixelYDimension>36'
            b"</exif:PixelYDimension></x>"
        )
    assert torch.isfinite(formats.read(tmp_path / "b.jpg").signal).all()
