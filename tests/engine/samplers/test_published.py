"""step=paper: the updates as their papers have them, each against itself written out by hand.

By hand they are in the papers' own, variance-preserving notation: a = 1 / (1 + sigma^2) is alpha
bar, x_vp = sqrt(a) x, and gradients are taken in x_vp. Their bias on the Gaussian acceptance
problem (as in test_guidance) is the table MEASURED: it is theirs, and no test asks for less.
"""

from itertools import pairwise

import pytest
import torch
from click.testing import CliRunner
from direct import plain_noise, run
from problems import Dense, copying, load, moments, sensing

from restore.cli import main
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.plugins.options import parsed
from restore.priors.exact import gaussian
from restore.priors.schedules import karras
from restore.samplers.base import contract_of
from restore.samplers.integrators.integrators import heun
from restore.sampling.loop import sample

WHITE = gaussian(torch.zeros(16), 1.0)
WHITE_6 = gaussian(torch.zeros(6), 1.0)
NAMES = ("dps", "pigdm", "mcg", "daps")
SIGMAS = karras(5.0, 0.05, 6)

MEASURED = {
    ("dps", 0.05): (0.076, 53.3, 0.882),
    ("dps", 0.5): (0.628, 0.661, 0.882),
    ("pigdm", 0.05): (0.058, 0.140, 0.930),
    ("pigdm", 0.5): (0.384, 0.304, 0.930),
    ("mcg", 0.05): (0.064, 0.0003, 0.899),
    ("mcg", 0.5): (0.630, 0.000, 0.899),
}


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def problem():
    """A colored Gaussian prior of 6 values, 4 of them seen through a matrix."""
    root = draw(6, 6, seed=9)
    prior = gaussian(draw(6), root @ root.T / 6 + 0.1 * torch.eye(6).double())
    return prior, Measurement(draw(4, seed=3), Dense(draw(4, 6, seed=2)), Gaussian(0.3))


def ours(name, **options):
    prior, measurement = problem()
    x = 5 * draw(3, 6, seed=5)
    given = (prior.denoise, measurement, x, SIGMAS, plain_noise(1))
    with torch.no_grad():
        *_, last = load(name)(*given, step="paper", **options)
    return last.x


def by_hand(step):
    """x after all levels of step(x0, x, a, a_next, noise), which sees x_vp and x0 as its function.

    The state begins at the same x as `ours`.
    """
    prior, measurement = problem()
    noise = plain_noise(1)
    x = 5 * draw(3, 6, seed=5) / (1 + SIGMAS[0] ** 2).sqrt()
    for sigma, sigma_next in pairwise(SIGMAS):
        x = x.detach().requires_grad_()
        x0 = prior.denoise(x * (1 + sigma**2).sqrt(), sigma)
        a, a_next = 1 / (1 + sigma**2), 1 / (1 + sigma_next**2)
        x = step(measurement, x0, x, a, a_next, noise)
    return x.detach()


def ddpm(x0, x, a, a_next, noise):
    """Lines 5 and 6 of Algorithm 1 of DPS."""
    alpha = a / a_next
    beta = 1 - alpha
    mean = alpha.sqrt() * (1 - a_next) / (1 - a) * x + a_next.sqrt() * beta / (1 - a) * x0
    std = (beta * (1 - a_next) / (1 - a)).sqrt()
    return mean + std * noise(x) if std > 0 else mean


def against_the_norm(measurement, x0, x, guidance):
    """zeta_i grad |y - A(x0)|^2 with zeta_i = guidance / |y - A(x0)|, each chain's own."""
    residual = measurement.y - measurement.operator(x0)
    power = residual.square().sum(1)
    gradient = torch.autograd.grad(power.sum(), x, retain_graph=True)[0]
    return guidance / power.sqrt()[:, None] * gradient


