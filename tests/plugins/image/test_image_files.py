"""Pictures come back from disk as they were: pixels, depth, alpha, and what was said of them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin
from restore_image.files import formats, png
from restore_image.files.beside_pixels import enlarged
from restore_image.files.pixels import as_it_lay, upright

from restore.files.task import Record

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SIZES = [(1, 1), (7, 13), (13, 7), (300, 5)]
READ = {
    ".png": formats.read_png,
    ".jpg": formats.read_jpeg,
    ".tif": formats.read_tiff,
    ".webp": formats.read_webp,
    ".npy": formats.read_npy,
}
WRITE = {
    ".png": formats.write_png,
    ".jpg": formats.write_jpeg,
    ".tif": formats.write_tiff,
    ".webp": formats.write_webp,
    ".npy": formats.write_npy,
}


def drawn(shape, dtype=np.uint8, seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0.5, 0.5, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def again(path: Path) -> tuple[Record, Record, Path]:
    """A file read, written under another name, and read again."""
    extension = path.suffix
    first = READ[extension](path)
    copy = path.with_name("again" + extension)
    WRITE[extension](first, copy)
    return first, READ[extension](copy), copy


def assert_same(first: Record, second: Record) -> None:
    assert torch.equal(first.signal, second.signal)
    assert set(first.meta) == set(second.meta)
    for name, value in first.meta.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(value, second.meta[name])
            assert value.dtype == second.meta[name].dtype
        elif name != "tiff":
            assert second.meta[name] == value, name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_every_bit(tmp_path, channels, dtype, size):
    pixels = drawn((*size, channels), dtype)
    path = tmp_path / "a.png"
    with open(path, "wb") as file:
        png.write(file, pixels)
    first, second, _ = again(path)
    assert_same(first, second)
    peak = np.iinfo(dtype).max
    colours = 1 if channels < 3 else 3
    signal = np.rint(first.signal.numpy().astype(np.float64) * peak)
    np.testing.assert_array_equal(signal, pixels[..., :colours].transpose(2, 0, 1))
    if channels in (2, 4):
        np.testing.assert_array_equal(first.meta["alpha"], pixels[..., -1])
    assert first.meta["dtype"] == np.dtype(dtype).name
    assert first.signal.dtype == torch.float32


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("extension", [".png", ".tif"])
def test_what_pillow_writes_is_read_as_pillow_sees_it(tmp_path, mode, extension):
    colours = Image.fromarray(drawn((7, 13, 3)))
    if mode == "I;16":
        image = Image.fromarray(drawn((7, 13), np.uint16))
    elif mode in ("LA", "RGBA"):
        image = colours.convert(mode)
        image.putalpha(Image.fromarray(drawn((7, 13), seed=1)))
    else:
        image = colours.convert(mode)
    path = tmp_path / f"a{extension}"
    image.save(path)
    first, second, copy = again(path)
    assert_same(first, second)
    seen = np.asarray(image.convert({"1": "L", "P": "RGB"}.get(mode, mode)))
    peak = 65535 if mode == "I;16" else 255
    signal = np.rint(first.signal.numpy() * peak).transpose(1, 2, 0)
    np.testing.assert_array_equal(signal, np.atleast_3d(seen)[..., : signal.shape[2]])
    if mode != "P" and mode != "1":  # restored values are not among a palette's
        np.testing.assert_array_equal(np.asarray(Image.open(copy)), seen)


@pytest.mark.parametrize(
    ("mode", "clear"), [("P", 3), ("P", bytes(range(256))), ("L", 7), ("RGB", (1, 2, 3)), ("1", 0)]
)
def test_transparency_without_an_alpha_channel_becomes_one(tmp_path, mode, clear):
    pixels = drawn((7, 13, 3))
    pixels[2, 3] = (1, 2, 3) if mode == "RGB" else 7
    image = Image.fromarray(pixels).convert(mode)
    path = tmp_path / "a.png"
    image.save(path, transparency=clear)
    expected = np.asarray(Image.open(path).convert("RGBA"))
    first, second, copy = again(path)
    assert_same(first, second)
    np.testing.assert_array_equal(first.meta["alpha"], expected[..., 3])
    np.testing.assert_array_equal(np.asarray(Image.open(copy).convert("RGBA")), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_clear_colour_of_16_bits_becomes_alpha(tmp_path, channels):
    pixels = drawn((5, 6, channels), np.uint16)
    pixels[..., 1:] >>= 8
    path = tmp_path / "a.png"
    with open(path, "wb") as file:
        png.write(file, pixels)
    content = path.read_bytes()
    clear = struct.pack(f">{channels}H", *pixels[2, 3].tolist())
    chunk = struct.pack(">I", len(clear)) + b"tRNS" + clear
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    path.write_bytes(content[:33] + chunk + content[33:])
    record = formats.read_png(path)
    expected = np.where((pixels == pixels[2, 3]).all(2), 0, 65535)
    np.testing.assert_array_equal(record.meta["alpha"], expected)


@pytest.mark.parametrize("bits", [2, 4])
def test_grey_of_a_few_bits_is_spread_over_the_range(tmp_path, bits):
    top = 2**bits - 1
    values = np.arange(8) % (top + 1)
    packed = sum(int(v) << bits * (7 - i) for i, v in enumerate(values)).to_bytes(bits, "big")
    header = struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"tRNS", struct.pack(">H", 2))]
    parts += [(b"IDAT", zlib.compress(b"\0" + packed)), (b"IEND", b"")]
    path = tmp_path / "a.png"
    path.write_bytes(png.SIGNATURE + b"".join(png._chunk(*part) for part in parts))
    record = formats.read_png(path)
    torch.testing.assert_close(record.signal[0, 0], torch.tensor(values / top).float())
    np.testing.assert_array_equal(record.meta["alpha"][0] == 0, values == 2)


def test_pillow_reads_our_16_bits(tmp_path):
    pixels = drawn((40, 50, 1), np.uint16)
    with open(tmp_path / "a.png", "wb") as file:
        png.write(file, pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), pixels[..., 0])


@pytest.mark.parametrize("compression", [None, "zlib", "tiff_lzw", "packbits"])
@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "F"])
def test_tiff_in_any_common_compression(tmp_path, mode, compression):
    if mode in ("L", "RGB"):
        image = Image.fromarray(drawn((7, 13, 3))).convert(mode)
    else:
        image = Image.fromarray(drawn((7, 13), np.uint16 if mode == "I;16" else np.float32))
    path = tmp_path / "a.tif"
    name = {"zlib": "tiff_adobe_deflate"}.get(compression, compression)
    image.save(path, compression=name)
    first, second, copy = again(path)
    assert_same(first, second)
    np.testing.assert_array_equal(tifffile.imread(copy), np.asarray(image))
    assert first.meta["tiff"] == second.meta["tiff"]


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_tiff_keeps_depth_and_alpha(tmp_path, channels, dtype, planar):
    pixels = drawn((7, 13, channels), dtype)
    if np.dtype(dtype) == np.float64:
        pixels = pixels.astype(np.float32).astype(dtype)  # a signal is float32
    colours = 1 if channels < 3 else 3
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        pixels[..., 0]
        if channels == 1
        else pixels
        if planar == "contig"
        else pixels.transpose(2, 0, 1),
        photometric="rgb" if colours == 3 else "minisblack",
        planarconfig=None if channels == 1 else planar,
        extrasamples=None if channels in (1, 3) else ["unassalpha"],
    )
    first, second, copy = again(path)
    assert_same(first, second)
    np.testing.assert_array_equal(np.atleast_3d(tifffile.imread(copy)), pixels)


def lzw(content: bytes) -> bytes:
    """TIFF's LZW without compressing: 9-bit codes, the table cleared before it would need 10."""
    codes = []
    for start in range(0, len(content), 200):
        codes += [256, *content[start : start + 200]]
    bits = "".join(f"{code:09b}" for code in [*codes, 257])
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_in_a_compression_that_only_libtiff_knows(tmp_path, channels, order):
    pixels = drawn((7, 13, channels), np.uint16)
    path = tmp_path / "a.tif"
    content = lzw(pixels.astype(f"{order}u2").tobytes())
    head = b"II\x2a\0" if order == "<" else b"MM\0\x2a"
    tags = TiffImagePlugin.ImageFileDirectory_v2(head + bytes(4))
    tags[256], tags[257], tags[258], tags[259] = 13, 7, (16,) * channels, 5
    tags[262], tags[277], tags[278] = (2 if channels > 1 else 1), channels, 7
    tags[273], tags[279] = 0, len(content)  # counted from the end of the tags
    if channels == 4:
        tags[338] = 2
    path.write_bytes(head + struct.pack(f"{order}I", 8) + tags.tobytes(8) + content)
    first, second, copy = again(path)
    assert_same(first, second)
    np.testing.assert_array_equal(np.atleast_3d(tifffile.imread(copy)), pixels)


