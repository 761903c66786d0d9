"""Replacement and null space: each method against its own law and against the exact posterior.

On the Gaussian acceptance problem (prior N(0, I_16), 8 of 16 directions
measured with singular values 1 to 0.2), 100 steps, MEASURED holds (mean error in posterior
standard deviations, variance ratio where measured, where not). A test that finds another number,
better or worse, fails: then the method has changed.
"""

import pytest
import torch
from direct import Complex, Counting, plain_noise, run
from problems import Copy, Dense, copying, load, moments, sensing

from restore.measurement.measurement import Measurement, simulate, stack
from restore.measurement.noise import Gaussian, Poisson
from restore.measurement.operator import LinearOperator, Operator
from restore.measurement.signal import dot
from restore.measurement.spectral import Spectral
from restore.priors.exact import gaussian
from restore.priors.schedules import karras
from restore.samplers.base import contract_of
from restore.samplers.parts.coordinates import coordinates
from restore.samplers.replacing.dds import _slope, _slope_adjoint
from restore.samplers.replacing.kadkhodaie_simoncelli import kadkhodaie_simoncelli
from restore.testing.closed_forms import gaussian_posterior

WHITE = gaussian(torch.zeros(16), 1.0)
SPECTRAL = ("projection", "ilvr", "ddrm", "ddnm-plus", "snips")

MEASURED = {
    ("projection", 0.05): (0.02, 0.735, 0.897),
    ("projection", 0.5): (0.02, 0.851, 0.897),
    ("ilvr", 0.05): (0.02, 0.732, 0.884),
    ("ilvr", 0.5): (0.03, 0.835, 0.884),
    ("ddrm", 0.05): (0.02, 0.733, 0.728),
    ("ddrm", 0.5): (0.03, 0.719, 0.728),
    ("ddnm-plus", 0.05): (0.03, 0.800, 0.732),
    ("ddnm-plus", 0.5): (0.04, 0.779, 0.732),
    ("snips", 0.05): (0.02, 0.945, 1.068),
    ("snips", 0.5): (0.03, 1.024, 1.068),
    ("kadkhodaie-simoncelli", 0.05): (0.02, 0.851, 0.769),
    ("kadkhodaie-simoncelli", 0.5): (0.13, 0.743, 0.812),
    ("dds", 0.05): (0.02, 0.711, 0.724),
    ("dds", 0.5): (0.02, 0.728, 0.724),
}


def acceptance(name, std, *, chains=1000, **options):
    measurement = sensing(std)
    samples = run(load(name), WHITE, measurement.to("cpu"), chains=chains, **options)
    return moments(samples, measurement)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# the acceptance problem


@pytest.mark.parametrize(("name", "std"), list(MEASURED))
def test_the_bias_is_the_known_one(name, std):
    """1000 chains over 8 directions: a ratio's Monte-Carlo error is 1.6 %, bracketed at 4 of them;
    a mean's is 0.025."""
    error, observed, unobserved = acceptance(name, std)
    assert error == pytest.approx(MEASURED[name, std][0], abs=0.03)
    assert observed == pytest.approx(MEASURED[name, std][1], rel=0.065)
    assert unobserved == pytest.approx(MEASURED[name, std][2], rel=0.065)


@pytest.mark.parametrize("std", [0.05, 0.5])
@pytest.mark.parametrize("name", ["projection", "ilvr", "snips"])
def test_short_steps_are_exact_for_a_white_prior(name, std):
    error, observed, unobserved = acceptance(name, std, steps=400)
    assert error < 0.1
    assert 0.9 < observed < 1.1
    assert 0.9 < unobserved < 1.1


@pytest.mark.parametrize("std", [0.05, 0.5])
def test_repaint_is_exact_for_noisy_holes_of_a_correlated_signal(std):
    """100 steps of at most 0.2 in log sigma leave variances at 0.7 to 0.95 of the truth."""
    covariance = 0.6 ** (torch.arange(6)[:, None] - torch.arange(6)).abs().double()
    measurement = copying(std)
    prior = gaussian(torch.zeros(6), covariance)
    samples = run(load("repaint"), prior, measurement.to("cpu"), chains=500).double()
    kept = torch.diag(measurement.operator.kept)
    truth = gaussian_posterior(torch.zeros(6), covariance, kept, measurement.y[0], std)
    spread = truth.covariance.diagonal()
    error = ((samples.mean(0) - truth.mean) / spread.sqrt()).abs()
    ratio = samples.var(0) / spread
    assert error.mean() < 0.1  # Monte Carlo: 0.045
    assert 0.6 < ratio[1::2].mean() < 1.05
    assert 0.8 < ratio[::2].mean() < 1.05


