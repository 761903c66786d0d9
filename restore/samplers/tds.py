"""Twisted diffusion sampler: Wu et al., NeurIPS 2023, arXiv:2306.17775."""

from ..prior import Law, isotropic
from .base import Step, levels
from .particles import by_chain, cloud, effective, pick, resample
from .twist import twist
from .walk import Walk

UNIT = isotropic(1.0)


def tds(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    particles: int = 8,
    jacobian: bool = True,
    variance: Law = UNIT,
):
    """Algorithm 1: particles guided by the twist h, weighted by p(x_t | x_s) h_t / (q h_s).

    particles: K, in each chain. One is a guided sampler without weights; with the exact covariance
    in the twist 4 come near the floor on mixtures, with an isotropic one hundreds do not.
    jacobian: the twist's covariance of x0 is sigma^2 J, by one pullback for each measured number
    (at most 49 where there are many); False: r^2 I by the law `variance`, one pullback.
    """
    h, walk = twist(denoise, measurement, None if jacobian else variance), Walk(measurement)
    x, log_weights = cloud(x, particles)
    promised = 0.0
    for sigma, sigma_next in levels(sigmas):
        now = h(x, sigma)
        log_weights = log_weights + by_chain(now.log, log_weights) - promised
        ess = effective(log_weights)
        index, log_weights = resample(log_weights, randn_like)
        x, denoised, guided = x[index], now.denoised[index], now.guided[index]
        promised = by_chain(now.log[index], log_weights)
        x, ratio = walk(x, denoised, guided, sigma, sigma_next, variance(sigma), randn_like)
        log_weights = log_weights + by_chain(ratio, log_weights)
        one = pick(log_weights, randn_like)
        yield Step(x[one], guided[one], sigma, ess)
