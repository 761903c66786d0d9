"""The diffusion model as a plug-in generator: Wang et al., NeurIPS 2024, arXiv:2405.16749."""

from itertools import pairwise

import torch

from ...measurement.signal import column
from ...priors.prior import linearize
from ..base import Resumed, Step, levels, sampler
from ..parts.descent import Adam, fits, uphill
from ..parts.kernels import ddim_step


@sampler(resumes=True)
def dmplug(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    generator_steps: int = 3,
    travel: float = 20.0,
    resumed: Resumed,
):
    """Equation 6: the first noise z, so that a few deterministic steps R lead it to the data.

    Every level of the schedule is one step of Adam on |y - A(R(z))|^2, whose length falls to zero;
    a chain stops where the residual is as large as the noise. R(z) is the sample: noise enters
    by the first z alone. No posterior: for a white Gaussian prior and 100 levels the mean is 0.36
    to 0.45 posterior standard deviations off and the variance 0.24 to 0.65 of the posterior's.

    generator_steps: DDIM steps of R, each a network call and a pullback.
    travel: how far the steps of Adam can take a value of z in all, in its standard deviations.
    """
    table = sigmas.tolist()
    count = len(table) - 1
    parts = min(generator_steps, count)
    path = [table[round(i * count / parts)] for i in range(parts + 1)]

    def generate(z, top):
        for sigma, sigma_next in pairwise(path):
            denoised = denoise(z, sigma)
            z = ddim_step(z, denoised, sigma, sigma_next, randn_like).x
        return z

    x, *moments = resumed.carried or (x,)
    adam, passed = Adam(0.9, 0.999, *moments), resumed.passed
    for index, (sigma, _) in enumerate(levels(sigmas, passed), passed):
        generated, pullback = linearize(generate, x, table[0])
        length = 2 * travel / count * table[0] * (1 - index / count)
        further = adam(x, pullback(uphill(measurement, generated)), length)
        x = torch.where(column(fits(measurement, generated), x), x, further)
        yield Step(generated, generated, sigma, carried=(x, *adam.moments))
