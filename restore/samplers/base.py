"""What a sampler is: a generator over noise levels that yields a Step after each of them."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from ..measurement.measurement import Measurement
from ..measurement.signal import RandnLike
from ..priors.prior import UNIT, Denoiser


class Step(NamedTuple):
    """Where the chains stand after one noise level."""

    x: Tensor  # (batch, *shape), at the next noise level
    denoised: Tensor  # the estimate of x0 that led there
    sigma: float  # the level it was made at
    ess: Tensor | None = None  # (batch,) effective sample size, where a chain holds particles
    carried: tuple = ()  # what the loop takes to the next level besides x: tensors and numbers


class Resumed(NamedTuple):
    """Where a loop goes on that was cut off: by default nowhere, it begins."""

    passed: int = 0  # Steps that are behind
    carried: tuple = ()  # of the last of them


AFRESH = Resumed()


class Sampler(Protocol):
    """x (batch, *shape) at sigmas[0] goes down to sigmas[-1] = 0; the last Step's x is the sample.

    denoise and measurement belong to the chains; all noise comes from randn_like; the sampler's
    own options are keyword-only. Never `yield` inside a `with`.
    """

    def __call__(
        self,
        denoise: Denoiser,
        measurement: Measurement,
        x: Tensor,
        sigmas: Tensor,
        randn_like: RandnLike,
    ) -> Iterator[Step]: ...


@dataclass(frozen=True)
class Contract:
    """What a sampler declares of itself; a plain function that declares nothing has the defaults.

    Every sampler is offered denoise, measurement, x, sigmas and randn_like; what else the driver
    gives it, and may do with it, stands here.
    """

    law: bool = False  # its keyword `variance` is given the prior's law r^2(sigma)
    memoryless: bool = False  # its state is x alone: it may be resumed at any level of a schedule
    particles: str | None = None  # its option that says how many states a chain holds; None: one
    integrator: bool = False  # its option `integrator` is the sampler it runs on
    asks: tuple[str, ...] = ()  # what the prior must offer beyond D(x, sigma): its `offers`
    resumes: bool = False  # its keyword `resumed` is given where a run that was cut off stands
    ties: str | None = None  # its option that names an axis: slices across it are not independent
    regrids: bool = False  # it asks the prior about signals on coarser grids, too

    @property
    def goes_on(self) -> bool:
        """Whether a run that was cut off goes on where it was, not from its first level."""
        return self.memoryless or self.resumes

    def __post_init__(self):
        if isinstance(self.asks, str):
            raise TypeError(f"asks is a tuple of names, got the text '{self.asks}'")


def sampler(
    *,
    law: bool = False,
    memoryless: bool = False,
    particles: str | None = None,
    integrator: bool = False,
    asks: tuple[str, ...] = (),
    resumes: bool = False,
    ties: str | None = None,
    regrids: bool = False,
) -> Callable[[Sampler], Sampler]:
    """The decorator by which a sampler declares its Contract, whose fields are the arguments.

    With law=True the function has a keyword `variance: Law` without a default: the driver fills it
    in, and a direct call that leaves it out has the law of a prior of unit variance. With
    resumes=True it has a keyword `resumed: Resumed`, in the same way: x is then that of the last
    Step, sigmas the whole schedule, and randn_like stands where it stood. TypeError for a function
    that lacks a keyword it declares.
    """
    contract = Contract(law, memoryless, particles, integrator, asks, resumes, ties, regrids)
    given = {**({"variance": UNIT} if law else {}), **({"resumed": AFRESH} if resumes else {})}

    def declared(function: Sampler) -> Sampler:
        function.__kwdefaults__ = {**(function.__kwdefaults__ or {}), **given}
        _refuse_missing_keywords(function, contract)
        return declare(function, lambda options: contract)

    return declared


def declare(function: Sampler, contract: Callable[[Mapping[str, Any]], Contract]) -> Sampler:
    """The sampler itself, with a contract that may depend on the options it is run with."""
    function.contract = contract
    return function


def contract_of(sampler: Sampler, options: Mapping[str, Any] | None = None) -> Contract:
    """What a sampler declared of a run with these options; the default Contract if nothing."""
    declared = getattr(sampler, "contract", None)
    return Contract() if declared is None else declared(options or {})


def states_per_chain(sampler: Sampler, options: Mapping[str, Any]) -> int:
    """How many states each chain holds, by the option that the contract names, or its default."""
    name = contract_of(sampler, options).particles
    if name is None:
        return 1
    return options.get(name, inspect.signature(sampler).parameters[name].default)


def levels(sigmas: Tensor, passed: int = 0) -> Iterator[tuple[float, float]]:
    """(sigma, sigma_next) as plain numbers: coefficients are computed once, on the host.

    passed: how many of them are left out, at the beginning.
    """
    return islice(pairwise(sigmas.tolist()), passed, None)


def _refuse_missing_keywords(function: Sampler, contract: Contract) -> None:
    named = {
        "variance": contract.law,
        "integrator": contract.integrator,
        "resumed": contract.resumes,
    }
    declared = [name for name, wanted in named.items() if wanted]
    declared += [contract.particles] if contract.particles else []
    keywords = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    for name in declared:
        if name not in keywords:
            raise TypeError(f"{function.__name__} declares a keyword '{name}' that it lacks")
