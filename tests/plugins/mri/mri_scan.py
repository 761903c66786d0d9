"""Small scans with a known picture, and files of them: fastMRI and ISMRMRD as their makers do."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

# the acquisition header of ISMRMRD, packed: 340 bytes
INDEX = np.dtype(
    [(name, "<u2") for name in ("kspace_encode_step_1", "kspace_encode_step_2", "average", "slice",
                                "contrast", "phase", "repetition", "set", "segment")]
    + [("user", "<u2", (8,))]
)  # fmt: skip
HEAD = np.dtype(
    [
        ("version", "<u2"), ("flags", "<u8"), ("measurement_uid", "<u4"), ("scan_counter", "<u4"),
        ("acquisition_time_stamp", "<u4"), ("physiology_time_stamp", "<u4", (3,)),
        ("number_of_samples", "<u2"), ("available_channels", "<u2"), ("active_channels", "<u2"),
        ("channel_mask", "<u8", (16,)), ("discard_pre", "<u2"), ("discard_post", "<u2"),
        ("center_sample", "<u2"), ("encoding_space_ref", "<u2"), ("trajectory_dimensions", "<u2"),
        ("sample_time_us", "<f4"), ("position", "<f4", (3,)), ("read_dir", "<f4", (3,)),
        ("phase_dir", "<f4", (3,)), ("slice_dir", "<f4", (3,)),
        ("patient_table_position", "<f4", (3,)), ("idx", INDEX), ("user_int", "<i4", (8,)),
        ("user_float", "<f4", (8,)),
    ]
)  # fmt: skip
FLOATS = h5py.vlen_dtype(np.dtype("<f4"))
ACQUISITION = np.dtype([("head", HEAD), ("traj", FLOATS), ("data", FLOATS)])


def picture(*shape: int, seed: int = 0) -> np.ndarray:
    """A complex picture: blocks within the middle of the field, smooth phase."""
    generator = np.random.default_rng(seed)
    axes = np.meshgrid(*[(np.arange(n) - n // 2) / n for n in shape], indexing="ij")
    radius = np.sqrt(sum((a / 0.35) ** 2 for a in axes))
    blocks = np.kron(generator.random([-(-n // 4) for n in shape]), np.ones([4] * len(shape)))
    blocks = blocks[tuple(slice(n) for n in shape)]
    return ((radius < 1) * (0.5 + blocks) * np.exp(2j * (axes[0] + axes[-1]))).astype(np.complex64)


def coils(count: int, *shape: int) -> np.ndarray:
    """Smooth maps of sensitivity, (coil, *shape)."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    turned = [0.3 * np.exp(1j * c) * axes[0] + 0.2j * c * axes[-1] for c in range(count)]
    return np.stack([1 + t for t in turned]).astype(np.complex64)


def transform(image: np.ndarray, axes: Sequence[int] = (-2, -1)) -> np.ndarray:
    """The house's convention, by NumPy: centred and orthonormal."""
    spectrum = np.fft.fftn(np.fft.ifftshift(image, axes), axes=axes, norm="ortho")
    return np.fft.fftshift(spectrum, axes).astype(np.complex64)


def xml(
    encoded: Sequence[int],
    recon: Sequence[int],
    *,
    pixel: Sequence[float] = (1.5, 2.0, 4.0),
    limits: Sequence[tuple[int, int]] = (),
    trajectory: str = "cartesian",
) -> bytes:
    """limits: (maximum, center) of encoding steps 1 and 2. Both spaces have the same pixels."""

    def space(name: str, matrix: Sequence[int]) -> str:
        fields = [n * p for n, p in zip(matrix, pixel)]
        size = "".join(f"<{a}>{n}</{a}>" for a, n in zip("xyz", matrix))
        view = "".join(f"<{a}>{f}</{a}>" for a, f in zip("xyz", fields))
        return (
            f"<{name}><matrixSize>{size}</matrixSize>"
            f"<fieldOfView_mm>{view}</fieldOfView_mm></{name}>"
        )

    steps = "".join(
        f"<kspace_encoding_step_{i}><minimum>0</minimum><maximum>{top}</maximum>"
        f"<center>{center}</center></kspace_encoding_step_{i}>"
        for i, (top, center) in enumerate(limits, 1)
    )
    return (
        '<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>'
        f"{space('encodedSpace', encoded)}{space('reconSpace', recon)}"
        f"<encodingLimits>{steps}</encodingLimits><trajectory>{trajectory}</trajectory>"
        "</encoding></ismrmrdHeader>"
    ).encode()


def line(
    samples: np.ndarray,
    step: int = 0,
    *,
    flags: Sequence[int] = (),
    center: int | None = None,
    places: np.ndarray | None = None,
    discard: tuple[int, int] = (0, 0),
    position: Sequence[float] = (0, 0, 0),
    dwell: float = 5.0,
    **index: int,
) -> np.void:
    """One acquisition of (coil, sample)."""
    row = np.zeros(1, ACQUISITION)
    head = row["head"][0]
    count = samples.shape[1]
    head["version"], head["number_of_samples"] = 1, count
    head["available_channels"] = head["active_channels"] = len(samples)
    head["center_sample"] = count // 2 if center is None else center
    head["flags"] = sum(1 << (flag - 1) for flag in flags)
    head["discard_pre"], head["discard_post"] = discard
    head["sample_time_us"], head["position"] = dwell, position
    head["read_dir"], head["phase_dir"], head["slice_dir"] = np.eye(3)
    head["idx"]["kspace_encode_step_1"] = step
    for name, number in index.items():
        head["idx"][name] = number
    row["data"][0] = np.ascontiguousarray(samples, np.complex64).view(np.float32).ravel()
    row["traj"][0] = np.zeros(0, np.float32)
    if places is not None:
        head["trajectory_dimensions"] = places.shape[1]
        row["traj"][0] = places.astype(np.float32).ravel()
    return row[0]


def write_ismrmrd(path: Path, header: bytes, lines: Sequence[np.void]) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("dataset")
        group.create_dataset("xml", data=[header], dtype=h5py.string_dtype("ascii"))
        data = group.create_dataset("data", (len(lines),), ACQUISITION)
        for i, row in enumerate(lines):
            data[i] = row
    return path


def write_fastmri(path: Path, kspace: np.ndarray, header: bytes, **extra: np.ndarray) -> Path:
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        file["ismrmrd_header"] = header
        for name, array in extra.items():
            file[name] = array
        file.attrs["acquisition"] = "AXT2"
    return path
