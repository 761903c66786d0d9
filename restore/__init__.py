"""restore: samples from the posterior p(x | y) of any signal, with any prior and any operator.

The names below are the public face; each is imported when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

_FACE = {
    "Measurement": "measurement.measurement",
    "simulate": "measurement.measurement",
    "stack": "measurement.measurement",
    "Gaussian": "measurement.noise",
    "Poisson": "measurement.noise",
    "NoiseModel": "measurement.noise",
    "Transmission": "measurement.not_gaussian",
    "Rician": "measurement.not_gaussian",
    "Speckle": "measurement.not_gaussian",
    "LogSpeckle": "measurement.not_gaussian",
    "Quantised": "measurement.not_gaussian",
    "Clipped": "measurement.not_gaussian",
    "Operator": "measurement.operator",
    "LinearOperator": "measurement.operator",
    "Posterior": "sampling.posterior",
    "Prior": "priors.prior",
    "linearize": "priors.prior",
    "gaussian": "priors.exact",
    "mixture": "priors.exact",
    "dataset": "priors.exact",
    "joint": "priors.combined.joint",
    "normalised": "priors.combined.normalised",
    "perpendicular": "priors.combined.sliced",
    "conditioned": "priors.combined.conditioned",
    "adapted": "priors.adapted",
    "complex_valued": "priors.combined.complex_valued",
    "diverse": "priors.combined.diverse",
    "sliced": "priors.combined.sliced",
    "tiled": "priors.combined.tiled",
    "sample": "sampling.by_name",
    "iterate": "sampling.by_name",
    "load_prior": "sampling.by_name",
    "load_operator": "sampling.by_name",
    "load_sampler": "sampling.by_name",
    "Trace": "sampling.watchers",
    "until_discrepancy": "sampling.watchers",
}

__all__ = sorted(_FACE)

if TYPE_CHECKING:
    from .measurement.measurement import Measurement, simulate, stack
    from .measurement.noise import Gaussian, NoiseModel, Poisson
    from .measurement.not_gaussian import (
        Clipped,
        LogSpeckle,
        Quantised,
        Rician,
        Speckle,
        Transmission,
    )
    from .measurement.operator import LinearOperator, Operator
    from .priors.adapted import adapted
    from .priors.combined.complex_valued import complex_valued
    from .priors.combined.conditioned import conditioned
    from .priors.combined.diverse import diverse
    from .priors.combined.joint import joint
    from .priors.combined.normalised import normalised
    from .priors.combined.sliced import perpendicular, sliced
    from .priors.combined.tiled import tiled
    from .priors.exact import dataset, gaussian, mixture
    from .priors.prior import Prior, linearize
    from .sampling.by_name import iterate, load_operator, load_prior, load_sampler, sample
    from .sampling.posterior import Posterior
    from .sampling.watchers import Trace, until_discrepancy


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module 'restore' has no attribute '{name}'")
    value = getattr(importlib.import_module(f".{_FACE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_FACE])