def test_an_interlaced_png(tmp_path):
    """Adam7, by hand for 2x2 pixels of 16-bit colour: passes 1, 6 and 7 hold them."""
    pixels = drawn((2, 2, 3), np.uint16)
    parts = [pixels[:1, :1], pixels[:1, 1:], pixels[1:]]
    content = b"".join(b"\0" + part.astype(">u2").tobytes() for part in parts)
    header = struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(content)), (b"IEND", b"")]
    path = tmp_path / "a.png"
    path.write_bytes(png.SIGNATURE + b"".join(png._chunk(*part) for part in chunks))
    signal = np.rint(formats.read_png(path).signal.numpy() * 65535)
    np.testing.assert_array_equal(signal.transpose(1, 2, 0), pixels)


@pytest.mark.parametrize("size", SIZES)
def test_a_float_measurement_comes_back_exactly(tmp_path, size):
    signal = torch.randn(3, *size)
    formats.write_tiff(Record(signal, "image", None, {"dtype": "float32"}), tmp_path / "y.tif")
    assert torch.equal(formats.read_tiff(tmp_path / "y.tif").signal, signal)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_tiff_that_counts_from_white(tmp_path, dtype, compression):
    pixels = drawn((7, 13), dtype)
    peak = np.iinfo(dtype).max
    path = tmp_path / "a.tif"
    if compression:
        image = Image.fromarray(pixels)
        image.save(path, compression=compression, tiffinfo={262: 0})
    else:
        tifffile.imwrite(path, pixels, photometric="miniswhite")
    stored = pixels
    with tifffile.TiffFile(path) as file:
        assert file.pages[0].photometric == 0
        if not compression:
            stored = file.pages[0].asarray()
    first, second, copy = again(path)
    assert_same(first, second)
    if not compression:
        light = (peak - stored.astype(np.float64)) / peak
        np.testing.assert_allclose(first.signal[0], light, atol=1e-6)
        np.testing.assert_array_equal(tifffile.imread(copy), stored)
    assert tifffile.TiffFile(copy).pages[0].photometric == 0


