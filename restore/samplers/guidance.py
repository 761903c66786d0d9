"""From a guidance to a sampler: D_y = D + sigma^2 grad log p(y | x_sigma), on any integrator."""

import functools
import inspect
from collections.abc import Callable

from ..prior import Denoiser
from .base import Sampler, memoryless
from .integrators import Integrator, ancestral


def guided(guidance: Callable[..., Denoiser]) -> Sampler:
    """The sampler of guidance(denoise, measurement, **options) -> conditional denoiser.

    It has the guidance's options and one more, `integrator`.
    """

    @functools.wraps(guidance)
    def sampler(
        denoise,
        measurement,
        x,
        sigmas,
        randn_like,
        *,
        integrator: Integrator = ancestral,
        **options,
    ):
        conditional = guidance(denoise, measurement, **options)
        return integrator(conditional, measurement, x, sigmas, randn_like)

    own = inspect.signature(guidance).parameters.values()
    taken = inspect.signature(sampler, follow_wrapped=False).parameters.values()
    fixed = [p for p in taken if p.kind is not p.VAR_KEYWORD]
    options = [p for p in own if p.kind is p.KEYWORD_ONLY]
    sampler.__signature__ = inspect.Signature([*fixed, *options])
    sampler.guidance = guidance
    return memoryless(sampler)
