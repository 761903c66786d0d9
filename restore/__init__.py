"""restore: samples from the posterior p(x | y) of any signal, with any prior and any operator.

The names below are the public face, for those who use restore and those who write plugins for it;
each is imported when it is first asked for.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if "torch" not in sys.modules:  # OpenMP reads it once, as torch is loaded
    # threads that wait sleep, so that two runs on one machine do not stand in each other's way
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_FACE = {
    # y = A(x) + noise
    "Measurement": "measurement.measurement",
    "simulate": "measurement.measurement",
    "stack": "measurement.measurement",
    "NoiseModel": "measurement.noise",
    "Gaussian": "measurement.noise",
    "Poisson": "measurement.noise",
    "Transmission": "measurement.not_gaussian",
    "Rician": "measurement.not_gaussian",
    "Speckle": "measurement.not_gaussian",
    "LogSpeckle": "measurement.not_gaussian",
    "Quantised": "measurement.not_gaussian",
    "Clipped": "measurement.not_gaussian",
    "Operator": "measurement.operator",
    "LinearOperator": "measurement.operator",
    # p(x)
    "Prior": "priors.prior",
    "linearize": "priors.prior",
    "from_scipy": "measurement.foreign",
    "from_deepinv": "measurement.foreign",
    "as_deepinv_denoiser": "priors.for_deepinv",
    "gaussian": "priors.exact",
    "mixture": "priors.exact",
    "dataset": "priors.exact",
    "adapted": "priors.adapted",
    "complex_valued": "priors.combined.complex_valued",
    "conditioned": "priors.combined.conditioned",
    "diverse": "priors.combined.diverse",
    "joint": "priors.combined.joint",
    "latent": "priors.combined.latent",
    "normalised": "priors.combined.normalised",
    "opponent": "priors.combined.opponent",
    "perpendicular": "priors.combined.sliced",
    "sliced": "priors.combined.sliced",
    "tiled": "priors.combined.tiled",
    "tuned": "priors.tuned",
    # a network as a denoiser
    "from_blind": "networks.parameterisations",
    "from_edm": "networks.parameterisations",
    "from_eps": "networks.parameterisations",
    "from_flow": "networks.parameterisations",
    "from_v": "networks.parameterisations",
    "from_x0": "networks.parameterisations",
    # p(x | y)
    "Step": "samplers.base",
    "levels": "samplers.base",
    "sampler": "samplers.base",
    "guided": "samplers.guidance",
    "published": "samplers.published",
    "sample": "sampling.by_name",
    "iterate": "sampling.by_name",
    "load_prior": "sampling.by_name",
    "load_operator": "sampling.by_name",
    "load_sampler": "sampling.by_name",
    "Posterior": "sampling.posterior",
    "Trace": "sampling.watchers",
    "until_discrepancy": "sampling.watchers",
    # a plugin
    "hook": "plugins.hookspecs",
    "Material": "networks.material",
    "Recipe": "files.task",
    "Record": "files.task",
    "SamplerChoice": "files.task",
    "Comparison": "files.task",
    "Split": "sampling.held_out",
    "thinned": "sampling.thinning",
    "Task": "files.task",
}

__all__ = sorted(_FACE)

if TYPE_CHECKING:
    from .files.task import Comparison, Recipe, Record, SamplerChoice, Task
    from .measurement.foreign import from_deepinv, from_scipy
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
    from .networks.material import Material
    from .networks.parameterisations import (
        from_blind,
        from_edm,
        from_eps,
        from_flow,
        from_v,
        from_x0,
    )
    from .plugins.hookspecs import hook
    from .priors.adapted import adapted
    from .priors.combined.complex_valued import complex_valued
    from .priors.combined.conditioned import conditioned
    from .priors.combined.diverse import diverse
    from .priors.combined.joint import joint
    from .priors.combined.latent import latent
    from .priors.combined.normalised import normalised
    from .priors.combined.opponent import opponent
    from .priors.combined.sliced import perpendicular, sliced
    from .priors.combined.tiled import tiled
    from .priors.exact import dataset, gaussian, mixture
    from .priors.for_deepinv import as_deepinv_denoiser
    from .priors.prior import Prior, linearize
    from .priors.tuned import tuned
    from .samplers.base import Step, levels, sampler
    from .samplers.guidance import guided
    from .samplers.published import published
    from .sampling.by_name import iterate, load_operator, load_prior, load_sampler, sample
    from .sampling.held_out import Split
    from .sampling.posterior import Posterior
    from .sampling.thinning import thinned
    from .sampling.watchers import Trace, until_discrepancy


def __getattr__(name: str) -> Any:
    if name not in _FACE:
        raise AttributeError(f"module 'restore' has no attribute '{name}'")
    value = getattr(importlib.import_module(f".{_FACE[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_FACE])
