"""From a guidance to a sampler: D_y = D + sigma^2 grad log p(y | x_sigma), on any integrator."""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

from ..priors.prior import UNIT, Denoiser, Law
from .base import AFRESH, Contract, Resumed, Sampler, Step, contract_of, declare
from .integrators.integrators import Integrator, ancestral


class Memory(Protocol):
    """What a conditional denoiser learns from its calls."""

    memory: tuple  # tensors and numbers: set to what it was, the next call goes on from there


class Remembering(NamedTuple):
    """What a guidance that `remembers` gives."""

    conditional: Denoiser
    memory: Memory


Guidance = Callable[..., Denoiser | Remembering]


def guided(
    guidance: Guidance | None = None,
    *,
    law: bool = False,
    draws: bool = False,
    asks: tuple[str, ...] = (),
    remembers: bool = False,
) -> Sampler | Callable[[Guidance], Sampler]:
    """The sampler of guidance(denoise, measurement, **options) -> conditional denoiser.

    It has the guidance's options and `integrator`, the sampler that D_y is run on. As `@guided`,
    or with what the guidance needs besides:

    law: its keyword `variance: Law` is given the prior's law r^2(sigma), as is the integrator's.
    draws: its third parameter is randn_like.
    asks: what the prior must offer beyond D(x, sigma), as in `Contract`.
    remembers: it gives a `Remembering`: its denoiser's answers depend on its calls before.
    """
    if guidance is None:
        return functools.partial(guided, law=law, draws=draws, asks=asks, remembers=remembers)

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
        if remembers:
            return _carrying(
                conditional, integrator, measurement, x, sigmas, randn_like, resumed, given
            )
        given |= {"resumed": resumed} if beneath.resumes else {}
        return integrator(conditional, measurement, x, sigmas, randn_like, **given)

    def contract(options):
        beneath = contract_of(options.get("integrator", ancestral))
        needed = dict.fromkeys((*asks, *beneath.asks))
        return Contract(
            True,
            beneath.memoryless and not remembers,
            integrator=True,
            asks=tuple(needed),
            resumes=beneath.goes_on if remembers else beneath.resumes,
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


def _carrying(
    remembering: Remembering, integrator, measurement, x, sigmas, randn_like, resumed, given
) -> Iterator[Step]:
    """The integrator's Steps, which carry the conditional denoiser's memory, too."""
    conditional, held = remembering
    held.memory, carried = resumed.carried or ((), ())
    if contract_of(integrator).resumes:
        given = {**given, "resumed": Resumed(resumed.passed, carried)}
    else:
        sigmas = sigmas[resumed.passed :]
    for step in integrator(conditional, measurement, x, sigmas, randn_like, **given):
        yield step._replace(carried=(held.memory, step.carried))
