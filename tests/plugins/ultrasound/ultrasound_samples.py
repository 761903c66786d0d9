"""Small ultrasound files of every layout, written as their own documents say."""

import h5py
import numpy as np

GENERATOR = np.random.default_rng(7)


def plus(path, stored, kind, orientation, *, packed=False, **fields):
    """A Plus sequence; stored: (frames, y, x) as it stands in the file."""
    import zlib

    types = {"u1": "MET_UCHAR", "i2": "MET_SHORT", "i4": "MET_INT", "f4": "MET_FLOAT"}
    data = np.ascontiguousarray(stored).tobytes()
    head = {
        "ObjectType": "Image",
        "NDims": 3,
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": packed,
        "DimSize": " ".join(map(str, stored.shape[::-1])),
        "ElementType": types[stored.dtype.str[1:]],
        "UltrasoundImageOrientation": orientation,
        "UltrasoundImageType": kind,
        **fields,
    }
    for i in range(len(stored)):
        head[f"Seq_Frame{i:04d}_Timestamp"] = 5 + 0.25 * i
    data = zlib.compress(data) if packed else data
    lines = "".join(f"{k} = {v}\n" for k, v in head.items()) + "ElementDataFile = LOCAL\n"
    path.write_bytes(lines.encode() + data)
    return path


def zea(path, products, *, newer=False, event=None):
    """products: name -> values; newer: as groups with `values`, geometry in probe/."""
    with h5py.File(path, "w") as file:
        root = file if event is None else file.create_group(event)
        for name, values in products.items():
            place = f"data/{name}/values" if newer else f"data/{name}"
            root[place] = values
        root["scan/sampling_frequency"] = 20e6
        root["scan/sound_speed"] = 1540.0
        (file if newer else root)["probe/probe_geometry" if newer else "scan/probe_geometry"] = (
            np.zeros((4, 3))
        )
        if newer:
            file.attrs["zea_version"] = "0.1.0"
    return path


def picmus(path, data, angles, *, carrier=0.0):
    with h5py.File(path, "w") as file:
        group = file.create_group("US/US_DATASET0000")
        group["data/real"], group["data/imag"] = data.real, np.imag(data)
        group["angles"] = angles
        group["modulation_frequency"] = np.array([carrier])
        group["sampling_frequency"] = np.array([20.8e6])
        group["sound_speed"] = np.array([1540.0])
        group["initial_time"] = np.array([1e-6])
        geometry = np.zeros((3, data.shape[1]))
        geometry[0] = 3e-4 * (np.arange(data.shape[1]) - (data.shape[1] - 1) / 2)
        group["probe_geometry"] = geometry
    return path


def bytes_of(*shape):
    return GENERATOR.integers(0, 256, shape, dtype=np.uint8)


def shorts(*shape):
    return GENERATOR.integers(-3000, 3000, shape, dtype=np.int16)
