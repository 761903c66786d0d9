"""The driver: what it does once for every sampler."""

import math

import pytest
import torch
from problems import copying, load, moments, posed, sensing

import restore
from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian, Poisson
from restore.priors.exact import gaussian
from restore.priors.prior import Prior
from restore.priors.schedules import karras
from restore.samplers.base import Step, sampler
from restore.samplers.integrators.integrators import ancestral, heun
from restore.sampling import loop
from restore.sampling.loop import iterate, sample
from restore.sampling.posterior import Posterior
from restore.sampling.watchers import Trace, until_discrepancy
from restore.testing.closed_forms import gaussian_posterior

WHITE = gaussian(torch.zeros(16), 1.0)
PRIOR = gaussian(torch.zeros(6), 1.0)


@pytest.mark.parametrize(
    ("name", "options", "std", "observed", "unobserved"),
    [
        # 200 ancestral steps leave the variance 5 % short (C.3.2 of the reference, and theory);
        # 2000 samples: 3 % of a variance, 8 or 16 directions averaged: 1 %
        ("pigdm", {}, 0.05, (0.87, 0.97), (0.90, 0.98)),
        ("pigdm", {}, 0.5, (0.90, 0.99), (0.90, 0.98)),
        ("pigdm", {"integrator": heun}, 0.05, (0.95, 1.03), (0.95, 1.03)),
        ("pigdm", {"integrator": heun}, 0.5, (0.95, 1.03), (0.95, 1.03)),
        # the proximal estimate has no width of its own: half the variance
        ("diffpir", {}, 0.05, (0.42, 0.52), (0.45, 0.53)),
        ("diffpir", {}, 0.5, (0.42, 0.52), (0.45, 0.53)),
        # eta 0.85: three quarters of the null space's variance
        ("ddnm", {}, 0.05, (0.80, 0.92), (0.70, 0.78)),
        ("ddnm", {}, 0.5, (0.72, 0.82), (0.70, 0.78)),
    ],
)
def test_samples_have_the_moments_of_the_exact_posterior(name, options, std, observed, unobserved):
    measurement = sensing(std)
    posterior = sample(measurement, WHITE, load(name), chains=2000, steps=200, **options)
    error, seen, unseen = moments(posterior.samples, measurement)
    assert error < 0.06  # the standard error of a mean is 0.022 posterior standard deviations
    assert observed[0] < seen < observed[1]
    assert unobserved[0] < unseen < unobserved[1]


def test_repaint_fills_holes_with_the_exact_conditional():
    covariance = 0.8 ** (torch.arange(6.0)[:, None] - torch.arange(6.0)).abs()
    measurement = copying(0.2)
    posterior = sample(
        measurement, gaussian(torch.zeros(6), covariance), load("repaint"), chains=500, steps=200
    )
    kept = [1, 3, 5]
    rows = torch.eye(6, dtype=torch.float64)[kept]
    truth = gaussian_posterior(torch.zeros(6), covariance, rows, measurement.y[0, kept], 0.2)
    spread = truth.covariance.diagonal().sqrt()
    away = (posterior.samples.double() - truth.mean) / spread
    # 500 samples: 0.045 of a mean, 6 % of a variance; ten repeats leave a bias of 0.1
    assert away.mean(0).abs().max() < 0.25
    assert (away.var(0) - 1).abs().max() < 0.3


def test_stochastic_denoising_samples_the_exact_posterior():
    covariance = 0.8 ** (torch.arange(6.0)[:, None] - torch.arange(6.0)).abs()
    measurement = posed("stochastic-denoising", 0.5)
    posterior = sample(
        measurement, gaussian(torch.zeros(6), covariance), load("stochastic-denoising"),
        chains=2000, steps=100,
    )  # fmt: skip
    truth = gaussian_posterior(torch.zeros(6), covariance, torch.eye(6), measurement.y[0], 0.5)
    away = (posterior.samples.double() - truth.mean) / truth.covariance.diagonal().sqrt()
    # 2000 samples: 0.022 of a mean, 3 % of a variance; 100 ancestral steps: 3 % short
    assert away.mean(0).abs().max() < 0.08
    assert (away.var(0) - 0.98).abs().max() < 0.1
    with pytest.raises(ValueError, match="signal itself"):
        sample(copying(), PRIOR, load("stochastic-denoising"))


def test_calls_are_counted_per_chain():
    one = sample(copying(), PRIOR, load("pigdm"), chains=6, steps=10, batch_size=2)
    assert one.provenance["calls"] == 10 and one.provenance["pullbacks"] == 10
    two = sample(copying(), PRIOR, load("pigdm"), steps=10, integrator=heun)
    assert two.provenance["calls"] == 19


def test_the_drivers_law_reaches_a_sampler_that_declares_it():
    seen = []

    @sampler(law=True)
    def curious(denoise, measurement, x, sigmas, randn_like, *, variance):
        seen.append(variance(1.0))
        yield Step(x, x, 1.0)

    sample(copying(), gaussian(torch.zeros(6), 3.0), curious)
    assert seen == [pytest.approx(0.75)]


def test_a_warm_start_begins_at_its_level():
    measurement, init = copying(), torch.linspace(0, 5, 6)
    steps = list(
        iterate(measurement, PRIOR, ancestral, init=init, sigma_start=0.5, steps=30, chains=400)
    )
    assert steps[0].sigma == 0.5
    # from 0.5: one prior standard deviation pulls by 1 / (1 + 0.25)
    torch.testing.assert_close(steps[0].denoised.mean(0), init / 1.25, rtol=0, atol=0.1)
    with pytest.raises(ValueError, match="both init and sigma_start"):
        sample(measurement, PRIOR, ancestral, init=init)


