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

    taken = list(inspect.signature(sampler).parameters.values())[:-1]
    own = inspect.signature(guidance).parameters.values()
    options = [parameter for parameter in own if parameter.kind is parameter.KEYWORD_ONLY]
    functools.update_wrapper(sampler, guidance)
    sampler.__signature__ = inspect.Signature([*taken, *options])
    return memoryless(sampler)
