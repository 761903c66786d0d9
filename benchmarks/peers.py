"""deepinv 0.5 on the same problems, with the same prior and the same (exact) operators.

deepinv is no dependency: install it in an environment of its own, with restore on its path.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from restore.measurement.measurement import Measurement

# at most six settings each; deepinv's own first
DDRM = [{"eta": eta, "levels": levels} for eta in (0.85, 1.0) for levels in ("linear", "geometric")]
DIFFPIR = [
    {"lambda_": weight, "zeta": zeta}
    for weight, zeta in ((7.0, 0.1), (7.0, 1.0), (20.0, 1.0), (60.0, 1.0), (20.0, 0.3), (2.0, 0.3))
]
MATCHING = [{}]  # one run takes as long as all that the others try
HIGHEST = 1.0  # noise level that DDRM begins from


@dataclass(frozen=True)
class Contender:
    """A posterior sampler, ours or another's, with the settings that it chooses from."""

    name: str
    sample: Callable[[Measurement, int, Mapping], Tensor]  # data, chains, setting -> samples
    settings: Sequence[Mapping]


def contenders(prior, steps: int) -> Iterator[Contender]:
    """deepinv's samplers as contenders of benchmarks.images; none where it is absent."""
    try:
        import deepinv
    except ImportError:
        return
    same = denoiser(deepinv, prior)
    for name, build, physics, settings in (
        ("deepinv DDRM", ddrm, _decomposed, DDRM),
        ("deepinv DiffPIR", diffpir, _physics, DIFFPIR),
        ("deepinv MomentMatching", moment_matching, _physics, MATCHING),
    ):
        yield Contender(name, _each(deepinv, build, physics, same, steps), settings)


def _each(
    deepinv, build, physics, same, steps: int
) -> Callable[[Measurement, int, Mapping], Tensor]:
    """All chains as one batch; deepinv's seed 0 is none."""

    def sample(measurement: Measurement, chains: int, setting: Mapping) -> Tensor:
        std = measurement.noise.std
        sampler = build(deepinv, same, std, steps, **setting)
        y = measurement.y.float().repeat(chains, 1, 1, 1)
        return sampler(y, physics(deepinv, measurement.operator, std), seed=1).float()

    return sample


def ddrm(deepinv, same, std: float, steps: int, *, eta: float, levels: str):
    """Its own levels are linear and end at 0, where a network cannot be asked."""
    found = np.linspace(HIGHEST, 0, steps + 1)[:-1]
    if levels == "geometric":
        found = np.geomspace(HIGHEST, 0.01, steps)
    return deepinv.sampling.DDRM(same, sigmas=found, eta=eta)


def diffpir(deepinv, same, std: float, steps: int, *, lambda_: float, zeta: float):
    return deepinv.sampling.DiffPIR(
        same, deepinv.optim.L2(), sigma=std, max_iter=steps, lambda_=lambda_, zeta=zeta
    )


def moment_matching(deepinv, same, std: float, steps: int):
    sampling = deepinv.sampling
    return sampling.PosteriorDiffusion(
        data_fidelity=sampling.MomentMatchingDataFidelity(),
        denoiser=same,
        sde=sampling.VariancePreservingDiffusion(alpha=1.0),
        solver=sampling.AncestralSolver(
            t_start=1.0, t_end=0.0, num_steps=steps, rng=torch.Generator()
        ),
        dtype=torch.float32,
    )


def denoiser(deepinv, prior):
    """The prior as one of deepinv's models."""

    class Same(deepinv.models.Denoiser):
        """restore's prior, clamped to the noise levels that it was trained for."""

        def forward(self, x, sigma=None, **_):
            sigma = torch.as_tensor(sigma, dtype=torch.float32).flatten()
            sigma = sigma.clamp(prior.sigma_min, prior.sigma_max)
            return prior.denoise(x.float(), sigma if len(sigma) > 1 else sigma[0]).to(x.dtype)

    return Same()


def _physics(deepinv, operator, std: float):
    class Same(deepinv.physics.LinearPhysics):
        """restore's operator with its exact adjoint and proximal step."""

        def A(self, x, **_):
            return operator(x.float()).to(x.dtype)

        def A_adjoint(self, y, **_):
            return operator.adjoint(y.float()).to(y.dtype)

        def prox_l2(self, z, y, gamma, **_):
            gamma = float(gamma)
            b = operator.adjoint(y.float()) + z.float() / gamma
            return operator.solve_normal(b, 1 / gamma).to(z.dtype)

    return Same(img_size=operator.in_shape, noise_model=deepinv.physics.GaussianNoise(sigma=std))


def _decomposed(deepinv, operator, std: float):
    """restore's operator by its singular vectors."""
    spectral = operator.svd()
    values = spectral.values.float().expand(operator.in_shape)[None]
    inverse = torch.where(values > 0, 1 / values, 0.0)
    return deepinv.physics.DecomposablePhysics(
        U=lambda c: operator(spectral.to_signal(inverse * c)),
        U_adjoint=lambda y: spectral.from_measurement(y).clone(),
        V=spectral.to_signal,
        V_adjoint=spectral.from_signal,
        mask=values,
        noise_model=deepinv.physics.GaussianNoise(sigma=std),
    )
