"""Restart sampling: Xu et al., NeurIPS 2023, arXiv:2306.14878."""

from ...priors.prior import Law
from ..base import Resumed, sampler
from ..parts.kernels import jump
from .integrators import heun


@sampler(law=True, resumes=True)
def restart(
    denoise,
    measurement,
    x,
    sigmas,
    randn_like,
    *,
    repeats: int = 3,
    low: float = 0.1,
    high: float = 1.0,
    variance: Law,
    resumed: Resumed,
):
    """Algorithm 1 with one interval: Heun steps down, noise back up, down again.

    The noise forgets the errors made so far, the steps between add few. The measurement is not
    looked at.

    repeats: K, how often the interval is run again.
    low, high: sigma_min and sigma_max of the interval, in units of the signal's std.
    variance: r^2(sigma), whose value at the first level is that std^2; the prior's law.
    """
    std = variance(sigmas[0].item()) ** 0.5
    inside = ((sigmas >= low * std) & (sigmas <= high * std)).nonzero().flatten().tolist()
    if len(inside) < 2:
        yield from heun(denoise, measurement, x, sigmas, randn_like, resumed=resumed)
        return
    again = sigmas[inside]
    before, after = sigmas[: inside[-1] + 1], sigmas[inside[-1] :]
    passed = resumed.passed
    for turn, part in enumerate((before, *[again] * repeats, after)):
        here, passed = min(passed, len(part) - 1), max(0, passed - len(part) + 1)
        if 0 < turn <= repeats and here == 0:
            x = jump(x, again[-1].item(), again[0].item(), randn_like)
        for step in heun(denoise, measurement, x, part[here:], randn_like):
            x = step.x
            yield step
