"""RePaint: Lugmayr et al., CVPR 2022, arXiv:2201.09865; noisy measurements too."""

import torch

from ...measurement.measurement import Measurement
from ...measurement.noise import Gaussian
from ...measurement.operator import LinearOperator
from ...measurement.signal import norm
from ..base import Resumed, Step, sampler
from ..parts.kernels import ancestral_step, jump, travel


@sampler(resumes=True)
def repaint(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    jump_length: int = 10,
    repeats: int = 10,
    resumed: Resumed,
):
    """Algorithm 1 with the jumps of section 4.2; for operators that copy a part of the signal.

    At every level the measured part of x is replaced by the measurement, noised to that level.
    y is itself what the diffusion shows of that part at sigma = std, so a step that passes std
    sets out from y, and jumps below std are drawn on the bridge to y. Every block of levels is run
    again and again, so that the rest agrees with the measured part: exact in the limit of short
    steps and many repeats.

    jump_length: j, levels in a block. repeats: r, how often each block is run.
    """
    _refuse_all_but_copies(measurement)
    operator, y = measurement.operator, measurement.expanded(len(x))
    std = torch.as_tensor(measurement.noise.on(y), dtype=x.dtype, device=x.device)
    for lower, sigma, sigma_next in travel(sigmas, jump_length, repeats)[resumed.passed :]:
        if lower is not None:
            x = _returned(x, lower, sigma, y, std, operator, randn_like(x))
        known = y + (sigma**2 - std**2).clamp(min=0).sqrt() * randn_like(y)
        x = _pasted(x, known, std <= sigma, operator)
        denoised, fresh = denoise(x, sigma), randn_like(x)
        x = ancestral_step(x, denoised, sigma, sigma_next, lambda _, n=fresh: n).x
        known = _bridge(operator(denoised), 0.0, y, std, sigma_next, operator(fresh))
        x = _pasted(x, known, (std <= sigma) & (std >= sigma_next), operator)
        yield Step(x, denoised, sigma)


def _returned(x, sigma: float, sigma_higher: float, y, std, operator, fresh):
    """x, forward from sigma to sigma_higher."""
    known = _bridge(operator(x), sigma, y, std, sigma_higher, operator(fresh))
    x = jump(x, sigma, sigma_higher, lambda _: fresh)
    return _pasted(x, known, std > sigma_higher, operator)


def _bridge(start, sigma: float, y, std, sigma_next: float, fresh):
    """The measured part at sigma_next, between its value at sigma and y at std: Brownian motion
    in sigma^2. A value without meaning unless sigma <= sigma_next <= std."""
    way = (std**2 - sigma**2).clamp(min=torch.finfo(y.real.dtype).tiny)
    share = torch.where(std > sigma, (sigma_next**2 - sigma**2) / way, 1.0)
    nu = (share * (std**2 - sigma_next**2)).clamp(min=0).sqrt()
    return start + share * (y - start) + nu * fresh


def _pasted(x, known, where, operator):
    """x with its measured part replaced where the condition holds."""
    return x + operator.adjoint(where * (known - operator(x)))


def _refuse_all_but_copies(measurement: Measurement) -> None:
    """ValueError unless A^H A is a projection and the noise Gaussian.

    Where the noise differs between values, each value must be a copy: A A^H is 0 or 1 for each.
    """
    operator, noise = measurement.operator, measurement.noise
    like = measurement.y
    if not isinstance(noise, Gaussian):
        raise ValueError(f"repaint needs Gaussian noise, not {noise}")
    if isinstance(operator, LinearOperator):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(measurement.observations, *operator.in_shape, generator=generator)
        once = operator.normal(x.to(like.device))
        copies = bool((norm(operator.normal(once) - once) <= 1e-4 * norm(once)).all())
        if copies and (_one_level(noise, like) or _copies_each(operator, like)):
            return
    raise ValueError(f"repaint needs an operator that copies a part of the signal, not {operator}")


def _copies_each(operator: LinearOperator, like) -> bool:
    """Whether A A^H leaves each measured number as it is, or drops it."""
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(like.shape, dtype=like.dtype, generator=generator).to(like.device)
    found = operator(operator.adjoint(probe))
    return bool(((found - probe).abs() * found.abs() <= 1e-4 * probe.abs().square()).all())


def _one_level(noise: Gaussian, like) -> bool:
    std = noise.on(like)
    return isinstance(std, float) or all(n == 1 for n in std.shape[1:])