@pytest.mark.parametrize("extension", [".jpg", ".webp"])
def test_lossy_formats_come_back_close(tmp_path, extension, shape=(32, 41, 3)):
    ramp = np.linspace(0, 255, np.prod(shape)).reshape(shape).astype(np.uint8)
    path = tmp_path / f"a{extension}"
    Image.fromarray(ramp).save(path, quality=95)
    first, second, copy = again(path)
    assert first.meta == second.meta
    assert (first.signal - second.signal).abs().max() < 6 / 255
    if extension == ".jpg":
        assert [part[1:3] for part in Image.open(copy).layer] == [(1, 1)] * 3  # 4:4:4


def test_grey_jpeg_stays_grey(tmp_path):
    Image.fromarray(drawn((9, 8))).save(tmp_path / "a.jpg")
    first, _, copy = again(tmp_path / "a.jpg")
    assert first.signal.shape == (1, 9, 8)
    assert Image.open(copy).mode == "L"


@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_webp_stays_lossless(tmp_path, channels):
    pixels = drawn((9, 8, channels))
    Image.fromarray(pixels).save(tmp_path / "a.webp", lossless=True, exact=True)
    first, second, copy = again(tmp_path / "a.webp")
    assert_same(first, second)
    np.testing.assert_array_equal(np.asarray(Image.open(copy)), pixels)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (3, 5, 7), (1, 5, 7), (5, 7, 4)])
