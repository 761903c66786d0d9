"""deepinv 0.5 on problems with exact posteriors, with the same exact denoiser and operator.

deepinv is no dependency: install it in an environment of its own, with restore on its path.
"""

import importlib.util
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from restore.measurement.measurement import Measurement
from restore.priors.prior import Prior
from restore.testing.cases import Case
from restore.testing.verify import Row, row_of

FAILURES = (RuntimeError, ValueError, TypeError, AttributeError)
NAMES = ("DPS", "DDRM", "DiffPIR", "PiGDM", "MomentMatching")


def available() -> tuple[str, ...]:
    """The names of its samplers; none where it is absent."""
    return NAMES if importlib.util.find_spec("deepinv") else ()


def attempt(name: str, steps: int) -> Callable[[Case, Tensor, int], Row]:
    """(case, exact draws, seed) -> Row of one of its samplers. Signals are scaled to unit variance,
    for which its schedules are made."""
    label = f"deepinv {name}"

    def run(case: Case, exact: Tensor, seed: int) -> Row:
        peer = _Peer(case.measurement, case.prior, steps)
        try:
            samples = peer.run(name, len(exact), seed)
        except FAILURES as error:
            return Row("", label, reason=f"{type(error).__name__}: {error}".splitlines()[0])
        return row_of(case, samples.flatten(1).double(), exact, "", label)

    return run


def runs(measurement: Measurement, prior: Prior, steps: int) -> dict[str, Callable[[], Tensor]]:
    """One chain of each of its samplers, to be timed."""
    if not available():
        return {}
    peer = _Peer(measurement, prior, steps)
    return {f"deepinv {name}": partial(peer.run, name, 1) for name in NAMES}


class _Peer:
    """deepinv's samplers on signals (batch, 1, 1, n) of unit variance."""

    def __init__(self, measurement: Measurement, prior: Prior, steps: int):
        import deepinv

        self.deepinv, self.measurement, self.prior, self.steps = deepinv, measurement, prior, steps
        self.shape = measurement.operator.in_shape
        self.size = torch.Size(self.shape).numel()
        self.scale = prior.sigma_max / 100  # the widest direction of an exact prior
        self.std = measurement.noise.std
        basis = torch.eye(self.size).reshape(-1, *self.shape)
        self.matrix = self.scale * measurement.operator(basis).flatten(1).T

    def run(self, name: str, count: int, seed: int = 0) -> Tensor:
        """`count` samples in restore's units; (count, n)."""
        y = self.measurement.y.float().reshape(1, 1, 1, -1).expand(count, -1, -1, -1)
        with torch.no_grad():
            found = self.sampler(name)(y.contiguous(), self.physics(), seed=seed)
        return self.scale * found.float().reshape(count, -1)

    def sampler(self, name: str):
        sampling, denoiser = self.deepinv.sampling, self.denoiser()
        if name == "DDRM":
            sigmas = torch.linspace(1, 0, self.steps).numpy()
            return sampling.DDRM(denoiser, sigmas=sigmas)
        if name == "DiffPIR":
            fit = self.deepinv.optim.L2()
            return sampling.DiffPIR(denoiser, fit, sigma=self.std, max_iter=self.steps)
        if name == "DPS":
            generator = torch.Generator()
            return sampling.DPS(denoiser, num_steps=self.steps, rng=generator)
        term = {"PiGDM": "PiGDMDataFidelity", "MomentMatching": "MomentMatchingDataFidelity"}[name]
        return sampling.PosteriorDiffusion(
            data_fidelity=getattr(sampling, term)(denoiser=denoiser),
            denoiser=denoiser,
            sde=sampling.VariancePreservingDiffusion(alpha=1.0),
            solver=sampling.AncestralSolver(
                t_start=1.0, t_end=0.0, num_steps=self.steps, rng=torch.Generator()
            ),
            dtype=torch.float32,
        )

    def denoiser(self):
        prior, scale, shape = self.prior, self.scale, self.shape

        class Same(self.deepinv.models.Denoiser):
            def forward(self, x, sigma=None, **_):
                sigma = torch.as_tensor(sigma, dtype=torch.float32).flatten() * scale
                sigma = sigma.clamp(prior.sigma_min, prior.sigma_max)
                flat = scale * x.float().reshape(-1, *shape)
                level = sigma if len(sigma) == len(flat) > 1 else sigma[0]
                return (prior.denoise(flat, level) / scale).reshape(x.shape).to(x.dtype)

        return Same()

    def physics(self):
        m, n = self.matrix.shape
        u, values, vh = torch.linalg.svd(self.matrix)  # the whole of V: the null space counts
        rank = min(m, n)
        u = torch.nn.functional.pad(u[:, :rank], (0, n - rank))
        values = torch.nn.functional.pad(values, (0, n - rank))

        class Same(self.deepinv.physics.DecomposablePhysics):
            """The matrix in its singular basis."""

            def U(self, c, **_):
                return (c.flatten(1) @ u.to(c).T).reshape(len(c), 1, 1, -1)

            def U_adjoint(self, y, **_):
                return (y.flatten(1) @ u.to(y)).reshape(len(y), 1, 1, -1)

            def V(self, c, **_):
                return (c.flatten(1) @ vh.to(c)).reshape(len(c), 1, 1, n)

            def V_adjoint(self, x, **_):
                return (x.flatten(1) @ vh.to(x).T).reshape(len(x), 1, 1, -1)

        noise = self.deepinv.physics.GaussianNoise(sigma=self.std)
        return Same(mask=values.reshape(1, 1, 1, -1), noise_model=noise, img_size=(1, 1, n))
