"""A checkpoint becomes a prior's folder: safetensors and prior.json, whole or not at all."""

import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...atomic import atomic_folder
from ...errors import WeightsError
from ...priors.prior import Prior
from ...untrusted.plain_files import sha256
from ..prior_schema import CONFIG, FORMAT, WEIGHTS, checked
from ..weights import at_most, differences
from .converted import AUTOENCODER, Converted, card
from .parameterised import range_of
from .reading.candidates import StateDict
from .reading.checkpoint import Checkpoint, read_checkpoint
from .recognising import ALONE, Recognised, recognised
from .sources import source_of
from .trial import loaded, trial_conditions, tried

# of a prior: on what its errors were measured, and sigma -> mean square error, in a signal's units
Measured = Callable[[Prior], tuple[str, Mapping[float, float]]]


def import_prior(
    source: Path,
    target: Path,
    *,
    told: Mapping[str, Any] | None = None,
    salvage: bool = False,
    encoder: Path | None = None,
    decoder: Path | None = None,
    tokenizer: Path | None = None,
    measured: Measured | None = None,
) -> list[str]:
    """Convert a checkpoint, or a folder with one, into the prior's folder `target`.

    told: a checked description (see describing); salvage: rebuild the arrays of a file that names
    foreign classes; encoder, decoder: of a latent prior, where they lie in files of their own;
    tokenizer: the folder of CLIP's, with which the checkpoint's text encoder reads prompts.
    measured: of a prior, what its errors were measured on, in words, and sigma -> mean square
    error; without it they are assumed.
    Returns what was chosen, in words. The folder appears when the prior has been loaded from it and
    tried; WeightsError in one line, and no folder, otherwise.
    """
    told = dict(told or {})
    with atomic_folder(target) as partial, _words_of(source, partial):
        made = _converted(source, told, salvage, tokenizer)
        if encoder is not None or decoder is not None:
            _add_autoencoder(made, encoder, decoder, told, salvage)
        _write(partial, made)
        prior = loaded(partial)
        made.description["footprint"] = tried(prior)
        if measured is not None:
            _add_errors(made, prior, measured)
        _describe(partial, made.description)
    return made.notes


def _add_errors(made: Converted, prior: Prior, measured: Measured) -> None:
    """What the prior's law of variance is, in the network's own units."""
    if trial_conditions(made.description):
        raise WeightsError("the errors of a prior depend on what it is told: they are not measured")
    words, errors = measured(prior)
    low, high = made.description.get("data_range") or (0.0, 1.0)
    unit = 1.0 if made.description.get("latent") else high - low
    made.description["measured"] = words
    made.description["errors"] = {
        f"{sigma * unit:.6g}": float(f"{error * unit**2:.6g}") for sigma, error in errors.items()
    }
    made.notes.append(f"its errors were measured on {words}")


def _converted(
    source: Path, told: dict[str, Any], salvage: bool, tokenizer: Path | None
) -> Converted:
    kind, path = source_of(source)
    if kind == "own":
        return _own(path)
    if kind == "diffusers":
        from .pipelines.folders import converted

        return converted(path, told, tokenizer)
    read = read_checkpoint(path, salvage=salvage)
    found = recognised(path, read.sets, told)
    network, state = _filled(path, found)
    if found.family.denoiser is None:
        raise WeightsError(f"{path} is {found.family.title}; {ALONE}")
    description = _description(read, found, network, told)
    made = Converted(description, {WEIGHTS: state}, notes=_notes(read, found))
    if "context" in found.family.conditions(found.config):
        _add_text(made, path, found, tokenizer)
    return made


def _add_text(made: Converted, path: Path, found: Recognised, tokenizer: Path | None) -> None:
    """The text encoder that lies in the file, where the tokenizer is given, which does not."""
    from .pipelines.texts import add_text_within, leave_out

    if tokenizer is None:
        leave_out(made, "its tokenizer was not given, import it again with --tokenizer FOLDER")
    else:
        add_text_within(made, path, found.weights.weights, tokenizer)


