"""The prior of a folder that the importer wrote: somebody's network, its formula, its units."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from ...errors import UnavailableError, WeightsError
from ...priors.combined.conditioned import conditioned
from ...priors.combined.normalised import normalised
from ...priors.prior import Denoiser, Law, Prior, as_measured, isotropic
from ..published import family
from ..published.family import Family
from ..weights import load_network
from .parameterised import denoiser_of
from .prompting import told

QUARTER = 4  # pictures' standard deviation is about a quarter of their range: EDM's 0.5 in -1 to 1


def build(described: Mapping[str, Any]) -> nn.Module:
    """The network of a description, with weights of no account."""
    if described["kind"] == "diffusers":
        from .pipelines.networks import build as build_diffusers

        return build_diffusers(described)
    return _family(described).build(described["configuration"])


def prior(
    folder: Path, described: Mapping[str, Any], network: nn.Module, **conditions: Any
) -> Prior:
    """D of signals in 0 to 1, or in the units that the description gives; of latents, decoded.

    conditions: what the network's family wants to be told, such as a label; or a prompt, with a
    negative_prompt and guidance, for a prior with a text encoder. WeightsError where the
    description lacks what the family needs. A prior that lacks what only a recipe knows has `tell`,
    which takes it, and a denoiser that says so.
    """
    missing = _left_to_recipes(described, conditions)
    if missing:
        return _untold(folder, described, network, missing, conditions)
    found = _given(folder, described, network, conditions)
    centre = _centre(described, network, conditions)
    return found if centre is None else replace(found, mean=centre)


def _centre(
    described: Mapping[str, Any], network: nn.Module, conditions: Mapping[str, Any]
) -> Tensor | None:
    """About which signals lie, where what they were told says that."""
    if described["network"]["kind"] != "published":
        return None
    owner, config = _family(described["network"]), described["network"]["configuration"]
    return None if owner.centre is None else owner.centre(network, config, **conditions)


def _given(
    folder: Path, described: Mapping[str, Any], network: nn.Module, conditions: Mapping[str, Any]
) -> Prior:
    try:
        bound = told(folder, described, conditions)
        denoise = _denoiser(described, network, bound.conditions)
        free = None if bound.free is None else _denoiser(described, network, bound.free)
    except (ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{folder} cannot be used: {error}") from None
    facts = _facts(described["network"])
    low, high = described.get("data_range") or (-2.0, 2.0)  # latents have a deviation of about 1
    size = described.get("native_size")
    dims = len(size) if size else 2
    found = Prior(
        denoise,
        (described["channels"], *(size or (None,) * dims)),
        sigma_min=described["sigma_min"],
        sigma_max=described["sigma_max"],
        mean=(low + high) / 2,
        variance=_law(described, (high - low) / QUARTER),
        card={**described["card"], "sha256": described["sha256"], **bound.facts, **facts},
        network=network,
        footprint=described.get("footprint", 0.0),
    )
    if free is not None:
        found = conditioned(
            replace(found, denoise=free),
            lambda x, sigma, _: denoise(x, sigma),
            None,
            guidance=bound.guidance,
        )
    if described.get("latent"):
        return _latent(folder, described["latent"], described["network"], found)
    if described.get("data_range") in (None, [0.0, 1.0]):
        return found
    return normalised(found, -low / (high - low), 1 / (high - low))


def _left_to_recipes(
    described: Mapping[str, Any], conditions: Mapping[str, Any]
) -> dict[str, tuple[str, str]]:
    """What was not told, and only a recipe knows: condition -> (what it is, the recipe)."""
    if described["network"]["kind"] != "published":
        return {}
    known = _family(described["network"]).told_by_recipe
    return {name: words for name, words in known.items() if name not in conditions}


def _untold(
    folder: Path,
    described: Mapping[str, Any],
    network: nn.Module,
    missing: Mapping[str, tuple[str, str]],
    conditions: Mapping[str, Any],
) -> Prior:
    """The prior before it is told what is missing: it denoises nothing, and has `tell`."""
    owner, config = _family(described["network"]), described["network"]["configuration"]
    what, recipe = next(iter(missing.values()))

    def denoise(x: Tensor, sigma: float | Tensor) -> NoReturn:
        raise WeightsError(f"{folder.name} must be told {what}; restore run {recipe} does that")

    def levels(steps: int) -> Tensor:
        assert owner.schedule is not None
        return owner.schedule(config, steps)

    trial = {**conditions, **dict.fromkeys(missing, torch.zeros(()))}
    return replace(
        _given(folder, described, network, trial),
        denoise=denoise,
        offers=frozenset({what}),
        tell=partial(prior, folder, described, network, **conditions),
        schedule=levels if owner.schedule else None,
    )


def _facts(network: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the network's family says of it for the prior's card."""
    published = network["kind"] == "published"
    return _family(network).facts(network["configuration"]) if published else {}


def _law(described: Mapping[str, Any], std: float) -> Law:
    """As its errors were measured; else as if signals were white, of this standard deviation."""
    errors = described.get("errors")
    return as_measured(errors) if errors else isotropic(std)


def _family(described: Mapping[str, Any]) -> Family:
    try:
        return family(described["family"])
    except KeyError as error:
        raise WeightsError(str(error.args[0])) from None


def _denoiser(
    described: Mapping[str, Any], network: nn.Module, conditions: Mapping[str, Any]
) -> Denoiser:
    stated = described.get("parameterisation")
    if described["network"]["kind"] == "diffusers":
        from .pipelines.networks import call

        return denoiser_of(call(network, described["network"], **conditions), stated or {})
    owner, config = _family(described["network"]), described["network"]["configuration"]
    if owner.shape(config)[0] != described["channels"]:
        raise ValueError(f"channels must be {owner.shape(config)[0]}, as its network has")
    if stated:
        return denoiser_of(network, stated)
    if owner.denoiser is None:
        raise ValueError(f"{owner.title} is no denoiser")
    return owner.denoiser(network, config, **conditions)


def _latent(
    folder: Path, latents: Mapping[str, Any], network: Mapping[str, Any], inner: Prior
) -> Prior:
    """The prior of what is decoded, with the autoencoder of the network or of a file beside it."""
    try:
        from ...priors.combined.latent import latent
    except ImportError:
        raise UnavailableError("this version has no latent priors") from None
    codec, whose = inner.network, network
    if latents.get("autoencoder"):
        beside = latents["autoencoder"]
        whose = beside["network"]
        codec = load_network(folder / beside["file"], lambda: build(whose), beside["sha256"])
    assert codec is not None
    encode, decode = _halves(codec, whose)
    return latent(
        replace(inner, network=inner.network),
        encode,
        decode,
        factor=latents["factor"],
        scale=latents["scale"],
        shift=latents["shift"],
        network=codec,
    )


def _halves(codec: nn.Module, described: Mapping[str, Any]) -> tuple[Callable, Callable]:
    """Encoder and decoder, of pictures in 0 to 1."""
    if described["kind"] == "diffusers":
        from .pipelines.networks import halves

        return halves(codec, described)
    owner = _family(described)
    if owner.autoencoder is None:
        raise WeightsError(f"{owner.title} has no decoder")
    try:
        both = owner.autoencoder(codec, described["configuration"])
    except ValueError as error:
        raise WeightsError(f"{error}; give it with --encoder and --decoder") from None
    low, high = both.data_range
    return (
        lambda x: both.encode(low + (high - low) * x),
        lambda z: (both.decode(z) - low) / (high - low),
    )