def test_npy_keeps_layout_and_dtype(tmp_path, shape, dtype):
    array = drawn(shape, np.uint8 if dtype is bool else dtype)
    array = array > 100 if dtype is bool else array
    if np.dtype(dtype) == np.float64:
        array = array.astype(np.float32).astype(dtype)
    np.save(tmp_path / "a.npy", array)
    first, second, copy = again(tmp_path / "a.npy")
    assert_same(first, second)
    expected = array * np.uint8(255) if dtype is bool else array
    np.testing.assert_array_equal(np.load(copy), expected)
    assert np.load(copy).dtype == expected.dtype
    assert first.signal.shape[1:] == (5, 7)


def image_with(pixels: np.ndarray, orientation: int) -> Image.Image:
    image = Image.fromarray(pixels)
    image.getexif()[274] = orientation
    return image


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_undone_for_the_work_and_put_back_in_the_file(tmp_path, orientation):
    pixels = drawn((5, 8))
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[274] = orientation
    exif[271] = "a maker"
    path = tmp_path / "a.png"
    image.save(path, exif=exif)
    shown = np.asarray(ImageOps.exif_transpose(image_with(pixels, orientation)))
    first, second, copy = again(path)
    assert_same(first, second)
    np.testing.assert_array_equal(np.rint(first.signal[0].numpy() * 255), shown)
    with Image.open(copy) as written:
        assert written.getexif()[274] == orientation
        np.testing.assert_array_equal(np.asarray(written), pixels)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_tiff(tmp_path, orientation, dtype, compression):
    pixels = drawn((5, 8), dtype)
    path = tmp_path / "a.tif"
    Image.fromarray(pixels).save(path, tiffinfo={274: orientation}, compression=compression)
    shown = np.asarray(ImageOps.exif_transpose(image_with(pixels, orientation)))
    first, second, copy = again(path)
    assert_same(first, second)
    peak = np.iinfo(dtype).max
    np.testing.assert_array_equal(np.rint(first.signal[0].numpy() * peak), shown)
    with tifffile.TiffFile(copy) as written:
        np.testing.assert_array_equal(written.pages[0].asarray(), pixels)
        assert written.pages[0].tags.valueof(274, 1) == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_there_and_back(orientation):
    pixels = drawn((3, 5, 2))
    back = as_it_lay(upright(pixels, orientation), orientation)
    np.testing.assert_array_equal(back, pixels)