@pytest.mark.parametrize("guidance", [0.3, 1.0])
def test_dps_is_algorithm_1(guidance):
    def step(measurement, x0, x, a, a_next, noise):
        return ddpm(x0, x, a, a_next, noise) - against_the_norm(measurement, x0, x, guidance)

    torch.testing.assert_close(ours("dps", guidance=guidance), by_hand(step), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("guidance", [0.3, 1.0])
def test_the_authors_scale_is_twice_our_guidance(guidance):
    """Their code takes the gradient of |y - A(x0)|."""

    def step(measurement, x0, x, a, a_next, noise):
        length = (measurement.y - measurement.operator(x0)).norm(dim=1).sum()
        gradient = torch.autograd.grad(length, x, retain_graph=True)[0]
        return ddpm(x0, x, a, a_next, noise) - guidance * gradient

    found = ours("dps", guidance=guidance / 2)
    torch.testing.assert_close(found, by_hand(step), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_pigdm_is_its_algorithm_1(eta):
    def step(measurement, x0, x, a, a_next, noise):
        c1 = eta * ((1 - a / a_next) * (1 - a_next) / (1 - a)).sqrt()
        c2 = (1 - a_next - c1**2).clamp(min=0).sqrt()
        matrix, r2 = measurement.operator.matrix, 1 - a  # sigma^2 / (1 + sigma^2)
        residual = measurement.y - measurement.operator(x0)
        evidence = matrix @ matrix.T + 0.3**2 / r2 * torch.eye(4).double()
        pulled = torch.linalg.solve(evidence, residual.T).T @ matrix
        g = torch.autograd.grad(x0, x, pulled.detach(), retain_graph=True)[0]
        eps = (x - a.sqrt() * x0) / (1 - a).sqrt()
        fresh = c1 * noise(x) if c1 > 0 else 0
        return a_next.sqrt() * x0 + fresh + c2 * eps + (a_next * a).sqrt() * g

    torch.testing.assert_close(ours("pigdm", eta=eta), by_hand(step), rtol=1e-9, atol=1e-9)


def test_mcg_is_equations_14_and_15():
    """Its pseudoinverse is solved with a floor of 1e-6 |A|^2, of which 1e-4 may be left."""

    def step(measurement, x0, x, a, a_next, noise):
        matrix = measurement.operator.matrix
        x = ddpm(x0, x, a, a_next, noise) - against_the_norm(measurement, x0, x, 0.5)
        known = a_next.sqrt() * measurement.y + (1 - a_next).sqrt() * noise(x) @ matrix.T
        return x + (known - x @ matrix.T) @ torch.linalg.pinv(matrix).T

    torch.testing.assert_close(ours("mcg"), by_hand(step), rtol=1e-3, atol=1e-3)


def test_daps_is_its_algorithm_1():
    """Euler steps of dx / dsigma = (x - D) / sigma, and Langevin steps with r = sigma."""

    def step(measurement, x0, x, a, a_next, noise):
        sigma, sigma_next = (1 / a - 1).sqrt(), (1 / a_next - 1).sqrt()
        index = (SIGMAS - sigma).abs().argmin().item()
        prior, x = problem()[0], (x / a.sqrt()).detach()
        table = karras(sigma.item(), min(0.01, 0.1 * sigma.item()), 3)
        centre = x
        for here, after in pairwise(table):
            slope = (centre - prior.denoise(centre, here)) / here
            centre = centre + (after - here) * slope
        z, length = centre, 1e-3 * (1 - 0.99 * index / 6)
        for _ in range(4):
            misfit = measurement.operator.adjoint(measurement.y - measurement.operator(z))
            drift = (centre - z) / sigma**2 + misfit / 0.3**2
            z = z + length * drift + (2 * length) ** 0.5 * noise(z)
        z = z + sigma_next * noise(z) if sigma_next > 0 else z
        return z * a_next.sqrt()

    found = ours("daps", inner_steps=4, ode_steps=3, step_size=1e-3)
    # sigma is recovered from alpha bar, at a few units of rounding
    torch.testing.assert_close(found, by_hand(step), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "std"), list(MEASURED))
def test_the_bias_of_the_published_update_is_the_known_one(name, std):
    """1000 chains: 20 % of the numbers, or 0.04, is five Monte-Carlo errors and more."""
    samples = run(load(name), WHITE, sensing(std), chains=1000, step="paper")
    for value, known in zip(moments(samples, sensing(std)), MEASURED[name, std], strict=True):
        assert value == pytest.approx(known, rel=0.2, abs=0.04)


def test_published_daps_in_equilibrium_has_about_twice_the_variance_of_what_was_not_measured():
    """x0 of the ODE has all of the prior's variance, and r = sigma adds as much again. With the
    step size of images it does not show: their inner steps hardly move."""
    measurement, prior = copying(0.5), WHITE_6
    sigmas, noise = karras(10.0, 0.5, 8), plain_noise()
    walk = load("daps")(
        prior.denoise, measurement.to("cpu", torch.float64), 10 * draw(500, 6), sigmas, noise,
        step="paper", step_size=0.05, inner_steps=100, ode_steps=5,
    )  # fmt: skip
    with torch.no_grad():
        *_, last = walk
    assert 1.6 < last.x[:, ::2].var() < 2.6


# the option


@pytest.mark.parametrize("name", NAMES)
def test_the_option_is_told_on_the_command_line(name):
    assert parsed(load(name), {"step": "paper"}, name) == {"step": "paper"}
    shown = CliRunner().invoke(main, ["info", "sampler", name])
    assert shown.exit_code == 0
    assert "default safe" in shown.stdout and "With step=paper, " in shown.stdout


@pytest.mark.parametrize("name", NAMES)
def test_the_published_update_runs_under_the_driver(name):
    published = sample(copying(), WHITE_6, load(name), step="paper", steps=9)
    own = sample(copying(), WHITE_6, load(name), steps=9)
    assert published.provenance["options"]["step"] == "paper"
    assert not torch.equal(published.samples, own.samples)


def test_an_option_of_the_other_update_is_refused():
    for name, options in (
        ("dps", {"step": "paper", "integrator": heun}),
        ("pigdm", {"eta": 0.5}),
        ("daps", {"ode_steps": 3}),
    ):
        with pytest.raises(TypeError, match=r"step=(paper|safe) has no option"):
            sample(copying(), WHITE_6, load(name), steps=3, **options)
    with pytest.raises(ValueError, match="one of safe, paper, got 'published'"):
        sample(copying(), WHITE_6, load("dps"), steps=3, step="published")


def test_the_contract_is_that_of_the_update_that_runs():
    assert contract_of(load("daps")).law and contract_of(load("daps")).memoryless
    other = contract_of(load("daps"), {"step": "paper"})
    assert not other.law and not other.memoryless
    assert not contract_of(load("dps"), {"step": "paper"}).integrator
