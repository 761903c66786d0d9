"""restore: samples from the posterior p(x | y) of any signal, with any prior and any operator.

The names below are the public face; each is imported when it is first asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

_FACE = {
    "Measurement": "measurement",
    "simulate": "measurement",
    "stack": "measurement",
    "Gaussian": "noise",
    "Poisson": "noise",
    "NoiseModel": "noise",
    "Transmission": "likelihoods",
    "Rician": "likelihoods",
    "Speckle": "likelihoods",
    "LogSpeckle": "likelihoods",
    "Quantised": "likelihoods",
    "Clipped": "likelihoods",
    "Operator": "operator",
    "LinearOperator": "operator",
    "Posterior": "posterior",
    "Prior": "prior",
    "linearize": "prior",
    "gaussian": "priors.exact",
    "mixture": "priors.exact",
    "dataset": "priors.exact",
    "joint": "priors.joint",
    "normalised": "priors.normalised",
    "perpendicular": "priors.sliced",
    "conditioned": "priors.conditioned",
    "adapted": "priors.adapted",
    "complex_valued": "priors.complex_valued",
    "diverse": "priors.diverse",
    "sliced": "priors.sliced",
    "tiled": "priors.tiled",
    "sample": "face",
    "iterate": "face",
    "load_prior": "face",
    "load_operator": "face",
    "load_sampler": "face",
    "Trace": "watchers",
    "until_discrepancy": "watchers",
}

__all__ = sorted(_FACE)

if TYPE_CHECKING:
    from .face import iterate, load_operator, load_prior, load_sampler, sample
    from .likelihoods import Clipped, LogSpeckle, Quantised, Rician, Speckle, Transmission
    from .measurement import Measurement, simulate, stack
    from .noise import Gaussian, NoiseModel, Poisson
    from .operator import LinearOperator, Operator
    from .posterior import Posterior
    from .prior import Prior, linearize
    from .priors.adapted import adapted
    from .priors.complex_valued import complex_valued
    from .priors.conditioned import conditioned
    from .priors.diverse import diverse
    from .priors.exact import dataset, gaussian, mixture
    from .priors.joint import joint
    from .priors.normalised import normalised
    from .priors.sliced import perpendicular, sliced
    from .priors.tiled import tiled
    from .watchers import Trace, until_discrepancy


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module 'restore' has no attribute '{name}'")
    value = getattr(importlib.import_module(f".{_FACE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_FACE])
