"""deepinv 0.5 on the same problems, with the same prior and the same (exact) operators.

deepinv is no dependency: install it in an environment of its own, with restore on its path.
"""

import time

import numpy as np
import torch

from .tables import quality


def rows(bench, images, parts, prior, given) -> list[list[object]]:
    """Rows of deepinv's samplers, in the columns of benchmarks.images; none where it is absent."""
    try:
        import deepinv
    except ImportError:
        return [["deepinv", "not installed", "", "", "", ""]]

    table = []
    for name, sampler in _samplers(deepinv, prior, bench.std, given.steps).items():
        started = time.perf_counter()
        means, firsts, covered = [], [], []
        for x, measurement in zip(images, parts, strict=True):
            physics = _physics(deepinv, measurement.operator, bench.std)
            y = measurement.y.float()
            samples = torch.cat(
                [sampler(y, physics, seed=1 + c).float() for c in range(given.chains)]
            )
            means.append(samples.mean(0))
            firsts.append(samples[0])
            low, high = torch.quantile(samples, torch.tensor([0.05, 0.95]), dim=0)
            covered.append(((low <= x) & (x <= high)).double().mean().item())
        table.append(
            [
                f"deepinv {name}",
                quality(means, images),
                quality(firsts, images),
                f"{100 * np.mean(covered):.0f} %",
                "",
                f"{time.perf_counter() - started:.0f}",
            ]
        )
        print(table[-1], flush=True)
    return table


def _samplers(deepinv, prior, std: float, steps: int) -> dict:
    same = denoiser(deepinv, prior)
    sampling = deepinv.sampling

    def diffpir(trust: float):
        return sampling.DiffPIR(same, deepinv.optim.L2(), sigma=std, max_iter=steps, lambda_=trust)

    def posterior(term):
        return sampling.PosteriorDiffusion(
            data_fidelity=term,
            denoiser=same,
            sde=sampling.VariancePreservingDiffusion(alpha=1.0),
            solver=sampling.AncestralSolver(
                t_start=1.0, t_end=0.0, num_steps=steps, rng=torch.Generator()
            ),
            dtype=torch.float32,
        )

    return {
        "DiffPIR (default, lambda 7)": diffpir(7.0),
        "DiffPIR (lambda 1)": diffpir(1.0),
        "PiGDM": posterior(sampling.PiGDMDataFidelity()),
    }


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
