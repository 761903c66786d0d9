"""Stochastic control guidance: Huang et al., ICML 2024, arXiv:2402.14285; no derivatives."""

from ..base import Resumed, Step, levels, sampler
from ..parts.clouds import cloud, refuse_no_density
from ..parts.kernels import ancestral_step


@sampler(particles="particles", resumes=True)
def scg(denoise, measurement, x, sigmas, randn_like, *, particles: int = 16, resumed: Resumed):
    """Algorithm 1: of several ancestral steps the one whose estimate explains y best is taken.

    Needs only forward calls of the operator, and takes any noise with a density.

    particles: n, candidates a step, each a network call's row.
    """
    refuse_no_density(measurement)
    (denoised,) = resumed.carried or (denoise(x, sigmas[0].item()),)
    for sigma, sigma_next in levels(sigmas, resumed.passed):
        if sigma_next == 0:
            yield Step(denoised, denoised, sigma)
            return
        (many, equal), (estimates, _) = cloud(x, particles), cloud(denoised, particles)
        many = ancestral_step(many, estimates, sigma, sigma_next, randn_like).x
        estimates = denoise(many, sigma_next)
        fit = measurement.log_likelihood(estimates).reshape(equal.shape)
        best = fit.argmax(1) + particles * fit.new_ones(len(fit)).cumsum(0).long() - particles
        x, denoised = many[best], estimates[best]
        yield Step(x, denoised, sigma, carried=(denoised,))