def test_repeats_of_repaint_do_not_forget_a_noisy_measurement():
    """All noise: jumps below std, from and to it, must keep what y says."""
    prior, measurement = gaussian(torch.zeros(6), 1.0), copying(0.5).to("cpu")
    few, many = (
        run(load("repaint"), prior, measurement, chains=400, steps=40, repeats=r)[:, 1::2]
        for r in (1, 12)
    )
    # std of a mean of 400 is 0.02
    torch.testing.assert_close(few.mean(0), many.mean(0), rtol=0, atol=0.1)
    assert 0.7 < (many.var(0) / few.var(0)).mean() < 1.4


# without noise


@pytest.mark.parametrize("name", [*SPECTRAL, "kadkhodaie-simoncelli", "dds"])
def test_without_noise_the_data_are_met(name):
    """To the last level, 0.0002 of the signal, or the floor of a noise-free solve."""
    noisy = sensing(0.1)
    exact = Measurement(noisy.operator(draw(1, 16).double()), noisy.operator, Gaussian(0.0))
    steps = {"krylov_steps": 20} if name == "dds" else {}
    samples = run(load(name), WHITE, exact.to("cpu"), chains=20, **steps)
    assert exact.to("cpu").residual(samples).abs().max() < 0.02


# the singular basis


def test_coordinates_carry_the_measurement_over_its_own_noise():
    measurement = sensing(0.3)
    x = draw(5, 16).double()
    basis = coordinates(measurement, x)
    torch.testing.assert_close(basis.signal(basis.of(x)), x)
    values = torch.linalg.svdvals(measurement.operator.matrix)
    torch.testing.assert_close(basis.level.flatten()[:8], 0.3 / values)
    assert basis.level.flatten()[8:].isinf().all()
    # U^H (y - A x) / s is y' - c
    residual = measurement.residual(x)
    expected = residual @ torch.linalg.svd(measurement.operator.matrix)[0] / values
    found = (basis.y - basis.of(x))[:, :8]
    torch.testing.assert_close(found.abs(), expected.abs())  # up to the signs of the basis


def test_coordinates_of_a_stack_are_those_of_each():
    first, second = copying(0.1, seed=0), copying(0.3, seed=1)
    second = Measurement(second.y, Copy((torch.arange(6) % 3 == 0).double()), second.noise)
    x = draw(4, 6).double()
    together = coordinates(stack([first, second]), x)
    for part, alone in ((slice(0, 2), first), (slice(2, 4), second)):
        basis = coordinates(alone, x[part])
        torch.testing.assert_close(together.of(x)[part], basis.of(x[part]))
        torch.testing.assert_close(together.y[part], basis.y)
        torch.testing.assert_close(together.level[part], basis.level.expand(2, 6))
        torch.testing.assert_close(together.signal(x)[part], basis.signal(x[part]))


def test_a_coordinate_passed_sets_out_from_its_measurement():
    """A denoiser that knows nothing (D = x) leaves y' where the level is passed."""
    measurement = copying(0.5)
    basis = coordinates(measurement, torch.zeros(1, 6).double())
    x, denoised = draw(1, 6).double(), torch.zeros(1, 6).double()
    zero = torch.zeros_like
    after = basis.ancestral(x, denoised, 1.0, 0.4, zero)
    torch.testing.assert_close(after[:, 1::2], (0.4 / 0.5) ** 2 * measurement.y[:, 1::2])
    torch.testing.assert_close(after[:, ::2], 0.4**2 * x[:, ::2])
    torch.testing.assert_close(basis.ancestral(x, denoised, 1.0, 0.6, zero), 0.6**2 * x)


class Square(Operator):
    def _forward(self, x):
        return x**2


def test_what_has_no_singular_values_is_refused():
    x = torch.zeros(2, 4)
    for operator, noise, error in (
        (Square((4,), (4,)), Gaussian(0.1), TypeError),
        (Copy(torch.ones(4)), Poisson(10.0), TypeError),
    ):
        with pytest.raises(error):
            coordinates(Measurement(torch.ones(1, 4), operator, noise), x)


