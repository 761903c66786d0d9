"""Whose architecture a checkpoint is: exactly one family's, or the nearest are named."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ...errors import WeightsError
from ..published import FAMILIES
from ..published.family import Config, Family, Shapes
from .reading.candidates import StateDict

# names by which people know a family's checkpoints, to say which is nearest when none fits
MARKS: Mapping[str, Sequence[str]] = {
    "adm": ("input_blocks.0.0.weight", "time_embed.0.weight", "middle_block.1.qkv.weight",
            "out.2.weight"),
    "ncsnpp or sgmse": ("all_modules.0.W", "all_modules.1.weight", "all_modules.3.Conv_0.weight"),
    "storm": ("denoiser_net.all_modules.0.W", "score_net.all_modules.0.W"),
    "edm": ("map_layer0.weight", "map_layer1.weight"),
    "latent-diffusion": ("model.diffusion_model.input_blocks.0.0.weight",
                         "model.diffusion_model.out.2.weight"),
    "latent-autoencoder": ("encoder.conv_in.weight", "decoder.conv_in.weight",
                           "quant_conv.weight", "post_quant_conv.weight"),
    "drunet": ("m_head.weight", "m_body.0.res.0.weight", "m_up1.0.weight", "m_tail.weight"),
    "dncnn, fdncnn or ffdnet": ("model.0.weight", "model.0.bias", "model.2.weight"),
    "bf-cnn": ("conv_layers.0.weight", "gammas.0", "running_sd.0"),
    "minimal-ddpm": ("alphabar_t", "eps_model.conv.0.0.weight"),
    "taesd": ("encoder.0.weight", "decoder.1.weight", "1.conv.0.weight", "3.conv.0.weight"),
    "a diffusers folder": ("conv_in.weight", "time_embedding.linear_1.weight", "conv_out.weight",
                           "down_blocks.0.resnets.0.conv1.weight"),
}  # fmt: skip
ALONE = "an autoencoder is no prior: give that of its latents, with --encoder and --decoder"
SLIPS = (KeyError, IndexError, TypeError, AttributeError, ZeroDivisionError)


@dataclass(frozen=True)
class Recognised:
    """A set of weights with the family it is of."""

    weights: StateDict
    family: Family
    config: Config


def recognised(path: Path, sets: Iterable[StateDict], told: Mapping[str, Any]) -> Recognised:
    """The one set of weights and family that fit; averaged weights go before others.

    WeightsError where none fits, where several do and the description names none, or where
    something must be described.
    """
    sets = _named(path, list(sets), told)
    families = _families(path, told)
    found: list[Recognised] = []
    wanting: list[str] = []
    for one in sets:
        shapes = {name: tuple(value.shape) for name, value in one.weights.items()}
        for family in families:
            config = _asked(family, shapes, told, wanting)
            if config is not None:
                found.append(Recognised(one, family, config))
    averaged = [one for one in found if one.weights.averaged]
    found = averaged or found
    if len(found) == 1:
        return found[0]
    if found:
        raise WeightsError(_several(path, found))
    if wanting:
        raise WeightsError(f"{path}: {wanting[0]}")
    raise WeightsError(f"{path} is of no known family: {nearest(sets[0].weights)}")


def nearest(weights: Mapping[str, Tensor]) -> str:
    """In words, the families whose names it has, and which of them are missing."""
    scores = []
    for family, marks in MARKS.items():
        missing = [mark for mark in marks if not any(f".{n}".endswith(f".{mark}") for n in weights)]
        scores.append((len(missing) / len(marks), family, missing))
    near = sorted((one for one in scores if one[0] < 1), key=lambda one: one[0])[:2]
    first = ", ".join(f"'{name[:60]}'" for name in list(weights)[:3])
    if not near:
        known = ", ".join(family.name for family in FAMILIES)
        return f"its names ({first}, ...) are none of {known}"
    return "; ".join(
        f"{'nearest is' if not i else 'then'} {family}"
        + (f", but {_list(missing)} missing" if missing else ", but its shapes are other ones")
        for i, (_, family, missing) in enumerate(near)
    )


def _list(missing: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in missing[:3])
    return f"{shown} {'is' if len(missing) == 1 else 'are'}"


def _asked(
    family: Family, shapes: Shapes, told: Mapping[str, Any], wanting: list[str]
) -> Config | None:
    """The family's answer; what it wants to be told is added to `wanting`."""
    try:
        return family.recognise(shapes, {k: v for k, v in told.items() if k in family.describes})
    except ValueError as error:
        hint = " (--describe FILE.yaml)" if "descri" in str(error) else ""
        wanting.append(str(error) + hint if family.denoiser else f"half of {family.title}; {ALONE}")
    except SLIPS:  # names of the family with shapes of another
        pass
    return None


def _named(path: Path, sets: list[StateDict], told: Mapping[str, Any]) -> list[StateDict]:
    if "weights" not in told:
        return sets
    chosen = [one for one in sets if one.where == told["weights"]]
    if not chosen:
        there = ", ".join(f"'{one.where}'" for one in sets)
        raise WeightsError(f"{path} has no weights called '{told['weights']}'; there are: {there}")
    return chosen


def _families(path: Path, told: Mapping[str, Any]) -> list[Family]:
    if "family" not in told:
        return list(FAMILIES)
    chosen = [family for family in FAMILIES if family.name == told["family"]]
    if not chosen:
        known = ", ".join(family.name for family in FAMILIES)
        raise WeightsError(f"{path}: no family is called '{told['family']}'; there are: {known}")
    return chosen


def _several(path: Path, found: Sequence[Recognised]) -> str:
    families = sorted({one.family.name for one in found})
    if len(families) > 1:
        return f"{path} may be of {' or '.join(families)}: say family: NAME in a description"
    there = ", ".join(f"'{one.weights.where}'" for one in found)
    return f"{path} holds several models: {there}; say weights: NAME in a description"