def test_the_end_of_a_run_is_looked_at_whatever_its_level(monkeypatch):
    """On a GPU only the end is seen, and not all samplers end at the schedule's last level."""
    monkeypatch.setattr(loop, "_stalls", lambda device: True)

    def endless(denoise, measurement, x, sigmas, randn_like):
        yield Step(x, x, 7.0)
        yield Step(x / 0, x, 0.123)

    with pytest.raises(FloatingPointError, match=r"endless: .* at sigma = 0\.123"):
        sample(copying(), PRIOR, endless, steps=3)


def test_chains_that_leave_the_real_numbers_are_named():
    def burst(x, sigma):
        return x / 0 if sigma < 3 else x * 0

    with pytest.raises(FloatingPointError, match=r"ancestral: the chains left .* at sigma = 2\."):
        sample(copying(), Prior(burst, (6,), sigma_max=80.0), ancestral, steps=40)


def test_a_watcher_stops_the_run():
    seen = []

    def third(step, index, total):
        seen.append((index, total))
        return index == 2

    posterior = sample(copying(), PRIOR, load("diffpir"), steps=20, watch=[third])
    assert seen == [(0, 20), (1, 20), (2, 20)]
    assert posterior.provenance["calls"] == 3


def test_the_discrepancy_stops_when_the_data_are_explained():
    measurement = sensing(0.5)
    trace = Trace(measurement)
    sample(
        measurement, WHITE, load("dmps"), steps=100,
        watch=[trace, until_discrepancy(measurement, 1.0)],
    )  # fmt: skip
    values = [row["chi_square"] for row in trace.rows]
    assert values[-1] <= 1.0 < min(values[:-1])
    poisson = Measurement(torch.ones(6), copying().operator, Poisson(10.0))
    trace = Trace(poisson)
    sample(poisson, PRIOR, load("dps"), steps=3, watch=[trace])
    assert [row["chi_square"] for row in trace.rows] == [None] * 3


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    path = tmp_path / "state"

    def cut(step, index, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sample(copying(), PRIOR, load("dps"), seed=0, watch=[cut], checkpoint=path)
    with pytest.raises(ValueError, match="another run"):
        sample(copying(), PRIOR, load("dps"), seed=1, checkpoint=path)
    with pytest.raises(ValueError, match="another run"):
        sample(copying(), PRIOR, load("dps"), seed=0, integrator=heun, checkpoint=path)


def test_what_is_wrong_with_a_call_is_said():
    with pytest.raises(ValueError, match="prior is for signals of 16"):
        sample(copying(), WHITE, ancestral)
    with pytest.raises(ValueError, match="chains must be at least 1"):
        sample(copying(), PRIOR, ancestral, chains=0)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        sample(copying(), PRIOR, ancestral, steps=0)
    with pytest.raises(ValueError, match="not both"):
        sample(copying(), PRIOR, ancestral, steps=5, sigmas=karras(10, 0.1, 5))
    with pytest.raises(ValueError, match="fall strictly"):
        sample(copying(), PRIOR, ancestral, sigmas=torch.tensor([1.0, 2.0, 0.0]))
    with pytest.raises(ValueError, match="precision must be"):
        sample(copying(), PRIOR, ancestral, precision="half")
    with pytest.raises(ValueError, match="batch_size"):
        sample(copying(), PRIOR, ancestral, batch_size=-1)
    with pytest.raises(TypeError, match="guidence"):
        sample(copying(), PRIOR, load("dps"), guidence=2.0)


def test_the_posterior_says_what_its_samples_say(tmp_path):
    posterior = sample(copying(), PRIOR, load("pigdm"), chains=101, steps=10)
    samples = posterior.samples
    assert samples.shape == (101, 6) and posterior.chains == 101
    torch.testing.assert_close(posterior.mean, samples.mean(0))
    torch.testing.assert_close(posterior.std, samples.std(0))
    torch.testing.assert_close(posterior.quantiles(0.3)[0], samples.quantile(0.3, 0))
    low, high = posterior.interval(0.9)
    inside = ((samples >= low) & (samples <= high)).float().mean()
    assert abs(inside.item() - 0.9) < 0.02
    posterior.save(tmp_path / "p.safetensors")
    again = Posterior.load(tmp_path / "p.safetensors")
    assert torch.equal(again.samples, samples)
    assert again.provenance["sampler"] == "pigdm" and again.shape == (6,)
    with pytest.raises(ValueError, match="at least 2 chains"):
        _ = sample(copying(), PRIOR, load("pigdm"), steps=3).std


def test_the_face_takes_names_and_functions():
    by_name = restore.sample(copying(), PRIOR, sampler="pigdm", steps=5, integrator="heun")
    by_function = restore.sample(copying(), PRIOR, sampler=load("pigdm"), steps=5, integrator=heun)
    assert torch.equal(by_name.samples, by_function.samples)
    with pytest.raises(KeyError, match="did you mean 'pigdm'"):
        restore.sample(copying(), PRIOR, sampler="pidgm")


def test_the_overhead_of_a_step_is_not_counted_as_calls_of_the_operator():
    calls = []

    class Counting(type(copying().operator)):
        def _forward(self, x):
            calls.append(1)
            return super()._forward(x)

    measurement = copying()
    counted = Measurement(measurement.y, Counting(measurement.operator.kept), Gaussian(0.1))
    sample(counted, PRIOR, load("diffpir"), steps=10)
    assert len(calls) == 10  # one residual a step
    assert math.isfinite(sum(calls))
