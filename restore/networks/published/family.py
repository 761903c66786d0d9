"""Family: an architecture whose checkpoints people have, and how they are read and called.

A checkpoint is met as a flat mapping: nested containers of the file are joined with dots, items of
a list by their number, so that {"ema": {"shadow_params": [t]}} is "ema.shadow_params.0" -> t. What
is not a tensor is left out. Several files of a folder are one checkpoint, each under its stem:
"taesd_encoder.0.weight". The importer asks each family in turn to `recognise` the shapes; the
first that gives a configuration takes the file. A family's ValueError is what to say if none does.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

from torch import Tensor, nn

from ..parameterisations import Denoiser

Shapes = Mapping[str, tuple[int, ...]]  # name -> shape, of everything in a checkpoint
Config = dict[str, Any]  # what `build` needs, JSON-able
Tensors = Mapping[str, Tensor]
Range = tuple[float, float]
Item = TypeVar("Item")
Recognise = Callable[[Shapes, Mapping[str, Any]], Config | None]


@dataclass(frozen=True)
class Autoencoder:
    """The two halves of a latent model, in the units that its denoiser works in."""

    encode: Callable[[Tensor], Tensor]  # (batch, 3, height, width) -> (batch, channels, h, w)
    decode: Callable[[Tensor], Tensor]
    channels: int  # of a latent
    factor: int  # height / h
    data_range: Range  # of the pictures


@dataclass(frozen=True)
class Family:
    """One architecture with its official names. Every callable is pure; config is JSON-able."""

    name: str  # "adm"
    title: str  # what it is called, with its paper
    # (shapes of the checkpoint, what the user's description says) -> config, or None: not of this
    # family. ValueError where shapes do not tell all: it names the key to put into the description
    recognise: Recognise
    build: Callable[[Config], nn.Module]  # random weights, on the current default device
    # buffers may be noise levels: they keep their precision where weights are stored in half
    rename: Callable[[Tensors, Config], dict[str, Tensor]]  # the file's tensors -> `build`'s own
    # sigma_min, sigma_max of the denoiser, in `data_range`; None where there is no denoiser
    sigmas: Callable[[nn.Module, Config], tuple[float, float]] | None
    # of one signal that the denoiser takes (of a latent, for autoencoders); None: any size
    shape: Callable[[Config], tuple[int | None, ...]]
    # (network, config, **conditions) -> D(x, sigma), x in `data_range`, or a latent
    denoiser: Callable[..., Denoiser] | None = None  # None: an autoencoder without a prior
    autoencoder: Callable[[nn.Module, Config], Autoencoder] | None = None
    data_range: Callable[[Config], Range | None] = lambda config: (-1.0, 1.0)  # None: a latent
    conditions: Callable[[Config], tuple[str, ...]] = lambda config: ()  # keywords of `denoiser`
    # of these conditions, what only a recipe knows -> (what it is, the recipe that tells it)
    told_by_recipe: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    # (network, config, **conditions) -> about which its signals lie, given these; None: nothing
    centre: Callable[..., Tensor] | None = None
    facts: Callable[[Config], Mapping[str, Any]] = lambda config: {}  # for the prior's card
    # (config, steps) -> noise levels down to zero, in `data_range`, as its authors sample
    schedule: Callable[[Config, int], Tensor] | None = None
    describes: Mapping[str, str] = field(default_factory=dict)  # keys it reads in a description


def peel(named: Mapping[str, Item], marker: str, *, prefer: str = "ema") -> dict[str, Item]:
    """The entries of the model that has an entry called marker, without what stands before.

    {"state_dict.module.a": 1, "state_dict.module.b": 2}, "b" -> {"a": 1, "b": 2}; empty where
    nothing is called so. Of several models the one with `prefer` in its prefix is taken; ValueError
    where that does not decide.
    """
    starts = sorted(
        {name.removesuffix(marker) for name in named if f".{name}".endswith(f".{marker}")}
    )
    if not starts:
        return {}
    if len(starts) > 1:
        preferred = [start for start in starts if prefer in start.lower()]
        if len(preferred) != 1:
            listed = ", ".join(start.rstrip(".") or "(the top)" for start in starts)
            raise ValueError(f"several models are in it: {listed}; keep one")
        starts = preferred
    (start,) = starts
    return {
        name.removeprefix(start): item
        for name, item in named.items()
        if start == name[: len(start)]
    }


def count(named: Mapping[str, Any], prefix: str) -> int:
    """How many numbers follow the prefix: "blocks." of blocks.0.w, blocks.1.w -> 2."""
    return len({name[len(prefix) :].split(".")[0] for name in named if name.startswith(prefix)})


def whole(recognise: Recognise) -> Recognise:
    """A recogniser that raises ValueError for a name or an axis that it looks for in vain."""

    @wraps(recognise)
    def asked(shapes: Shapes, described: Mapping[str, Any]) -> Config | None:
        try:
            return recognise(shapes, described)
        except KeyError as error:
            raise ValueError(f"it is not whole: '{error.args[0]}' is missing") from None
        except (IndexError, StopIteration):
            raise ValueError("its names are known, but not its shapes") from None

    return asked
