"""Free Hunch: Rissanen, Heinonen & Solin, ICLR 2025, arXiv:2410.11149."""

from ...measurement.measurement import Measurement
from ...priors.prior import Denoiser, Law
from ..guidance import Remembering, guided
from ..parts.covariance import pull
from ..parts.hunch import Hunch, power_law
from ..parts.safe_steps import shortened, widened


@guided(law=True, remembers=True)
def free_hunch(
    denoise: Denoiser,
    measurement: Measurement,
    *,
    updates: int = 8,
    solver_steps: int = 30,
    variance: Law,
) -> Remembering:
    """p(x0 | x) ~ N(D, C): D_y = D + C A^H (std^2 + A C A^H)^-1 (y - A D), C without a Jacobian.

    C is diagonal in cosines at first, then corrected along the path by what the network's answers
    say of it (`restore/samplers/parts/hunch.py`). Exact where x0 is Gaussian with that covariance.
    The paper measures the variances of the cosines on photographs; here they fall with a power of
    frequency, the one that explains the prior's law best, for signals of any kind: 2.7 for
    `image-grey`. Where values that are neighbours have nothing in common it is a wrong guess.
    As in the other guidances, moves are cut where they would pass by the data.

    updates: space updates, the first so many, of which each keeps two signals a chain; with 0 C
    stays as guessed.
    solver_steps: conjugate gradients among the measured numbers, which call no network.
    variance: r^2(sigma), the prior's law.
    """
    hunch = Hunch(power_law(measurement.operator.in_shape, variance), updates)

    def conditional(x, sigma):
        estimate = hunch(denoise, x, sigma)
        gain = pull(measurement, estimate, max_steps=solver_steps, rtol=1e-3)
        move, denoised = estimate.times(gain), estimate.denoised
        return denoised + shortened(measurement, denoised, move, *widened(measurement, denoised))

    return Remembering(conditional, hunch)