@pytest.mark.parametrize("extension", [".png", ".jpg", ".tif", ".webp"])
def test_profile_exif_and_resolution_survive(tmp_path, extension):
    image = Image.fromarray(drawn((6, 9, 3)))
    exif = image.getexif()
    exif[271], exif[306] = "a maker", "2026:01:02 03:04:05"
    exif.get_ifd(0x8769)[33434] = 0.01  # exposure time
    exif.get_ifd(0x8769)[36867] = "2026:01:02 03:04:05"
    path = tmp_path / f"a{extension}"
    image.save(path, icc_profile=ICC, exif=exif.tobytes(), dpi=(300, 150))
    first, second, copy = again(path)
    for name in ("icc", "exif", "resolution", "orientation"):
        assert first.meta.get(name) == second.meta.get(name), name
    with Image.open(path) as before, Image.open(copy) as after:
        assert after.info["icc_profile"] == ICC
        assert after.getexif()[271] == "a maker"
        inner = after.getexif().get_ifd(0x8769)
        assert dict(inner) == dict(before.getexif().get_ifd(0x8769))
        assert float(inner[33434]) == pytest.approx(0.01)
        if extension != ".webp":
            assert after.info["dpi"] == pytest.approx((300, 150), rel=1e-4)
            assert after.info["dpi"] == before.info["dpi"]


def test_words_and_gamma_of_a_png_survive(tmp_path):
    notes = [(b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0a picture")]
    with open(tmp_path / "a.png", "wb") as file:
        png.write(file, drawn((3, 4, 1)), chunks=notes)
    first, second, copy = again(tmp_path / "a.png")
    assert first.meta["chunks"] == second.meta["chunks"] == notes
    with Image.open(copy) as image:
        assert image.info["gamma"] == pytest.approx(0.45455)
        assert image.info["Title"] == "a picture"


def test_a_profile_for_colour_does_not_go_on_a_grey_picture(tmp_path):
    Image.fromarray(drawn((4, 4, 3))).save(tmp_path / "a.png", icc_profile=ICC)
    record = formats.read_png(tmp_path / "a.png")
    formats.write_png(record.with_signal(record.signal[:1]), tmp_path / "b.png")
    assert "icc_profile" not in Image.open(tmp_path / "b.png").info


def test_a_picture_of_more_pixels_keeps_its_paper_size_and_its_alpha(tmp_path):
    image = Image.fromarray(drawn((4, 6, 4)))
    exif = image.getexif()
    exif[282], exif[283] = 72.0, 72.0
    exif.get_ifd(0x8769)[0xA002] = 6
    image.save(tmp_path / "a.png", dpi=(100, 100), exif=exif.tobytes())
    record = formats.read_png(tmp_path / "a.png")
    formats.write_png(enlarged(record, torch.rand(3, 12, 18), 3), tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as larger:
        assert larger.size == (18, 12)
        assert larger.mode == "RGBA"
        assert larger.info["dpi"] == pytest.approx((300, 300), rel=1e-3)
        assert float(larger.getexif()[282]) == 216
        assert larger.getexif().get_ifd(0x8769)[0xA002] == 18


def test_values_are_rounded_and_clipped_at_the_writer_only(tmp_path):
    signal = torch.tensor([[[-1.0, 0.5 / 255 + 1e-4, 0.999, 7.0]]])
    record = Record(signal, "image")
    formats.write_png(record, tmp_path / "a.png")
    assert np.asarray(Image.open(tmp_path / "a.png")).tolist() == [[0, 1, 255, 255]]
    assert signal.max() == 7


def broken(tmp_path: Path, name: str) -> Path:
    """Files that no picture can be had from."""
    path = tmp_path / name
    whole = io.BytesIO()
    image = Image.fromarray(drawn((60, 60, 3)))
    kind = {"jpg": "JPEG", "tif": "TIFF", "npy": "PNG"}.get(path.suffix[1:], path.suffix[1:])
    image.save(whole, kind)
    if "empty" in name:
        path.touch()
    elif "words" in name:
        path.write_text("this is no picture")
    elif "cut" in name:
        if path.suffix == ".npy":
            np.save(path, drawn((60, 60)))
            path.write_bytes(path.read_bytes()[:1000])
        else:
            path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    elif "nan" in name:
        array = np.full((4, 4), np.nan, np.float32)
        np.save(path, array) if path.suffix == ".npy" else tifffile.imwrite(path, array)
    elif "cmyk" in name:
        image.convert("CMYK").save(path)
    elif "moving" in name:
        image.save(path, save_all=True, append_images=[Image.fromarray(drawn((60, 60, 3), seed=1))])
    elif "none" in name:
        np.save(path, np.zeros((0, 5)))
    elif "signed" in name:
        np.save(path, np.ones((5, 5), int))
    elif "large" in name:
        np.save(path, drawn((5, 5)).astype(float))
    elif "either" in name:
        np.save(path, np.zeros((3, 9, 3)))
    elif "shape" in name:
        np.save(path, np.zeros((9, 9, 9)))
    elif "object" in name:
        np.save(path, np.array([{}, {}]), allow_pickle=True)
    elif "complex" in name:
        np.save(path, np.zeros((4, 4), complex))
    return path


@pytest.mark.parametrize(
    "name",
    [f"{what}{extension}" for what in ("empty", "words", "cut") for extension in READ]
    + ["nan.npy", "nan.tif", "cmyk.jpg", "cmyk.tif", "moving.png", "moving.webp", "moving.tif"]
    + [
        f"{what}.npy"
        for what in ("none", "signed", "large", "either", "shape", "object", "complex")
    ],
)
def test_a_broken_or_unfit_file_is_refused_in_one_line_that_names_it(tmp_path, name):
    path = broken(tmp_path, name)
    with pytest.raises(ValueError) as refusal:
        READ[path.suffix](path)
    message = str(refusal.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message) > len(str(path)) + 10


@pytest.mark.parametrize("where", [40, 100])
def test_a_flipped_bit_in_a_png_is_met(tmp_path, where):
    path = tmp_path / "a.png"
    Image.fromarray(drawn((30, 30, 3))).save(path)
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"a\.png"):
        formats.read_png(path)


def test_a_missing_file_is_the_systems_own_error(tmp_path):
    for read in READ.values():
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "nowhere.png")


def test_several_pictures_in_one_jpeg_give_the_first(tmp_path):
    first = Image.fromarray(np.full((8, 8, 3), 200, np.uint8))
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[first.resize((4, 4))])
    assert Image.open(tmp_path / "a.jpg").format == "MPO"
    record = formats.read_jpeg(tmp_path / "a.jpg")
    assert record.signal.shape == (3, 8, 8)
    assert record.signal.mean().item() == pytest.approx(200 / 255, abs=0.01)


