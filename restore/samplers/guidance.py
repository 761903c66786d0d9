"""From a guidance to a sampler: D_y = D + sigma^2 grad log p(y | x_sigma), on any integrator."""

import functools
import inspect
from collections.abc import Callable

from ..priors.prior import UNIT, Denoiser, Law
from .base import Sampler, memoryless
from .integrators.integrators import Integrator, ancestral


def guided(guidance: Callable[..., Denoiser]) -> Sampler:
    """The sampler of guidance(denoise, measurement, **options) -> conditional denoiser.

    A guidance that draws has a third parameter, randn_like. The sampler has the guidance's options
    and two more: `integrator`, and `variance`, the prior's law r^2(sigma), which the driver gives
    and which is passed on to a guidance or an integrator that has such an option.
    """
    own = inspect.signature(guidance).parameters

    def sampler(
        denoise,
        measurement,
        x,
        sigmas,
        randn_like,
        *,
        integrator: Integrator = ancestral,
        variance: Law = UNIT,
        **options,
    ):
        if "variance" in own:
            options["variance"] = variance
        if "randn_like" in own:
            options["randn_like"] = randn_like
        conditional = guidance(denoise, measurement, **options)
        asks = "variance" in inspect.signature(integrator).parameters
        law = {"variance": variance} if asks else {}
        return integrator(conditional, measurement, x, sigmas, randn_like, **law)

    taken = list(inspect.signature(sampler).parameters.values())[:-1]
    options = [
        parameter
        for parameter in own.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "variance"
    ]
    functools.update_wrapper(sampler, guidance)
    sampler.__signature__ = inspect.Signature([*taken, *options])
    return memoryless(sampler)
