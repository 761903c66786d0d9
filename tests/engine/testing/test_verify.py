"""restore verify: its rows are true, and say why where there are none."""

import json

import pytest
import torch
from click.testing import CliRunner

from restore.cli import main
from restore.measurement.noise import Gaussian, Poisson
from restore.testing import assert_adjoint, assert_solve_normal
from restore.testing.cases import (
    CASES,
    Dense,
    discrete_case,
    field_case,
    gaussian_case,
    mixture_case,
)
from restore.testing.closed_forms import GaussianPosterior
from restore.testing.verify import FLOOR, IGNORE, posterior_samplers, row_of, verify


def run(*arguments: str):
    return CliRunner().invoke(main, ["verify", *arguments])


def test_exact_draws_are_the_floor_and_the_prior_is_far():
    floor, ignoring, tds = verify(["tds"], ["gaussian-noisy"], chains=100, steps=20)
    assert (floor.sampler, ignoring.sampler, tds.sampler) == (FLOOR, IGNORE, "tds")
    assert floor.mean_error < 0.15 and 0.85 < floor.observed < 1.15
    assert ignoring.wasserstein > 2 * floor.wasserstein and ignoring.observed > 2
    assert tds.wasserstein < 2 * floor.wasserstein
    assert tds.calls == 20 and tds.stated == 8 * 20 and tds.seconds > 0


def test_a_row_sees_samples_that_are_too_narrow_or_off():
    case = gaussian_case(0.5)
    exact = case.after.draw(2000, 1)
    narrow = case.after.mean + 0.5 * (exact - case.after.mean)
    row = row_of(case, narrow, exact, "gaussian", "narrow")
    assert row.observed == pytest.approx(0.25, rel=0.1)
    assert row.unobserved == pytest.approx(0.25, rel=0.1)
    assert row.coverage_90 < 0.65 and row.coverage_50 < 0.35
    off = exact + 2 * case.after.variance(torch.eye(16).double()).sqrt()
    assert row_of(case, off, exact, "gaussian", "off").mean_error > 0.5


def test_a_sampler_that_cannot_says_why():
    rows = list(verify(["ddsmc"], ["signless"], chains=10, steps=5))
    assert "linear operator" in rows[-1].reason and rows[-1].wasserstein is None


def test_digits_say_what_is_missing_or_hold_their_truth():
    rows = list(verify(["dps"], ["digits"], chains=20, steps=5))
    if rows[0].reason:
        assert "scikit-learn" in rows[0].reason
    else:
        assert [row.sampler for row in rows] == [FLOOR, IGNORE, "dps"]


@pytest.mark.parametrize("noise", [Gaussian(0.2), Poisson(8.0)])
def test_a_discrete_case_is_exact_for_any_likelihood(noise):
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(9, 1, 2, 2, generator=generator, dtype=torch.float64)
    case = discrete_case(points, Dense(torch.ones(2, 4).double() / 4, (1, 2, 2)), noise)
    expected = torch.softmax(case.measurement.log_likelihood(points), 0)
    torch.testing.assert_close(case.after.weights, expected)
    torch.testing.assert_close(case.after.mean, (expected @ points.flatten(1)))


def test_a_field_is_what_its_directions_say():
    case = field_case(8)
    assert isinstance(case.after, GaussianPosterior)
    seen = case.after.variance(case.observed) / case.before.variance(case.observed)
    rest = case.after.variance(case.unobserved) / case.before.variance(case.unobserved)
    assert (seen < 0.5).all() and rest.min() > seen.max()


@pytest.mark.parametrize("dimensions", [(8, 1), (80, 4)])
def test_the_mixture_problem_is_the_published_one(dimensions):
    n, m = dimensions
    case = mixture_case(n, m, seed=3)
    assert case.before.means.shape == (25, n)
    assert case.before.means.unique().tolist() == [-16, -8, 0, 8, 16]
    values = torch.linalg.svdvals(case.measurement.operator.matrix)
    assert len(values) == m and values.max() < 1
    assert case.measurement.noise.std < values.max()
    torch.testing.assert_close(case.after.weights.sum(), torch.tensor(1.0).double())


def test_the_cases_operator_keeps_the_laws():
    generator = torch.Generator().manual_seed(0)
    operator = Dense(torch.randn(3, 4, generator=generator, dtype=torch.float64), (1, 2, 2))
    assert_adjoint(operator)
    assert_solve_normal(operator)


def test_unconditional_samplers_are_left_out():
    names = {entry.name for entry in posterior_samplers()}
    assert "tds" in names and "dps" in names and "ancestral" not in names


def test_the_command_prints_a_table_and_json():
    table = run("dps", "--case", "gaussian", "--chains", "20", "--steps", "40", "--table")
    assert table.exit_code == 0, table.output
    assert "mean err" in table.output and "(ignores y)" in table.output
    lines = run("dps", "--case", "gaussian", "--chains", "20", "--steps", "40", "--json").stdout
    rows = [json.loads(line) for line in lines.splitlines()]
    assert [row["sampler"] for row in rows] == [FLOOR, IGNORE, "dps", "dps"]
    assert rows[-2]["calls"] == 40 and "verdict" in rows[-1]


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(KeyError, match="did you mean 'dps'"):
        list(verify(["dsp"], ["gaussian"]))
    with pytest.raises(KeyError, match="did you mean 'gaussian'"):
        list(verify(["dps"], ["gausian"]))
    assert set(CASES) >= {"gaussian", "field", "signless", "digits", "mixture-800-4"}
