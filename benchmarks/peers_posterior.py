"""deepinv 0.5 on problems with exact posteriors, with the same exact denoiser and operator.

deepinv is no dependency: install it in an environment of its own, with restore on its path.
"""

import time
from collections.abc import Iterator

import torch
from torch import Tensor

from restore.cases import Case
from restore.measurement import Measurement
from restore.prior import Prior
from restore.verify import Row, measured

NAMES = ("DPS", "DDRM", "DiffPIR", "PiGDM", "MomentMatching")


def rows(case: Case, exact: Tensor, steps: int) -> Iterator[Row]:
    """Rows of deepinv's samplers; none where it is absent. Signals are scaled to unit variance,
    for which its schedules are made."""
    peer = _Peer.of(case.measurement, case.prior, steps)
    for name in NAMES if peer else ():
        label, started = f"deepinv {name}", time.perf_counter()
        try:
            samples = peer.run(name, len(exact))
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            yield Row("", label, reason=f"{type(error).__name__}: {error}".splitlines()[0])
            continue
        seconds = time.perf_counter() - started
        yield measured(case, samples.flatten(1).double(), exact, "", label, seconds=seconds)


def overhead(measurement: Measurement, prior: Prior, steps: int) -> list[list[str]]:
    """Milliseconds a step of one chain, its (small) denoiser included."""
    peer = _Peer.of(measurement, prior, steps)
    found = []
    for name in NAMES if peer else ():
        started = time.perf_counter()
        try:
            peer.run(name, 1)
        except (RuntimeError, ValueError, TypeError, AttributeError) as error:
            found.append([f"deepinv {name}", type(error).__name__])
            continue
        spent = time.perf_counter() - started
        found.append([f"deepinv {name}", f"{1000 * spent / steps:.2f}"])
    return found


class _Peer:
    """deepinv's samplers on signals (batch, 1, 1, n) of unit variance."""

    def __init__(self, deepinv, measurement: Measurement, prior: Prior, steps: int):
        self.deepinv, self.measurement, self.prior, self.steps = deepinv, measurement, prior, steps
        self.shape = measurement.operator.in_shape
        self.size = torch.Size(self.shape).numel()
        self.scale = prior.sigma_max / 100  # the widest direction of an exact prior
        self.std = measurement.noise.std
        basis = torch.eye(self.size).reshape(-1, *self.shape)
        self.matrix = self.scale * measurement.operator(basis).flatten(1).T

    @classmethod
    def of(cls, measurement: Measurement, prior: Prior, steps: int) -> "_Peer | None":
        try:
            import deepinv
        except ImportError:
            return None
        return cls(deepinv, measurement, prior, steps)

    def run(self, name: str, count: int) -> Tensor:
        """`count` samples in restore's units; (count, n)."""
        y = self.measurement.y.float().reshape(1, 1, 1, -1).expand(count, -1, -1, -1)
        with torch.no_grad():
            found = self.sampler(name)(y.contiguous(), self.physics(), seed=0)
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