def test_depth_or_alpha_that_a_format_cannot_hold_is_refused(tmp_path):
    deep = Record(torch.rand(3, 4, 4), "image", None, {"dtype": "uint16"})
    clear = Record(torch.rand(3, 4, 4), "image", None, {"alpha": np.zeros((4, 4), np.uint8)})
    for record in (deep, clear):
        with pytest.raises(ValueError, match=r"a\.jpg"):
            formats.write_jpeg(record, tmp_path / "a.jpg")
    assert not list(tmp_path.iterdir())


def test_floats_become_a_png_of_16_bits(tmp_path):
    floats = Record(torch.rand(3, 4, 4), "image", None, {"dtype": "float32"})
    formats.write_png(floats, tmp_path / "a.png")
    back = formats.read_png(tmp_path / "a.png")
    assert back.meta["dtype"] == "uint16"
    # half a step of 16 bits
    torch.testing.assert_close(back.signal, floats.signal, atol=0.51 / 65535, rtol=0)


@pytest.mark.parametrize("extension", WRITE)
def test_nothing_half_written_is_left(tmp_path, extension):
    unfit = Record(torch.full((1, 3, 3), torch.nan), "image")
    with pytest.raises(ValueError, match="not finite"):
        WRITE[extension](unfit, tmp_path / f"a{extension}")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    formats.write_png(Record(torch.zeros(1, 3, 3), "image"), path)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(png, "write", full)
    with pytest.raises(OSError, match="No space"):
        formats.write_png(Record(torch.ones(1, 3, 3), "image"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
