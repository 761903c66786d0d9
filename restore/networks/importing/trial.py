"""An imported prior is tried once before it is stored."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ...errors import WeightsError
from ...priors.prior import Prior

SIDE = 64  # of a signal for a prior of any size


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
