"""What the two priors of ultrasound are trained on: frames of tissue, and haze alone.

Both are companded envelopes from 0 to 1, which is what a display of 60 dB shows
(`operators.companding`), on grids of at most 256 pixels a side (`echoes.grid`), as recipes ask for.
They are scan-converted where the files are, and of lines where these hold lines.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from restore.files.task import Record
from restore.networks.material import Material

from .echoes.grid import SIDE, to_grid
from .echoes.sector import boxes, sector
from .files.frames import BMODE, CHANNELS, IQ, RF
from .haze import compounded, haze
from .operators.companding import RANGE, companded, expanded, mu_of

MOST = 24  # frames of one cine: neighbours are alike
DARK = 0.01  # mean brightness of a frame that shows nothing
GAIN = 0.1  # of brightness, each way: 6 dB of a display of 60
SIMULATED = 300
RECORDED = 30  # times that a recorded field of haze is cut to other pieces
LOUDEST = (-35.0, -10.0)  # dB of a recorded field: a probe in air is louder than any haze
READERS = {
    ".png": "pictures:read_png", ".mha": "plus:read_mha", ".mhd": "plus:read_mha",
    ".dcm": "dicom:read_dicom", ".h5": "hdf5:read_hdf5", ".hdf5": "hdf5:read_hdf5",
}  # fmt: skip


def tissue(folders: Sequence[Path], validation: Path | None = None) -> Material:
    """Frames of brightness, RF and IQ below the folders, in the sectors of their regions.

    A DICOM file that does not tell its regions, and channel data, are passed over. Frames of a cine
    are taken evenly, 24 at most. What has haze in it teaches haze: leave it out of the folders.
    """
    signals = [part for record in records(*folders) for part in frames(record)]
    held = [] if validation is None else [p for r in records(validation) for p in frames(r)]
    if not signals:
        raise ValueError(f"no frame of tissue lies in {', '.join(map(str, folders))}")
    return Material(signals, held, augment=brighter, channels=1, mean=0.22, sigma_data=0.21)


def clutter(folders: Sequence[Path], validation: Path | None = None) -> Material:
    """Simulated haze (`restore_ultrasound.haze`), and the RF and IQ files below the folders.

    Those are taken for haze alone, such as a probe that rings in air; other files are passed over.
    """
    generator = torch.Generator().manual_seed(3)
    signals = [simulated((SIDE, SIDE), generator) for _ in range(SIMULATED)]
    for record in records(*folders):
        if record.kind in (RF, IQ):
            signals += recorded(record, generator)
    checked = [simulated((SIDE, SIDE), generator).float() for _ in range(16)]
    return Material(signals, checked, augment=louder, channels=1, mean=0.24, sigma_data=0.18)


def records(*folders: Path) -> Iterator[Record]:
    """The ultrasound files in folders, and below, by this plugin's readers; in order of name."""
    from importlib import import_module

    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not a folder")
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in READERS):
            module, name = READERS[path.suffix].split(":")
            yield getattr(import_module(f"restore_ultrasound.files.{module}"), name)(path)


def frames(record: Record) -> list[Tensor]:
    """The frames (1, rows, columns) of a record on the grid, each cut to the sector of its box."""
    if record.kind == CHANNELS:
        return []
    if record.kind != BMODE:
        return list(envelopes(record).half())
    try:
        found = boxes(record, "")
    except ValueError:  # no regions: text may stand anywhere
        return []
    parts = []
    for box in found:
        part = record.signal[0][(slice(None), *box.slices)]
        part = part[:: max(1, -(-len(part) // MOST))]
        inside = sector(part.amax(0))
        if not inside.any():
            continue
        rows, columns = inside.any(1).nonzero(), inside.any(0).nonzero()
        part = part[:, rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        parts += [p for p in to_grid(part[:, None]) if p.mean() > DARK]
    return [part.half() for part in parts]


def envelopes(record: Record) -> Tensor:
    """RF or IQ as companded envelopes on the grid, white at the 99.9th percentile.

    (frames, 1, rows, columns).
    """
    from .operators.envelope import analytic

    signal = record.signal[0]
    power = (analytic(signal) if record.kind == RF else signal).abs().square()[:, None]
    envelope = to_grid(power).sqrt()
    top = envelope.flatten().quantile(0.999).clamp_min(1e-12)
    return companded((envelope / top).clamp(max=1), mu_of(RANGE))


def simulated(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """The companded envelope (1, rows, columns) of a simulated haze."""
    envelope = compounded(haze(size, generator)).clamp(max=1)
    return companded(envelope, mu_of(RANGE))[None].half()


def recorded(record: Record, generator: torch.Generator) -> list[Tensor]:
    """Pieces of a recording of haze alone, at many loudnesses, mirrored or not."""
    whole = expanded(envelopes(record), mu_of(RANGE))
    pieces = []
    for i in range(RECORDED):
        field = whole[i % len(whole)]
        field = field.flip(2) if i % 2 else field
        low, high = LOUDEST
        level = low + (high - low) * torch.rand((), generator=generator).item()
        pieces.append(companded(field * 10 ** (level / 20), mu_of(RANGE)).half())
    return pieces


def brighter(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness of each patch moved by up to 0.1, black staying black."""
    move = GAIN * (2 * torch.rand(len(batch), 1, 1, 1, generator=generator) - 1)
    return (batch + move * (batch / 0.2).clamp(max=1)).clamp(0, 1)


def louder(batch: Tensor, generator: torch.Generator) -> Tensor:
    """Each patch 6 dB louder or softer at most."""
    gain = 10 ** ((12 * torch.rand(len(batch), 1, 1, 1, generator=generator) - 6) / 20)
    return companded((expanded(batch, mu_of(RANGE)) * gain).clamp(max=1), mu_of(RANGE))
