"""One small whole file of every format, with the recipe that takes it.

Made of an array, so that another array makes another file of the same format; what a library of
that format refuses to write raises, and is no case.
"""

import gzip
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import nibabel
import numpy as np
import soundfile
import tifffile
from dicom_samples import ct, mr, save
from mri_scan import line, picture, transform, write_fastmri, write_ismrmrd, xml
from PIL import Image
from scipy.io import savemat
from ultrasound_samples import zea

DRAW = np.random.default_rng(0)
GREY = DRAW.integers(40, 200, (12, 14)).astype(np.uint8)
KSPACE = transform(picture(1, 24, 24))[:, None]  # (slice, coil, y, x)
VOLUME = DRAW.integers(200, 900, (3, 12, 14)).astype(np.int16)
SINOGRAM = DRAW.random((1, 12, 20)).astype(np.float32)
SOUND = (0.1 * DRAW.standard_normal(1600)).clip(-0.15, 0.15).astype(np.float32)
DENOISE = ("denoise", {}, 0.1)
MRI = ("mri", {"maps": "low-frequency"}, 0.05)
SLICES = ("mri-denoise", {}, 0.05)
CT = ("ct", {"size": 12}, 0.02)
DECLIP = ("declip", {"level": 0.14}, None)


class Format(NamedTuple):
    """write: (path, array) -> None; command: the recipe, its options and the noise."""

    name: str  # of the file that is broken
    array: np.ndarray
    write: Callable[[Path, np.ndarray], Any]
    command: tuple[str, Mapping[str, Any], float | None]
    option: str | None = None  # that the file is given as, where it is not the input itself


def _pillow(path: Path, array: np.ndarray) -> None:
    Image.fromarray(array).save(path)


def _npy(path: Path, array: np.ndarray) -> None:
    np.save(path, array, allow_pickle=True)


def _npz(path: Path, array: np.ndarray) -> None:
    np.savez(path, kspace=array)


def _geometry(path: Path) -> None:
    path.write_text(
        "kind: sinogram\nbeam: parallel\npitch: 1.0\naxes: [slice, view, bin]\n"
        "angles: {unit: degrees, values: [0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 150, 165]}\n"
        "mu_water: 0.02\nlength: mm\npixel: 1.0\n"
    )


def _sinogram_npy(path: Path, array: np.ndarray) -> None:
    np.save(path, array)
    _geometry(path.with_suffix(".yaml"))


def _sinogram_yaml(path: Path, array: np.ndarray) -> None:
    np.save(path.with_suffix(".npy"), array)
    _geometry(path)


def _sinogram_npz(path: Path, array: np.ndarray) -> None:
    np.savez(path, sinogram=array, angles=np.arange(12) * 15.0, angles_unit="degrees",
             beam="parallel", pitch=1.0, axes=["slice", "view", "bin"])  # fmt: skip


def _dxchange(path: Path, array: np.ndarray) -> None:
    draw = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        file["exchange/data"] = array
        file["exchange/data_white"] = draw.poisson(1000, (4, *array.shape[1:])).astype(np.uint16)
        file["exchange/data_dark"] = np.zeros((2, *array.shape[1:]), np.uint16)
        file["exchange/theta"] = np.arange(len(array)) * (180 / len(array))


