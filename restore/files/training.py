"""A folder of files becomes a prior in a folder: read, train, measure, save."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..atomic import write_text
from ..errors import RestoreWarning, UsageError
from ..networks.folder import CONFIG, load_prior_folder, save_prior
from ..networks.material import Material, Patches
from ..networks.prior_schema import read_description
from ..networks.training import Session, Training, train
from ..networks.unets.kinds import KINDS, preconditioned
from ..networks.unets.unet import begin_from
from ..priors.prior import Denoiser
from ..untrusted.saved_states import DamagedState
from .by_extension import has_reader, read
from .task import Record

CHECKPOINT, CURVE, PLAN = "checkpoint.pt", "curve.csv", "training.json"
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, of grey from colour
CHANNELS = {"grey": 1, "colour": 3}
LEVELS = 24  # at which a trained prior's errors are measured
MEASURED, CROP = 16, 128  # on so many signals, cut to this size


def read_signals(*folders: Path, channels: str | None = None) -> list[Tensor]:
    """The signals of all files in folders that a reader takes, and below; 8 bits where that is all.

    channels: "grey" or "colour" to make them one of both; None leaves them as they are. ValueError
    where there are none, or where they do not have the same number of channels.
    """
    signals: list[Tensor] = []
    first = None
    for record in read_records(*folders):
        signal = _as(record.signal, channels, record.source)
        first = first or record.source
        if signals and signal.shape[0] != signals[0].shape[0]:
            raise ValueError(
                f"{record.source} has {len(signal)} channels, {first} has {len(signals[0])}; "
                "make them alike with --channels grey or --channels colour"
            )
        signals.append(_compact(signal))
    return signals


def read_records(*folders: Path) -> Iterator[Record]:
    """The records of all files in folders, and below, that a reader takes; in order of name.

    FileNotFoundError for what is no folder; ValueError where there is nothing to read.
    """
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder} is not a folder")
    below = (path for folder in folders for path in sorted(folder.rglob("*")))
    paths = [path for path in below if path.is_file() and has_reader(path)]
    if not paths:
        names = ", ".join(map(str, folders))
        raise ValueError(f"the folder {names} holds no file that a reader takes")
    return (replace(read(path), source=path) for path in paths)


def material(folders: Sequence[Path], validation: Path | None, channels: str | None) -> Material:
    """The signals of folders as they are: the material of `restore train denoiser`."""
    signals = read_signals(*folders, channels=channels)
    held = [] if validation is None else read_signals(validation, channels=channels)
    return Material(signals, held, channels=len(signals[0]))


@dataclass(frozen=True)
class PriorPlan:
    """How a prior is trained, beside the steps of its training.

    kind, widths, blocks, bands: of its network (restore.networks.unets.kinds); None: its defaults.
    mean, sigma_data: what the preconditioning takes for the signals' centre and standard deviation;
    None: the material's, or measured.
    """

    training: Training
    kind: str = "unet"
    widths: Sequence[int] | None = None
    blocks: int | None = None
    bands: int | None = None
    start: Path | None = None  # a prior's folder to begin from, of any number of channels
    mean: float | None = None
    sigma_data: float | None = None
    minutes: float | None = None  # None: to the last step
    validate_every: int = 1000
    card: Mapping[str, Any] = field(default_factory=dict)

    def suiting(self, material: Material) -> "PriorPlan":
        """The plan with mean and sigma_data, as they were given or as the material has them."""
        mean = material.mean if self.mean is None else self.mean
        sigma_data = material.sigma_data if self.sigma_data is None else self.sigma_data
        if mean is None or sigma_data is None:
            centre, width = mean_and_std(material.signals)
            mean = centre if mean is None else mean
            sigma_data = width if sigma_data is None else sigma_data
        return replace(self, mean=mean, sigma_data=sigma_data)


def train_prior(
    folder: Path,
    material: Material,
    plan: PriorPlan,
    *,
    device: str = "cpu",
    report: Callable[[str], None] = lambda line: None,
) -> dict[float, float]:
    """Train a prior and save it in `folder`; its mean square error at each sigma.

    A run that was cut off is gone on with: ValueError if it was of another network or training.
    """
    plan = plan.suiting(material)
    material = replace(material, mean=plan.mean, sigma_data=plan.sigma_data)
    training, dims = plan.training, material.signals[0].ndim - 1
    shape = {"widths": plan.widths, "blocks": plan.blocks, "dims": dims, "bands": plan.bands}
    network = _network(plan.kind, material.channels, shape, training.seed)
    if plan.start is not None:
        _refuse_imported(plan.start)
        begin_from(network, load_prior_folder(plan.start).network)
    kept = {**training.facts, **network.config, "start": plan.start and str(plan.start)}
    kept |= {"kind": plan.kind, "mean": plan.mean, "spread": plan.sigma_data}
    _keep_plan(folder, kept, free=("steps", "early_steps", "start"))
    session = Session(
        checkpoint=folder / CHECKPOINT,
        curve=folder / CURVE,
        device=device,
        minutes=plan.minutes,
        validate_every=plan.validate_every,
        report=report,
    )
    try:
        network = train(network, material, training, session).cpu()
    except DamagedState:
        session.checkpoint.unlink()
        words = f"{session.checkpoint} is damaged: discarded, and begun anew"
        warnings.warn(words, RestoreWarning, stacklevel=2)
        network = train(network, material, training, session).cpu()
    return _measure_and_save(
        folder, network, plan, material.validation or _augmented(material, training)
    )


def denoising_errors(
    denoise: Denoiser,
    signals: Sequence[Tensor],
    sigmas: Sequence[float],
    *,
    seed: int = 0,
    size: Sequence[int] = (CROP, CROP, CROP),
) -> dict[float, float]:
    """sigma -> mean square error of the denoiser on the first signals' middles of this size."""
    clean = [as_float(middle(signal, size))[None] for signal in signals[:MEASURED]]
    errors = {}
    for sigma in sigmas:
        generator = torch.Generator().manual_seed(seed)
        total, count = 0.0, 0
        for x in clean:
            noisy = x + sigma * torch.randn(x.shape, generator=generator)
            with torch.no_grad():
                total += (denoise(noisy, torch.tensor(sigma)) - x).square().sum().item()
            count += x.numel()
        errors[sigma] = total / count
    return errors


