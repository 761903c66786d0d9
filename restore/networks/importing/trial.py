"""An imported prior is tried once before it is stored."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import WeightsError
from ...plugins.registry import Entry
from ...priors.prior import Prior
from ..folder import load_prior_folder
from ..prior_schema import read_description
from ..published import family

SIDE = 64  # of a signal for a prior of any size
TOKENS = 77  # of the text encoders that latent diffusion goes with


def loaded(folder: Path) -> Prior:
    """The prior of a folder, told something where its network wants to be told something.

    The first class, an empty text, silence: enough to know that it is whole. WeightsError if not.
    """
    return load_prior_folder(folder, **trial_conditions(read_description(folder)))


def card_of(entry: Entry) -> Mapping[str, Any]:
    """What is known of an imported prior, after it was read whole. WeightsError if it is not."""
    return loaded(Path(entry.target)).card


def trial_conditions(described: Mapping[str, Any]) -> dict[str, Any]:
    """What a prior is told to be tried; empty where it is told nothing, or texts that it reads."""
    network = described["network"]
    if network["kind"] == "diffusers":
        from .pipelines import networks

        return _read(described, networks.trial_conditions(network))
    if network["kind"] != "published":
        return {}
    configuration = network["configuration"]
    try:
        wanted = family(network["family"]).conditions(configuration)
    except (KeyError, TypeError, AttributeError):  # loading says what is wrong with it
        return {}
    size = described.get("native_size") or (None, None)
    unet = configuration.get("unet")
    width = unet.get("context") if isinstance(unet, dict) else None
    known = {
        "label": 0,
        "context": torch.zeros(1, TOKENS, width or 1),
        "noisy": torch.zeros(1, described["channels"], *(n or SIDE for n in size)),
    }
    return _read(described, {name: known[name] for name in wanted})


def _read(described: Mapping[str, Any], conditions: dict[str, Any]) -> dict[str, Any]:
    """Without the embedding, where the prior's own text encoder gives that of the empty text."""
    left = {"context"} if "text" in described else set()
    return {name: value for name, value in conditions.items() if name not in left}


def tried(prior: Prior) -> float:
    """One call at a middle noise level; bytes per value that it keeps for a gradient, in float32.

    WeightsError where the network cannot be called, or gives another shape, or no numbers.
    """
    shape = tuple(n or SIDE for n in prior.shape or (1, None, None))
    sigma = math.sqrt(prior.sigma_min * prior.sigma_max)
    generator = torch.Generator().manual_seed(0)
    x = prior.mean + sigma * torch.randn((1, *shape), generator=generator)
    try:
        with torch.enable_grad(), _kept(prior.network) as kept:
            denoised = prior.denoise(x.requires_grad_(), torch.tensor(sigma)).detach()
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        words = " ".join(str(error).split())[:200]
        raise WeightsError(f"the network cannot be called on {_sizes(x)}: {words}") from None
    if denoised.shape != x.shape:
        raise WeightsError(f"the network gives {_sizes(denoised)} for {_sizes(x)}")
    if not bool(torch.isfinite(denoised).all()):
        raise WeightsError(f"the network gives values that are not finite, at sigma {sigma:.3g}")
    return sum(kept.values()) / x.numel()


@contextmanager
def _kept(network: nn.Module | None) -> Iterator[dict[int, int]]:
    """The bytes of each storage that is kept for a gradient while it lasts, weights left out."""
    state = {} if network is None else network.state_dict()
    own = {value.untyped_storage().data_ptr() for value in state.values()}
    found: dict[int, int] = {}

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        yield found


def _sizes(x: Tensor) -> str:
    return "x".join(map(str, x.shape))