def _ismrmrd(path: Path, array: np.ndarray) -> None:
    rows = [line(array[0, :, y], y) for y in range(array.shape[2])]
    size = (array.shape[3], array.shape[2], 1)
    write_ismrmrd(path, xml(size, size, limits=[(array.shape[2] - 1, array.shape[2] // 2)]), rows)


def _fastmri(path: Path, array: np.ndarray) -> None:
    size = (array.shape[-1], array.shape[-2], 1)
    write_fastmri(path, array, xml(size, size))


def _matlab(path: Path, array: np.ndarray) -> None:
    savemat(path, {"kspace": array})


def _bart(path: Path, array: np.ndarray) -> None:
    values = np.asarray(array, np.complex64).reshape(array.shape[1:])  # (coil, y, x)
    sizes = [values.shape[2], values.shape[1], 1, values.shape[0], *[1] * 12]
    path.with_suffix(".hdr").write_text(f"# Dimensions\n{' '.join(map(str, sizes))}\n")
    path.with_suffix(".cfl").write_bytes(values.astype("<c8").tobytes())


def _nifti(path: Path, array: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1.5, 2.0, 4.0, 1.0])), path)


def _mha(path: Path, array: np.ndarray) -> None:
    kinds = {"i2": "MET_SHORT", "u2": "MET_USHORT", "u1": "MET_UCHAR", "f4": "MET_FLOAT",
             "f8": "MET_DOUBLE", "i4": "MET_INT"}  # fmt: skip
    sizes = " ".join(map(str, array.shape[::-1]))
    spacing = " ".join(["1.5"] * array.ndim)
    head = (
        f"ObjectType = Image\nNDims = {array.ndim}\nBinaryData = True\n"
        f"BinaryDataByteOrderMSB = False\nCompressedData = False\nElementSpacing = {spacing}\n"
        f"DimSize = {sizes}\nElementType = {kinds[array.dtype.str[1:]]}\nElementDataFile = "
    )
    if path.suffix == ".mhd":
        path.write_text(f"{head}{path.stem}.raw\n")
        path.with_suffix(".raw").write_bytes(array.tobytes())
    else:
        path.write_bytes(f"{head}LOCAL\n".encode() + array.tobytes())


def _ct_slice(path: Path, array: np.ndarray) -> None:
    save(ct(array), path)


def _mr_slice(path: Path, array: np.ndarray) -> None:
    save(mr(array.astype(np.uint16) if array.dtype == np.int16 else array), path)


def _sound(path: Path, array: np.ndarray) -> None:
    subtype = "FLOAT" if path.suffix == ".wav" else None
    soundfile.write(path, array, 16_000, subtype=subtype)


def _bmp(path: Path, array: np.ndarray) -> None:
    """As Windows writes it, 24 bits, lowest row first."""
    height, width = array.shape
    rows = np.zeros((height, -(-3 * width // 4) * 4), np.uint8)
    rows[:, : 3 * width] = np.repeat(array, 3, 1)
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + rows.size, 0, 0, 54, 40, width, height, 1,
                       24, 0, rows.size, 2835, 2835, 0, 0)  # fmt: skip
    path.write_bytes(head + rows[::-1].tobytes())


def _zea(path: Path, array: np.ndarray) -> None:
    zea(path, {"image": array})


FORMATS = (
    Format("x.png", GREY, _pillow, DENOISE),
    Format("deep.png", GREY.astype(np.uint16) * 257, _pillow, DENOISE),
    Format("x.jpg", GREY, _pillow, DENOISE),
    Format("x.webp", GREY, _pillow, DENOISE),
    Format("x.bmp", GREY, _bmp, DENOISE),
    Format("x.gif", GREY, _pillow, DENOISE),
    Format("x.tif", GREY, lambda p, a: tifffile.imwrite(p, a, photometric="minisblack"), DENOISE),
    Format("packed.tif", GREY, lambda p, a: tifffile.imwrite(p, a, compression="zlib"), DENOISE),
    Format("x.npy", GREY, _npy, DENOISE),
    Format("mask.png", (GREY > 99).astype(np.uint8) * 255, _pillow, ("inpaint", {}, 0.1), "mask"),
    Format("mask.npy", GREY > 99, _npy, ("inpaint", {}, 0.1), "mask"),
    Format("kernel.npy", np.ones((3, 3)) / 9, _npy, ("deblur", {}, 0.1), "kernel"),
    Format("kspace.npy", KSPACE, _npy, MRI),
    Format("kspace.npz", KSPACE, _npz, MRI),
    Format("kspace.mat", KSPACE, _matlab, MRI),
    Format("fastmri.h5", KSPACE, _fastmri, MRI),
    Format("ismrmrd.h5", KSPACE, _ismrmrd, MRI),
    Format("bart.cfl", KSPACE, _bart, MRI),
    Format("bart.hdr", KSPACE, _bart, MRI),
    Format("x.nii", VOLUME, _nifti, SLICES),
    Format("x.nii.gz", VOLUME, _nifti, SLICES),
    Format("x.mha", VOLUME, _mha, SLICES),
    Format("x.mhd", VOLUME, _mha, SLICES),
    Format("mr.dcm", VOLUME[0], _mr_slice, SLICES),
    Format("ct.dcm", VOLUME[0], _ct_slice, ("ct-denoise", {}, 20.0)),
    Format("sinogram.npy", SINOGRAM, _sinogram_npy, CT),
    Format("sinogram.yaml", SINOGRAM, _sinogram_yaml, CT),
    Format("sinogram.npz", SINOGRAM, _sinogram_npz, CT),
    Format("dxchange.h5", DRAW.poisson(600, (12, 1, 20)).astype(np.uint16), _dxchange, CT),
    Format("x.wav", SOUND, _sound, DECLIP),
    Format("x.flac", SOUND, _sound, DECLIP),
    Format("x.ogg", SOUND, _sound, DECLIP),
    Format("x.aiff", SOUND, _sound, DECLIP),
    Format("zea.h5", DRAW.integers(-60, 1, (1, 16, 12)).astype(np.float32), _zea,
           ("us-despeckle", {}, None)),
)  # fmt: skip


def written(form: Format, folder: Path, array: np.ndarray | None = None) -> Path:
    """The file of a format in a folder, of its own array or of another."""
    path = folder / form.name
    form.write(path, form.array if array is None else array)
    return path


def unpacked(path: Path) -> bytes:
    """The bytes of a file, those within where it is gzipped."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content
