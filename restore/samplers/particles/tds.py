"""Twisted diffusion sampler: Wu et al., NeurIPS 2023, arXiv:2306.17775."""

from math import log

import torch

from ...measurement.signal import column
from ...priors.prior import Law
from ..base import Resumed, Step, levels, sampler
from ..parts.clouds import accept, by_chain, cloud, effective, log_mean, log_ratio, pick, resample
from ..parts.kernels import ancestral_step
from ..parts.twist import twist


@sampler(law=True, particles="particles", resumes=True)
def tds(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    particles: int = 8,
    passes: int = 1,
    jacobian: bool = True,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 1: particles guided by the twist h, weighted by p(x_t | x_s) h_t / (q h_s).

    p is the ancestral step on D extrapolated over half a step from the one before (SDE-DPM-
    Solver++(2M), Lu et al. 2022): on D itself, as in the paper, samples are too narrow (variance
    0.86 at 50 steps), and modes near the mean too heavy.

    particles: K, in each chain. One is a guided sampler without weights; with the exact covariance
    in the twist 4 come near the floor on mixtures, with an isotropic one hundreds do not.
    passes: runs of the whole cloud; after the first, a run's sample is taken with the ratio of its
    evidence to that of the one held (particle independent Metropolis-Hastings, Andrieu, Doucet &
    Holenstein 2010). Exact in the limit of passes, too, and they cost time but no memory:
    particles=1, passes=8 needs that of a guided sampler.
    jacobian: the twist's covariance of x0 is sigma^2 J, by one pullback for each measured number
    (at most 49 where there are many); False: r^2 I by the law `variance`, one pullback.
    """
    if passes < 1:
        raise ValueError(f"need at least 1 pass, got {passes}")
    h = twist(denoise, measurement, None if jacobian else variance)
    x, held, inside = resumed.carried or (x, None, ())
    done, passed = divmod(resumed.passed, len(sigmas) - 1)
    for turn in range(done, passes):
        stands = Resumed(passed, inside) if passed and turn == done else Resumed()
        for step, evidence in _pass(h, x, sigmas, randn_like, particles, stands):
            if step.sigma == sigmas[-2].item():
                if held is not None:
                    accepted = accept(evidence - held[1], randn_like)
                    step = step._replace(x=torch.where(column(accepted, x), step.x, held[0]))
                    evidence = torch.where(accepted, evidence, held[1])
                held = step.x, evidence
            yield step._replace(carried=(x, held, step.carried))


def _pass(h, x, sigmas, randn_like, particles: int, resumed: Resumed):
    """Steps of one cloud, each with log of the evidence p(y) so far, up to a constant."""
    begun = (*cloud(x, particles), 0.0, 0.0, None)
    x, log_weights, evidence, promised, before = resumed.carried or begun
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        now = h(x, sigma)
        log_weights = log_weights + by_chain(now.log, log_weights) - promised
        ess, evidence = effective(log_weights), evidence + log_mean(log_weights)
        index, log_weights = resample(log_weights, randn_like)
        evidence = evidence - log_mean(log_weights)
        x, denoised, guided = x[index], now.denoised[index], now.guided[index]
        promised = by_chain(now.log[index], log_weights)
        step = log(sigma / sigma_next) if sigma_next > 0 else 0.0
        ahead = 0.0
        if before is not None:
            ahead = step / (2 * before[1]) * (denoised - before[0][index])
        before = denoised, step
        move = ancestral_step(x, guided + ahead, sigma, sigma_next, randn_like)
        # p and q are normal, of one std, their means (1 - (t / s)^2) (D_y - D) apart
        apart = (1 - (sigma_next / sigma) ** 2) * (guided - denoised)
        log_weights = log_weights + by_chain(log_ratio(move, apart), log_weights)
        x, one = move.x, pick(log_weights, randn_like)
        carried = x, log_weights, evidence, promised, before
        yield Step(x[one], guided[one], sigma, ess, carried), evidence + log_mean(log_weights)
