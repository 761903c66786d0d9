"""Training-free guidance, unified: Ye et al., NeurIPS 2024, arXiv:2409.15761.

Settings of its one algorithm are DPS (guidance 1, refinement 0), LGD's single draw (the same with
spread 1), and the two below.
"""

from torch import Tensor

from ...priors.prior import Law, linearize
from ..base import Step, levels, sampler
from ..parts.kernels import ancestral_step, jump
from ..parts.safe_steps import safe_step, steepest_step


@sampler(law=True, memoryless=True)
def tfg(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    guidance: float = 0.5,
    refinement: float = 0.25,
    spread: float = 0.0,
    iterations: int = 4,
    recurrences: int = 1,
    variance: Law,
):
    """Algorithm 1. By default the two kinds of guidance have half the weight each.

    A Gaussian problem gets 1.6 (small noise) to 0.7 (large) times its variance. The paper's
    schedules of the weights are left out: in units of sigma and r the weights need none.

    guidance: rho, the weight of the gradient through the network ("variance guidance"); 0 spares
    the gradient.
    refinement: mu, the weight of the steps from the estimate ("mean guidance"), in lengths of
    steepest descent for the proximal problem with variance r^2.
    spread: gamma, the width of the draw around D at which the gradient is taken, in units of r.
    iterations: N_iter, steps of the refinement. recurrences: N_recur, times each level is run.
    variance: r^2(sigma), the prior's law.
    """

    def estimate(x: Tensor, sigma: float) -> Tensor:
        r2 = variance(sigma)
        if guidance:
            denoised, pullback = linearize(denoise, x, sigma)
            point = denoised + spread * r2**0.5 * randn_like(x) if spread else denoised
            drift = guidance * safe_step(measurement, point, pullback, sigma)
        else:
            denoised, drift = denoise(x, sigma), 0.0
        if refinement:
            for _ in range(iterations):
                denoised = denoised + refinement * steepest_step(measurement, denoised, r2)
        return denoised + drift

    for sigma, sigma_next in levels(sigmas):
        for turn in range(recurrences):
            if turn:
                x = jump(x, sigma_next, sigma, randn_like)
            denoised = estimate(x, sigma)
            x = ancestral_step(x, denoised, sigma, sigma_next, randn_like).x
        yield Step(x, denoised, sigma)


@sampler(memoryless=True)
def freedom(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    guidance: float = 1.0,
    recurrences: int = 2,
):
    """FreeDoM: Yu et al., ICCV 2023, arXiv:2303.09833; DPS with time travel at every level.

    guidance: weight of the gradient. recurrences: times each level is run.
    """
    return tfg(
        denoise,
        measurement,
        x,
        sigmas,
        randn_like,
        guidance=guidance,
        refinement=0.0,
        recurrences=recurrences,
    )


@sampler(law=True, memoryless=True)
def mpgd(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    refinement: float = 1.0,
    iterations: int = 1,
    variance: Law,
):
    """Manifold-preserving guidance without an autoencoder: He et al., ICLR 2024, arXiv:2311.16424.

    refinement: weight of the step on the estimate. iterations: such steps a level.
    variance: r^2(sigma), the prior's law.
    """
    return tfg(
        denoise,
        measurement,
        x,
        sigmas,
        randn_like,
        guidance=0.0,
        refinement=refinement,
        iterations=iterations,
        variance=variance,
    )