@pytest.mark.parametrize("name", [*SPECTRAL, "kadkhodaie-simoncelli", "dds"])
def test_complex_measurements_are_real_ones_of_two_parts(name):
    """The moments of both agree within 500 chains' Monte-Carlo error; three of them are 0.13."""
    matrix, y = draw(4, 6, seed=2), draw(1, 4, seed=3)
    prior = gaussian(torch.zeros(6), 1.0)
    whole = Measurement(y, Dense(matrix), Gaussian(0.2))
    halves = Measurement(torch.complex(*y.chunk(2, 1)), Complex(matrix), Gaussian(0.2))
    a, b = (run(load(name), prior, m, chains=500, steps=30) for m in (whole, halves))
    torch.testing.assert_close(a.mean(0), b.mean(0), rtol=0, atol=0.2)
    torch.testing.assert_close(a.T.cov(), b.T.cov(), rtol=0, atol=0.2)


class Spectrum(LinearOperator):
    """y = the kept frequencies of x[0] + i x[1], its singular coordinates themselves."""

    def __init__(self, kept):
        super().__init__((2, len(kept)), (len(kept),))
        self.kept = kept

    def _forward(self, x):
        return self.kept * self._frequencies(x)

    def _adjoint(self, y):
        return self._signal(self.kept * y)

    def svd(self):
        return Spectral(
            self.kept.double(), self._signal, self._frequencies, lambda y: self.kept * y
        )

    def _frequencies(self, x):
        return torch.fft.fft(torch.complex(x[:, 0], x[:, 1]), norm="ortho")

    def _signal(self, c):
        return torch.view_as_real(torch.fft.ifft(c, norm="ortho")).movedim(-1, 1)


@pytest.mark.parametrize("name", SPECTRAL)
def test_singular_coordinates_may_be_complex(name):
    """A dense decomposition, of real coordinates, gives the same moments; 500 chains, within three
    of their Monte-Carlo errors, 0.13."""
    prior = gaussian(torch.zeros(2, 4), 1.0)
    own = simulate(Spectrum(torch.tensor([1.0, 0.0, 1.0, 1.0])), Gaussian(0.2), draw(1, 2, 4))
    matrix = torch.view_as_real(own.operator(torch.eye(8).reshape(8, 2, 4))).flatten(1).T

    class Plain(Dense):
        def _forward(self, x):
            return super()._forward(x.flatten(1))

        def _adjoint(self, y):
            return super()._adjoint(y).reshape(-1, 2, 4)

    plain = Plain(matrix)
    plain.in_shape = (2, 4)
    dense = Measurement(torch.view_as_real(own.y).flatten(1), plain, own.noise)
    a, b = (run(load(name), prior, m, chains=500, steps=30).flatten(1) for m in (own, dense))
    torch.testing.assert_close(a.mean(0), b.mean(0), rtol=0, atol=0.2)
    torch.testing.assert_close(a.T.cov(), b.T.cov(), rtol=0, atol=0.25)


# each its own


def test_ddnm_plus_without_travel_is_ddrm():
    options = {"chains": 50, "steps": 20, "eta": 0.7}
    ddrm = run(load("ddrm"), WHITE, sensing(0.2).to("cpu"), **options)
    plus = run(load("ddnm-plus"), WHITE, sensing(0.2).to("cpu"), repeats=1, **options)
    torch.testing.assert_close(ddrm, plus, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["ddrm", "ddnm-plus"])
def test_noise_of_the_measurement_is_not_put_into_every_step(name):
    """A blur whose levels go from 0.1 to 1000 for a signal of deviation 1: 500 chains tell a mean
    to 0.04; as published it is 0.73 and 0.75 posterior standard deviations off."""
    apart = (torch.arange(16)[:, None] - torch.arange(16)).double()
    covariance, blur = 0.9 ** apart.abs(), torch.exp(-0.5 * apart.square() / 1.5**2)
    blur = blur / blur.sum(1, keepdim=True)
    x = torch.linalg.cholesky(covariance) @ draw(16).double()
    measurement = simulate(Dense(blur), Gaussian(0.1), x, seed=0).to("cpu")
    after = gaussian_posterior(torch.zeros(16), covariance, blur, measurement.y[0], 0.1)
    axes = torch.linalg.svd(blur).Vh.T
    off = {}
    for own_noise in (False, True):
        samples = run(
            load(name), gaussian(torch.zeros(16), covariance), measurement, chains=500,
            own_noise=own_noise,
        )  # fmt: skip
        away = (samples.double().mean(0) - after.mean) @ axes
        variance = (axes * (after.covariance @ axes)).sum(0)
        off[own_noise] = (away / variance.sqrt()).abs().mean().item()
    assert off[True] < 0.15 and off[False] > 0.5


def test_a_weaker_projection_trusts_less():
    """Half of the way at every level: nearer to the prior than to y, in all."""
    away = [acceptance("projection", 0.05, chains=300, strength=s)[0] for s in (1.0, 0.1)]
    assert away[0] < 0.1 < away[1]


