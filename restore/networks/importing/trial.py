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
    return load_prior_folder(folder, **_conditions(read_description(folder)))


def card_of(entry: Entry) -> Mapping[str, Any]:
    """What is known of an imported prior, after it was read whole. WeightsError if it is not."""
    return loaded(Path(entry.target)).card


def _conditions(described: Mapping[str, Any]) -> dict[str, Any]:
    network = described["network"]
    if network["kind"] == "diffusers":
        from .pipelines.networks import trial_conditions

        return _read(described, trial_conditions(network))
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
    """One call at a middle noise level; bytes per value that its layers give, in float32.

    WeightsError where the network cannot be called, or gives another shape, or no numbers.
    """
    shape = tuple(n or SIDE for n in prior.shape or (1, None, None))
    sigma = math.sqrt(prior.sigma_min * prior.sigma_max)
    generator = torch.Generator().manual_seed(0)
    x = prior.mean + sigma * torch.randn((1, *shape), generator=generator)
    try:
        with torch.no_grad(), _counted(prior.network) as given:
            denoised = prior.denoise(x, torch.tensor(sigma))
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        words = " ".join(str(error).split())[:200]
        raise WeightsError(f"the network cannot be called on {_sizes(x)}: {words}") from None
    if denoised.shape != x.shape:
        raise WeightsError(f"the network gives {_sizes(denoised)} for {_sizes(x)}")
    if not bool(torch.isfinite(denoised).all()):
        raise WeightsError(f"the network gives values that are not finite, at sigma {sigma:.3g}")
    return 4.0 * sum(given) / x.numel()


@contextmanager
def _counted(network: nn.Module | None) -> Iterator[list[int]]:
    """How many values each layer gives, while it is called."""
    given: list[int] = []

    def hook(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            given.append(output.numel())

    leaves = [] if network is None else [m for m in network.modules() if not any(m.children())]
    hooks = [leaf.register_forward_hook(hook) for leaf in leaves]
    try:
        yield given
    finally:
        for one in hooks:
            one.remove()


def _sizes(x: Tensor) -> str:
    return "x".join(map(str, x.shape))