def mean_and_std(signals: Sequence[Tensor]) -> tuple[float, float]:
    """The mean and the standard deviation of all values, to three digits."""
    count = sum(signal.numel() for signal in signals)
    mean = sum(as_float(signal).double().sum().item() for signal in signals) / count
    power = sum((as_float(signal) - mean).double().square().sum().item() for signal in signals)
    std = (power / count) ** 0.5
    if std == 0:
        raise ValueError("all signals hold one and the same value; there is nothing to learn")
    return float(f"{mean:.3g}"), float(f"{std:.3g}")


def _measure_and_save(
    folder: Path, network: nn.Module, plan: PriorPlan, signals: Sequence[Tensor]
) -> dict[float, float]:
    low, high = plan.training.levels.sigma_min, plan.training.levels.sigma_max
    sigmas = torch.logspace(0, 1, LEVELS, base=high / low) * low
    denoise = preconditioned(network, mean=plan.mean, sigma_data=plan.sigma_data)
    errors = denoising_errors(denoise, signals, sigmas.tolist())
    parameters = sum(parameter.numel() for parameter in network.parameters())
    made = {"made": date.today().isoformat(), "parameters": parameters}
    save_prior(
        folder,
        network,
        mean=plan.mean,
        sigma_data=plan.sigma_data,
        sigma_min=low,
        sigma_max=high,
        errors=errors,
        card={**plan.card, **made, "training": plan.training.facts},
    )
    return errors


def _augmented(material: Material, training: Training) -> Sequence[Tensor]:
    """The signals as the network sees them, to measure it on where none were held back."""
    if material.augment is None:
        return material.signals
    patches = Patches(material.signals, training.patch, augment=material.augment)
    return list(patches.draw(MEASURED, torch.Generator().manual_seed(1)))


def has_prior(folder: Path) -> bool:
    """Whether a finished prior lies in the folder that no interrupted run can go on to."""
    return (folder / CONFIG).exists() and not (folder / CHECKPOINT).exists()


def _network(kind: str, channels: int, shape: Mapping[str, Any], seed: int) -> nn.Module:
    """Fresh weights of a seed; the caller's random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        given = {name: value for name, value in shape.items() if value is not None}
        return KINDS[kind](channels, **given)


def _refuse_imported(start: Path) -> None:
    """UsageError for a network of others: what is trained is one of ours."""
    network = read_description(start)["network"]
    if network["kind"] not in KINDS:
        name = network.get("family") or network.get("class")
        raise UsageError(
            f"{start} holds an imported network, {name}: training begins from one that restore"
            " train wrote, or from none"
        )


def _keep_plan(folder: Path, plan: dict[str, Any], free: Sequence[str]) -> None:
    """Write down what is trained; ValueError where a run of another plan lies there already."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PLAN
    if path.exists() and (folder / CHECKPOINT).exists():
        before = _plan_before(path)
        for key, value in plan.items() if before else ():
            if key not in free and before.get(key) != value:
                raise ValueError(
                    f"{folder} holds a run with {key} {before.get(key)}, not {value}; "
                    "go on with that, or choose another folder"
                )
    write_text(path, json.dumps(plan, indent=2) + "\n")


def _plan_before(path: Path) -> dict[str, Any]:
    """What was written down of a run; {} with a warning where that is damaged."""
    try:
        plan = json.loads(path.read_text("utf-8"))
        if isinstance(plan, dict):
            return plan
    except ValueError:
        pass
    warnings.warn(f"{path} is damaged: it is written anew", RestoreWarning, stacklevel=4)
    return {}


def _as(signal: Tensor, channels: str | None, path: Path) -> Tensor:
    if channels is None or len(signal) == CHANNELS[channels]:
        return signal
    if len(signal) == 1:
        return signal.expand(CHANNELS[channels], *signal.shape[1:])
    if len(signal) != 3:
        raise ValueError(f"{path} has {len(signal)} channels; {channels} is made of 1 or 3")
    weights = torch.tensor(LUMA).reshape(-1, *(1,) * (signal.ndim - 1))
    return (weights * signal).sum(0, keepdim=True)


def _compact(signal: Tensor) -> Tensor:
    """8 bits where they hold all that is there: four times as many files fit into memory."""
    eight = (signal * 255).round()
    fits = (eight / 255 - signal).abs().max() < 1e-6 and eight.min() >= 0 and eight.max() <= 255
    return eight.to(torch.uint8).contiguous() if fits else signal.contiguous()


def as_float(signal: Tensor) -> Tensor:
    """A signal of 8 bits in 0 to 1; any other as it is."""
    return signal.float() / 255 if signal.dtype == torch.uint8 else signal


def middle(signal: Tensor, size: Sequence[int]) -> Tensor:
    """The middle of a signal, (channels, *size), or what there is of it along a shorter axis."""
    kept = [min(pair) for pair in zip(signal.shape[1:], size)]
    starts = [(n - m) // 2 for n, m in zip(signal.shape[1:], kept)]
    return signal[(slice(None), *(slice(a, a + m) for a, m in zip(starts, kept)))]
