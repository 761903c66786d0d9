"""zea and USBMD: data/<product>, scan/, in newer files probe/, tracks and products as groups.

Both layouts as zea documents them (data_format.py; OpenH-RF for the newer): a product is a dataset,
or a group with `values` and coordinates; events stand in event_<k>/, tracks in tracks/<name>/.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from restore.atomic import atomic_path
from restore.files.answers.on_disk import each
from restore.files.task import Record
from restore.untrusted.bounds import refuse_bomb

from ..operators.companding import companded, expanded, mu_of
from .frames import BMODE, CHANNELS, IQ, RF, rf_of, signal_of

Frame = Callable[[np.ndarray], np.ndarray]

PRODUCTS = ("beamformed_data", "envelope_data", "image", "image_sc", "raw_data")  # as preferred
SCAN = (
    "sampling_frequency", "center_frequency", "demodulation_frequency", "sound_speed",
    "probe_geometry", "t0_delays", "initial_times", "polar_angles", "focus_distances",
)  # fmt: skip
RANGE = 60.0  # dB of an image that does not go lower


def holds(file: h5py.File) -> bool:
    return any(_products(root) for root in _roots(file))


def read(file: h5py.File, path: Path) -> Record:
    """The first event's product that stands first in `PRODUCTS`; frames along axis 1.

    beamformed_data: rf (1, frames, z, x), of two channels iq. envelope_data, image, image_sc:
    bmode, brightness 0 to 1; of decibels (dB + range) / range, with meta["dynamic_range"] in dB; of
    an envelope 1 at its maximum, companded for 60 dB. raw_data: channels (transmits, elements,
    samples) of the first frame.
    """
    for root in _roots(file):
        for name in PRODUCTS:
            dataset = _products(root).get(name)
            if dataset is None:
                continue
            if not dataset.size:
                raise ValueError(f"its {name} holds no frames")
            meta = {"format": "zea", "product": name, "dataset": dataset.name}
            meta["scan"] = _scan(root, file)
            meta |= {"seconds": None, "regions": None, "polar": name != "image_sc"}
            return _record(name, dataset, path, meta)
    raise ValueError(f"it holds none of {', '.join(PRODUCTS)}")


def write(record: Record, path: Path) -> None:
    """The record as the product in meta["product"], else as image; scan and probe of a zea file."""
    name, count = record.meta.get("product", "image"), record.signal.shape[1]
    values, unit = _values(record, name)
    with atomic_path(path) as partial, h5py.File(partial, "w") as made:
        for k in each(range(count)):
            frame = values(record.signal[0, k])
            if k == 0:
                dataset = made.create_dataset(
                    f"data/{name}", (count, *frame.shape), frame.dtype,
                    chunks=(1, *frame.shape), compression="gzip",
                )  # fmt: skip
            dataset[k] = frame
        dataset.attrs["unit"] = unit
        dataset.attrs["description"] = f"{name.replace('_', ' ')}, restored: research use only"
        for key, value in (record.meta.get("derivation") or {}).items():
            dataset.attrs[f"restore_{key}"] = str(value)
        if record.source is not None and record.meta.get("format") == "zea":
            _copy_others(record, made)


def _roots(file: h5py.File) -> Iterator[h5py.Group]:
    """The groups that may hold `data`: the file, its events, its tracks."""
    yield file
    for name in sorted(file):
        if name.startswith("event_") and isinstance(file[name], h5py.Group):
            yield file[name]
    tracks = file.get("tracks")
    if isinstance(tracks, h5py.Group):
        yield from (tracks[name] for name in sorted(tracks) if isinstance(tracks[name], h5py.Group))


def _products(root: h5py.Group) -> dict[str, h5py.Dataset]:
    data = root.get("data")
    if not isinstance(data, h5py.Group):
        return {}
    found = {}
    for name in PRODUCTS:
        item = data.get(name)
        item = item.get("values") if isinstance(item, h5py.Group) else item
        if isinstance(item, h5py.Dataset):
            found[name] = item
    return found


def _record(name: str, dataset: h5py.Dataset, path: Path, meta: dict) -> Record:
    refuse_bomb(dataset.size, dataset.id.get_storage_size(), f"its {name}")
    if name == "raw_data":
        channels = _channels(dataset[:1])
        return Record(signal_of(channels, channels.shape, channels.dtype)[0], CHANNELS, path, meta)
    shape = dataset.shape
    if name == "beamformed_data":
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[-1] not in (1, 2)):
            raise ValueError(f"its beamformed_data is {'x'.join(map(str, shape))}")
        if len(shape) == 4 and shape[-1] == 2:
            pairs = (dataset[k].astype(np.float32).view(np.complex64)[..., 0] for k in _each(shape))
            return Record(signal_of(pairs, shape[:3], np.complex64), IQ, path, meta)
        frames = (dataset[k].reshape(shape[1:3]) for k in _each(shape))
        return rf_of(frames, shape[:3], path, meta)
    if len(shape) not in (2, 3):
        raise ValueError(f"its {name} is {'x'.join(map(str, shape))}, not frames")
    frames = dataset if len(shape) == 3 else [dataset[()]]
    shown, dynamic_range, top = _brightness(name, *_extent(frames))
    meta |= {"dynamic_range": dynamic_range, "top": top}
    shape = (1, *shape)[-3:]
    return Record(signal_of(map(shown, frames), shape, np.float32), BMODE, path, meta)


def _each(shape: Sequence[int]) -> range:
    return range(shape[0])


def _extent(frames: Iterable[np.ndarray]) -> tuple[float, float]:
    """The least and the greatest value."""
    ends = [(float(frame.min()), float(frame.max())) for frame in frames]
    return float(np.min([low for low, _ in ends])), float(np.max([high for _, high in ends]))


def _channels(values: np.ndarray) -> np.ndarray:
    """(1, transmits, samples, elements, 1 or 2) -> (transmits, elements, samples)."""
    if values.ndim != 5 or values.shape[-1] not in (1, 2):
        raise ValueError(f"its raw_data is {'x'.join(map(str, values.shape))}, not of five axes")
    samples = values[0].astype(np.float32)
    samples = samples[..., 0] + 1j * samples[..., 1] if samples.shape[-1] == 2 else samples[..., 0]
    return samples.swapaxes(1, 2)


def _brightness(name: str, low: float, high: float) -> tuple[Frame, float, float]:
    """Values -> brightness 0 to 1; the dynamic range in dB, and what stood for white.

    low, high: the least and the greatest value of all frames.
    """
    if name == "envelope_data":
        if low < 0:
            raise ValueError("its envelope_data is negative in places: it is no envelope")
        top, mu = high or 1.0, mu_of(RANGE)
        return lambda v: companded(torch.from_numpy(v / top), mu).numpy(), RANGE, top
    if low >= 0:  # some files hold pictures of 0 to 255, or 0 to 1
        top = 255.0 if high > 1 else 1.0
        return lambda v: (v / top).clip(0, 1), RANGE, top
    if high > 0:
        raise ValueError(f"its {name} goes from {low:g} to {high:g}: neither dB nor grey")
    return lambda v: 1 - v / low, -low, 0.0


def _values(record: Record, name: str) -> tuple[Callable[[Tensor], np.ndarray], str]:
    """A frame of the record -> what `read` took for it; and its unit."""
    if record.kind == IQ:
        return lambda frame: np.stack([frame.real.numpy(), frame.imag.numpy()], -1), "-"
    if record.kind == RF:
        return lambda frame: frame.numpy()[..., None], "-"
    if record.kind != BMODE:
        raise ValueError(f"zea's products are images or beamformed data, not {record.kind}")
    top, dynamic_range = record.meta.get("top", 0.0), record.meta.get("dynamic_range", RANGE)
    if name == "envelope_data":
        mu = mu_of(dynamic_range)
        return lambda frame: (expanded(frame, mu) * top).numpy(), "-"
    if top:
        return lambda frame: (frame * top).numpy(), "-"
    return lambda frame: ((frame - 1) * dynamic_range).numpy(), "dB"


def _scan(root: h5py.Group, file: h5py.File) -> dict[str, np.ndarray]:
    """Numbers of the acquisition, from scan/ and probe/, of the event or of the whole file."""
    found = {}
    for holder in (file, root):
        for group in ("probe", "scan"):
            part = holder.get(group)
            if isinstance(part, h5py.Group):
                for name in SCAN:
                    if isinstance(part.get(name), h5py.Dataset):
                        found[name] = part[name][()]
    return found


def _copy_others(record: Record, made: h5py.File) -> None:
    """All of the source but its data: scan, probe and attributes."""
    with h5py.File(record.source, "r") as source:
        event = source[record.meta["dataset"]].parent
        while "data" not in event:
            event = event.parent
        for holder in (source, event):
            for name in ("scan", "probe"):
                if name in holder and name not in made:
                    holder.copy(name, made)
            for key, value in holder.attrs.items():
                made.attrs[key] = value
