"""From a guidance to a sampler: D_y = D + sigma^2 grad log p(y | x_sigma), on any integrator."""

import functools
import inspect
from collections.abc import Callable

from ..priors.prior import UNIT, Denoiser, Law
from .base import AFRESH, Contract, Resumed, Sampler, contract_of, declare
from .integrators.integrators import Integrator, ancestral

Guidance = Callable[..., Denoiser]


def guided(
    guidance: Guidance | None = None,
    *,
    law: bool = False,
    draws: bool = False,
    asks: tuple[str, ...] = (),
) -> Sampler | Callable[[Guidance], Sampler]:
    """The sampler of guidance(denoise, measurement, **options) -> conditional denoiser.

    It has the guidance's options and `integrator`, the sampler that D_y is run on. As `@guided`,
    or with what the guidance needs besides:

    law: its keyword `variance: Law` is given the prior's law r^2(sigma), as is the integrator's.
    draws: its third parameter is randn_like.
    asks: what the prior must offer beyond D(x, sigma), as in `Contract`.
    """
    if guidance is None:
        return functools.partial(guided, law=law, draws=draws, asks=asks)

    def run(
        denoise,
        measurement,
        x,
        sigmas,
        randn_like,
        *,
        integrator: Integrator = ancestral,
        variance: Law = UNIT,
        resumed: Resumed = AFRESH,
        **options,
    ):
        if law:
            options["variance"] = variance
        drawn = (randn_like,) if draws else ()
        conditional = guidance(denoise, measurement, *drawn, **options)
        beneath = contract_of(integrator)
        given = {"variance": variance} if beneath.law else {}
        given |= {"resumed": resumed} if beneath.resumes else {}
        return integrator(conditional, measurement, x, sigmas, randn_like, **given)

    def contract(options):
        beneath = contract_of(options.get("integrator", ancestral))
        needed = dict.fromkeys((*asks, *beneath.asks))
        return Contract(
            True,
            beneath.memoryless,
            integrator=True,
            asks=tuple(needed),
            resumes=beneath.resumes,
        )

    fixed = list(inspect.signature(run).parameters.values())[:-1]
    options = [
        parameter
        for parameter in inspect.signature(guidance).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name != "variance"
    ]
    functools.update_wrapper(run, guidance)
    run.__signature__ = inspect.Signature([*fixed, *options])
    return declare(run, contract)