def test_ilvr_left_free_keeps_only_what_is_coarse():
    measurement = sensing(0.05).to("cpu")
    misfit = [
        measurement.chi_square(run(load("ilvr"), WHITE, measurement, chains=50, free=free)).mean()
        for free in (0.0, 0.5)
    ]
    assert misfit[0] < 1.2  # overfits a little: short of the variance where measured
    assert misfit[1] > 3


def test_kadkhodaie_and_simoncelli_read_the_noise_off_the_chain():
    """A chain three times as noisy as the schedule says is denoised at a higher level."""
    measurement, labels = copying(0.1).to("cpu"), []

    def denoise(x, sigma):
        labels.append(sigma)
        return x / (1 + sigma[:, None] ** 2)

    x = 5 * draw(1, 6) * torch.tensor([[0.3], [0.9], [9.0]])
    walk = kadkhodaie_simoncelli(denoise, measurement, x, karras(5.0, 0.01, 20), plain_noise())
    next(walk), next(walk)
    assert labels[0].tolist() == [5.0, 5.0, 5.0]
    assert 2 < labels[1][1] / labels[1][0] < 3.1
    assert labels[1][2] == 5  # never above what the network was trained for


def test_dds_solves_in_as_many_steps_as_there_are_singular_values():
    measurement = sensing(0.3).to("cpu")
    x = draw(4, 16)

    def one_step(**options):
        walk = load("dds")(WHITE.denoise, measurement, x, torch.tensor([2.0, 0.0]), None, eta=0.0,
                           variance=WHITE.variance, **options)  # fmt: skip
        return next(walk).denoised

    exact = measurement.proximal(WHITE.denoise(x, 2.0), WHITE.variance(2.0))
    torch.testing.assert_close(one_step(krylov_steps=9), exact, rtol=1e-3, atol=1e-4)
    assert (one_step(krylov_steps=2) - exact).abs().max() > 1e-3


def test_the_slope_has_its_adjoint():
    x, v = draw(2, 3, 5, 4), draw(2, 3, 4, 4, seed=1)
    torch.testing.assert_close(dot(_slope(x, 2), v), dot(x, _slope_adjoint(v, 2)))


def test_total_variation_presses_one_axis_of_a_volume():
    """A volume that is constant along its first axis, from a prior that knows no axis."""
    truth = draw(1, 4, seed=4).expand(8, 4)
    measurement = simulate(Copy(torch.ones(8, 4)), Gaussian(0.5), truth, seed=1)
    prior = gaussian(torch.zeros(8, 4), 1.0)
    plain, faint, pressed = (
        run(load("dds"), prior, measurement, chains=100, tv_axis=axis, tv=tv)
        for axis, tv in ((None, 3.0), (0, 1e-6), (0, 3.0))
    )
    along, across = (
        [samples.diff(dim=d).abs().mean().item() for samples in (plain, faint, pressed)]
        for d in (1, 2)
    )
    assert along[1] == pytest.approx(along[0], rel=0.15)  # three rounds of ADMM leave 7 %
    assert along[2] < 0.5 * along[0]
    assert across[2] > 0.9 * across[0]
    error = [(samples.mean(0) - truth).square().mean() for samples in (plain, pressed)]
    assert error[1] < 0.75 * error[0]


def test_dds_refuses_an_axis_that_is_not_there_and_what_is_not_linear():
    with pytest.raises(ValueError, match="axis"):
        run(load("dds"), WHITE, sensing(0.1).to("cpu"), chains=1, tv_axis=1)
    bent = Measurement(torch.ones(1, 16), Square((16,), (16,)), Gaussian(0.1))
    with pytest.raises(TypeError, match="linear"):
        run(load("dds"), WHITE, bent, chains=1)


@pytest.mark.parametrize(
    ("name", "calls"),
    [("projection", 12), ("ilvr", 12), ("ddrm", 12), ("ddnm-plus", 3 * 10 + 2), ("snips", 5 * 12),
     ("kadkhodaie-simoncelli", 12), ("dds", 12), ("repaint", 10 * 10 + 2)],
)  # fmt: skip
def test_the_network_is_called_as_often_as_the_paper_says(name, calls):
    counting = Counting(gaussian(torch.zeros(6), 1.0).denoise)
    sampler = load(name)
    law = {"variance": WHITE.variance} if contract_of(sampler).law else {}
    x = 10 * draw(2, 6)
    for _ in sampler(counting, copying().to("cpu"), x, karras(10.0, 0.1, 12), plain_noise(), **law):
        pass
    assert counting.calls == calls