def _filled(path: Path, found: Recognised) -> tuple[nn.Module, dict[str, Tensor]]:
    """The family's network with the file's weights, by the network's own names.

    WeightsError where names or shapes differ: a family is recognised by some of them only.
    """
    owner, config = found.family, found.config
    try:
        state = owner.rename(found.weights.weights, config)
        with torch.device("meta"), at_most(len(state)):
            wanted = {n: tuple(v.shape) for n, v in owner.build(config).state_dict().items()}
    except (WeightsError, ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
        words = " ".join(str(error).split())[:160]
        raise WeightsError(f"{path} looks like {owner.name}, but is not whole: {words}") from None
    wrong = differences(wanted, {name: tuple(value.shape) for name, value in state.items()})
    if wrong:
        raise WeightsError(f"{path} looks like {owner.name}, but {wrong}")
    network = owner.build(config)
    network.load_state_dict(state)
    return network.requires_grad_(False).eval(), state


def _description(
    read: Checkpoint, found: Recognised, network: nn.Module, told: Mapping[str, Any]
) -> dict[str, Any]:
    owner, config = found.family, found.config
    channels, *size = owner.shape(config)
    size = [told["size"]] * len(size) if "size" in told else size
    spans = told.get("data_range") or owner.data_range(config)
    described = {
        "format": FORMAT,
        "network": {"kind": "published", "family": owner.name, "configuration": config},
        "channels": channels,
        "native_size": size if any(size) else None,
        "data_range": None if spans is None else list(spans),
        "parameterisation": told.get("denoiser"),
        "card": card(read.path, told, owner.title),
        "source": {
            "file": read.path.name,
            "sha256": read.sha256,
            "weights": found.weights.where,
            "averaged": found.weights.averaged,
            "salvaged": read.salvaged,
        },
    }
    described["sigma_min"], described["sigma_max"] = _levels(read.path, found, network, told)
    if owner.autoencoder is not None:
        latent = {"factor": 1, "scale": 1.0, "shift": 0.0, "autoencoder": None}
        with suppress(ValueError):  # its autoencoder may be a file of its own
            latent["factor"] = owner.autoencoder(network, config).factor
        described["latent"] = {**latent, **told.get("latent", {})}
    return described


def _levels(
    path: Path, found: Recognised, network: nn.Module, told: Mapping[str, Any]
) -> tuple[float, float]:
    """The lowest and highest noise level: as told, by the schedule told, or the family's own."""
    try:
        own = range_of(told["denoiser"]) if told.get("denoiser") else None
        low, high = own or found.family.sigmas(network, found.config)
    except ValueError as error:
        raise WeightsError(f"{path}: {error} (--describe FILE.yaml)") from None
    return told.get("sigma_min", low), told.get("sigma_max", high)


def _notes(read: Checkpoint, found: Recognised) -> list[str]:
    notes = [f"{read.path} is {found.family.title}"]
    others = [one.where for one in read.sets if one is not found.weights]
    if found.weights.averaged:
        beside = f", not {' or '.join(filter(None, others))}" if any(others) else ""
        notes.append(f"taken: {found.weights.where}, the average over the training{beside}")
    elif others and found.weights.where:
        notes.append(f"taken: {found.weights.where}, not {' or '.join(filter(None, others))}")
    if found.weights.note:
        notes.append(found.weights.note)
    if read.salvaged:
        notes.append("its arrays were rebuilt; nothing else of the file was read")
    return notes


def _own(path: Path) -> Converted:
    """A folder of ours, or of someone who has restore: checked, and taken as it is."""
    from ..prior_schema import read_description
    from ..weights import declared, read_weights

    described = read_description(path)
    declared(path / WEIGHTS)
    if sha256(path / WEIGHTS) != described["sha256"]:
        raise WeightsError(f"the checksum of {path / WEIGHTS} is wrong: the file is damaged")
    weights: dict[str, Mapping[str, Tensor]] = {WEIGHTS: read_weights(path / WEIGHTS)}
    made = Converted(described, weights, notes=[f"{path} is a folder of restore's"])
    for beside in _beside(described):
        file = path / beside["file"]
        if file.suffix == ".json":
            from .prompting import read_tokenizer

            made.texts[file.name] = read_tokenizer(file)
        else:
            declared(file)
            weights[file.name] = read_weights(file)
    return made


def _add_autoencoder(
    made: Converted, encoder: Path | None, decoder: Path | None, told: Mapping, salvage: bool
) -> None:
    """The autoencoder of a latent prior, from one file or two. WeightsError if it is no such."""
    if encoder is None or decoder is None:
        raise WeightsError("a latent prior has an --encoder and a --decoder; give both")
    both = {}
    for half, path in (("encoder", encoder), ("decoder", decoder)):
        one = read_checkpoint(path, salvage=salvage).sets[0]
        whole = any(f"{half}." in name for name in one.weights)
        both |= {n if whole else f"{half}.{n}": v for n, v in one.weights.items()}
    found = recognised(encoder, [StateDict("", both)], {})
    if found.family.autoencoder is None:
        raise WeightsError(f"{encoder} is {found.family.title}, which is no autoencoder")
    network, state = _filled(encoder, found)
    halves = found.family.autoencoder(network, found.config)
    if halves.channels != made.description["channels"]:
        raise WeightsError(
            f"{encoder} has latents of {halves.channels} channels, the prior is of"
            f" {made.description['channels']}"
        )
    name = {"kind": "published", "family": found.family.name, "configuration": found.config}
    beside = {"network": name, "file": AUTOENCODER, "sha256": ""}
    latent = {"factor": halves.factor, "scale": 1.0, "shift": 0.0, "autoencoder": beside}
    made.description["latent"] = {**latent, **told.get("latent", {})}
    made.description["data_range"] = None
    made.weights[AUTOENCODER] = state
    made.notes.append(f"{encoder} is {found.family.title}")


def _write(folder: Path, made: Converted) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    for name, weights in made.weights.items():
        try:
            save_file(_apart(weights), folder / name)
        except SafetensorError as error:  # the disk is full, or the user's share of it
            raise OSError(f"{folder / name} cannot be written: {error}") from None
    for name, words in made.texts.items():
        (folder / name).write_text(json.dumps(words) + "\n", "utf-8")
    made.description["sha256"] = sha256(folder / WEIGHTS)
    for beside in _beside(made.description):
        beside["sha256"] = sha256(folder / beside["file"])
    _describe(folder, made.description)


def _beside(description: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a description that name a file of their own."""
    text = description.get("text") or {}
    parts = [(description.get("latent") or {}).get("autoencoder"), text, text.get("tokenizer")]
    return [part for part in parts if part]


def _describe(folder: Path, description: Mapping[str, Any]) -> None:
    text = json.dumps(description, indent=2, allow_nan=False) + "\n"
    try:
        checked(json.loads(text))
    except ValueError as error:
        raise WeightsError(f"{folder / CONFIG} would not be valid: {error}") from None
    (folder / CONFIG).write_text(text, "utf-8")


def _apart(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous arrays that share no memory, as the format wants them."""
    seen: set[int] = set()
    found = {}
    for name, value in weights.items():
        value = value.detach().contiguous()
        place = value.untyped_storage().data_ptr()
        found[name] = value.clone() if place in seen else value
        seen.add(place)
    return found


@contextmanager
def _words_of(source: Path, partial: Path):
    """What goes wrong in the unfinished folder is said of the source."""
    try:
        yield
    except WeightsError as error:
        words = str(error).replace(str(partial / WEIGHTS), str(source))
        words = words.replace(str(partial / CONFIG), str(source)).replace(str(partial), str(source))
        raise WeightsError(words) from None
