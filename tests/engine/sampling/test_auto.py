"""sampler="auto" picks by the problem's class, and says so."""

import dataclasses

import pytest
import torch
from problems import Copy, Dense, copying

import restore
from restore.measurement.measurement import Measurement, simulate, stack
from restore.measurement.noise import Gaussian, Poisson
from restore.measurement.operator import Operator
from restore.plugins.discovery import catalog
from restore.priors.exact import gaussian
from restore.sampling.auto import choose_sampler, differentiable
from restore.testing.cases import Signless

PRIOR = gaussian(torch.zeros(6), 1.0)
HALF = (torch.arange(6) % 2).float()
MATRIX = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))


class Rounded(Operator):
    def _forward(self, x):
        return x.round()


class Closed(Operator):
    def _forward(self, x):
        return torch.from_numpy(x.detach().numpy().copy())


def measured(operator, noise):
    return simulate(operator, noise, torch.ones(6))


@pytest.mark.parametrize(
    ("measurement", "expected"),
    [
        (measured(Dense(MATRIX), Gaussian(0.1)), "tds"),
        (measured(Dense(torch.eye(6).repeat(9, 1)), Gaussian(0.1)), "tmpd"),
        (measured(Dense(MATRIX), Gaussian(0.0)), "tmpd"),
        (measured(Copy(HALF), Gaussian(0.0)), "repaint"),
        (measured(Copy(torch.ones(6)), Poisson(20.0)), "daps"),
        (measured(Signless(MATRIX), Gaussian(0.1)), "daps"),
        (measured(Rounded((6,), (6,)), Gaussian(0.1)), "enkg"),
        (measured(Closed((6,), (6,)), Gaussian(0.1)), "enkg"),
        (measured(Rounded((6,), (6,)), Poisson(20.0)), "daps-mh"),
    ],
)
def test_every_class_of_problems_has_its_sampler(measurement, expected):
    name, reason = choose_sampler(measurement, PRIOR)
    assert name == expected and reason
    assert name in catalog().registry("samplers")


@pytest.mark.parametrize(("std", "expected"), [(0.1, "latent-daps"), (0.0, "resample")])
def test_a_prior_of_latents_has_its_own(std, expected):
    prior = restore.latent(PRIOR, lambda x: x, lambda z: z)
    assert choose_sampler(measured(Dense(MATRIX), Gaussian(std)), prior).name == expected
    assert choose_sampler(measured(Rounded((6,), (6,)), Gaussian(0.1)), prior).name == "enkg"


def test_a_gradient_that_does_not_fit_is_not_asked_for():
    heavy = dataclasses.replace(PRIOR, footprint=1e15)
    name, reason = choose_sampler(measured(Dense(MATRIX), Gaussian(0.1)), heavy)
    assert name == "daps" and "memory" in reason


def test_a_stack_is_judged_by_its_first():
    several = [measured(Signless(MATRIX + i), Gaussian(0.1)) for i in range(2)]
    assert choose_sampler(stack(several), PRIOR).name == "daps"


def test_rounding_has_no_derivative_and_absolute_values_have():
    assert not differentiable(Rounded((6,), (6,)))
    assert not differentiable(Closed((6,), (6,)))
    assert differentiable(Signless(MATRIX))


def test_the_samples_are_those_of_the_chosen_and_say_so():
    chosen = restore.sample(copying(), PRIOR, "auto", chains=2, steps=4)
    named = restore.sample(copying(), PRIOR, "tds", chains=2, steps=4)
    assert torch.equal(chosen.samples, named.samples)
    assert chosen.provenance["chosen"].startswith("tds: linear")
    steps = list(restore.iterate(copying(), PRIOR, "auto", chains=2, steps=4))
    assert torch.equal(steps[-1].x, named.samples)


def test_the_choice_leaves_the_measurement_as_it_was():
    measurement = Measurement(torch.zeros(6), Copy(HALF), Gaussian(0.0))
    choose_sampler(measurement, PRIOR)
    assert measurement.observations == 1
