"""Volumes from priors of slices: exact where slices are independent, better than they where not."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from direct import Counting, run
from problems import load
from restore_operators import thick_slices
from torch import nn

from restore.measurement.measurement import simulate
from restore.measurement.noise import Gaussian
from restore.measurement.operator import LinearOperator
from restore.measurement.spectral import dense
from restore.priors.combined.complex_valued import complex_valued
from restore.priors.combined.sliced import perpendicular, sliced
from restore.priors.exact import gaussian
from restore.priors.prior import Prior, linearize
from restore.testing.closed_forms import gaussian_posterior

DOUBLE = torch.float64
SIZE = {"z": 3, "y": 4, "x": 5}
VOLUME = (2, 3, 4, 5)  # of complex numbers, say


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def smooth(n, width, std=1.0):
    place = torch.arange(n, dtype=DOUBLE)
    kernel = torch.exp(-0.5 * ((place[:, None] - place) / width) ** 2)
    return std**2 * (0.98 * kernel + 0.02 * torch.eye(n, dtype=DOUBLE))


def plane(rows, columns, channels=1, width=1.5):
    """A prior of smooth slices, and its covariance."""
    covariance = torch.kron(smooth(rows, width), smooth(columns, width))
    covariance = torch.kron(torch.eye(channels, dtype=DOUBLE), covariance)
    return gaussian(torch.full((channels, rows, columns), 0.2), covariance), covariance


class Whole(LinearOperator):
    """y = matrix x of a flattened signal."""

    def __init__(self, matrix, in_shape):
        super().__init__(in_shape, matrix.shape[:1])
        self.matrix = matrix

    def _forward(self, x):
        return x.flatten(1) @ self._like("matrix", x).T

    def _adjoint(self, y):
        return (y @ self._like("matrix", y)).reshape(-1, *self.in_shape)


# sliced


@pytest.mark.parametrize("axis", ["z", "y", "x", 1, 2, 3, -3, -2, -1])
def test_slices_are_denoised_one_by_one(axis):
    place = "zyx".index(axis) + 1 if isinstance(axis, str) else axis % 4
    rest = [n for i, n in enumerate(VOLUME) if i not in (0, place)]
    flat, _ = plane(*rest, channels=2)
    prior, x = sliced(flat, axis), draw(3, *VOLUME)
    for sigma in (0.7, torch.tensor([0.1, 1.0, 5.0], dtype=DOUBLE)):
        found = prior.denoise(x, sigma)
        for index in range(VOLUME[place]):
            part = flat.denoise(x.select(place + 1, index), sigma)
            torch.testing.assert_close(found.select(place + 1, index), part)
    assert prior.accepts(VOLUME) and not prior.accepts((1, *VOLUME[1:]))
    assert prior.card["slices"] == "zyx"[place - 1]
    assert prior.variance(0.3) == flat.variance(0.3) and prior.mean == flat.mean


def test_independent_slices_are_exact():
    shape = (1, 3, 4, 4)
    flat, covariance = plane(4, 4)
    matrix = draw(10, 48, seed=3) / 48**0.5
    truth_of = torch.kron(torch.eye(3, dtype=DOUBLE), covariance)
    measurement = simulate(Whole(matrix, shape), Gaussian(0.1), draw(*shape, seed=4), seed=1)
    truth = gaussian_posterior(torch.full((48,), 0.2), truth_of, matrix, measurement.y[0], 0.1)
    prior, whole = sliced(flat), gaussian(torch.full(shape, 0.2), truth_of)
    x = draw(2, *shape, seed=5)
    torch.testing.assert_close(prior.denoise(x, 0.7), whole.denoise(x, 0.7))
    options = {"chains": 400, "steps": 100, "solver_steps": 10}
    samples = run(load("tmpd"), replace(prior, shape=shape), measurement, **options)
    away = (samples.flatten(1).double() - truth.mean) / truth.covariance.diagonal().sqrt()
    assert away.mean(0).abs().max() < 0.2  # 400 chains: 0.05
    assert away.var(0).min() > 0.65 and away.var(0).max() < 1.25  # ancestral steps are 5 % short


def test_the_network_sees_no_more_than_it_may_at_once():
    flat, _ = plane(4, 5, channels=2)
    sizes = []

    def watched(x, sigma):
        sizes.append((len(x), torch.as_tensor(sigma).numel()))
        return flat.denoise(x, sigma)

    x, levels = draw(3, *VOLUME), torch.tensor([0.1, 1.0, 5.0], dtype=DOUBLE)
    for together, expected in ((1, [1] * 9), (4 * 40 + 39, [4, 4, 1]), (10**6, [9])):
        sizes.clear()
        prior = sliced(replace(flat, denoise=watched), together=together)
        torch.testing.assert_close(prior.denoise(x, levels), sliced(flat).denoise(x, levels))
        assert sizes == [(count, count) for count in expected]
        prior.denoise(x, 0.3)
        assert sizes[-1][1] == 1
        assert prior.limit == max(together, 0)


def test_gradients_go_through_the_parts():
    flat, _ = plane(4, 5, channels=2)
    x, v = draw(2, *VOLUME), draw(2, *VOLUME, seed=1)
    whole = linearize(sliced(flat).denoise, x, 0.5)
    parts = linearize(sliced(flat, together=100).denoise, x, 0.5)
    for _ in range(2):  # the pullback may be called again
        torch.testing.assert_close(parts[1](v), whole[1](v))
    torch.testing.assert_close(parts[0], whole[0])


def test_a_network_moves_along_and_its_costs_stay():
    network = nn.Conv2d(1, 1, 3, padding=1)
    flat = Prior(
        lambda x, sigma: network(x), (1, None, None), mean=0.4, network=network, footprint=30.0,
        limit=3 * 2**20,
    )  # fmt: skip
    prior = sliced(flat, "y")
    assert prior.network is network and prior.footprint == 30 and prior.limit == 3 * 2**20
    assert prior.shape == (1, None, None, None) and prior.accepts((1, 3, 9, 8))
    each = sliced(replace(flat, mean=torch.tensor([0.5]).reshape(1, 1, 1)), "y")
    assert each.mean.shape == (1, 1, 1, 1)
    columns = sliced(replace(flat, mean=torch.ones(1, 4, 5)), "y")
    assert columns.mean.shape == (1, 4, 1, 5)


def test_complex_slices_of_a_real_prior():
    flat, _ = plane(4, 5)
    prior = sliced(complex_valued(flat))
    x = draw(2, *VOLUME)
    one = sliced(flat)
    expected = torch.cat([one.denoise(x[:, :1], 0.4), one.denoise(x[:, 1:], 0.4)], 1)
    torch.testing.assert_close(prior.denoise(x, 0.4), expected)


def test_what_has_no_slices_is_refused():
    flat, _ = plane(4, 5)
    for axis in (0, 4, -4, "w", None):
        with pytest.raises(ValueError, match="axis z, y or x"):
            sliced(flat, axis)
    with pytest.raises(ValueError, match="channels, height, width"):
        sliced(gaussian(torch.zeros(5), 1.0))


# perpendicular


def test_averaged_scores_are_the_weighted_sum():
    across, _ = plane(4, 5, channels=2)
    along, _ = plane(3, 5, channels=2, width=0.7)
    both = perpendicular([across, along], ("z", "y"), weights=(0.7, 0.3), drawn=False)
    x = draw(3, *VOLUME)
    for sigma in (0.3, torch.tensor([0.1, 1.0, 5.0], dtype=DOUBLE)):
        expected = 0.7 * sliced(across, "z").denoise(x, sigma)
        expected = expected + 0.3 * sliced(along, "y").denoise(x, sigma)
        torch.testing.assert_close(both.denoise(x, sigma), expected)
    assert both.shape == (2, 3, 4, 5) and both.accepts(VOLUME)
    assert both.mean == pytest.approx(0.2) and both.card["axes"] == ["z", "y"]
    law = 0.7 * across.variance(0.5) + 0.3 * along.variance(0.5)
    assert both.variance(0.5) == pytest.approx(law)


def test_the_level_draws_the_axis_with_its_weight():
    marks = [Prior(lambda x, sigma, v=v: torch.full_like(x, v), (1, None, None)) for v in range(3)]
    both = perpendicular(marks, ("z", "y", "x"), weights=(0.5, 0.3, 0.2))
    levels = torch.logspace(-2, 1.8, 600, dtype=DOUBLE).tolist()
    x = draw(1, 1, 3, 3, 3)
    seen = [both.denoise(x, sigma).flatten()[0].item() for sigma in levels]
    for mark, weight in enumerate((0.5, 0.3, 0.2)):
        assert seen.count(mark) / 600 == pytest.approx(weight, abs=0.06)  # std 0.02
    assert seen == [both.denoise(x.float(), torch.tensor(s)).flatten()[0].item() for s in levels]
    mixed = both.denoise(draw(600, 1, 3, 3, 3), torch.tensor(levels, dtype=DOUBLE))
    assert mixed.flatten(1)[:, 0].tolist() == seen  # chains at levels of their own
    together = both.denoise(draw(2, 1, 3, 3, 3), torch.full((2,), 0.3))
    assert together.unique().numel() == 1


def test_one_prior_serves_all_axes_at_the_cost_of_one():
    flat, _ = plane(4, 4)
    counting = Counting(flat.denoise)
    network = nn.Identity()
    single = replace(flat, denoise=counting, network=network, footprint=7.0)
    turned = perpendicular(single)
    x = draw(2, 1, 4, 4, 4)
    turned.denoise(x, 0.5)
    assert counting.calls == 1 and list(turned.network) == [network] and turned.footprint == 7.0
    expected = [sliced(flat, axis).denoise(x, 0.5) for axis in ("z", "y")]
    assert any(torch.allclose(turned.denoise(x, 0.5), one) for one in expected)
    perpendicular(single, ("z", "y", "x"), drawn=False).denoise(x, 0.5)
    assert counting.calls == 1 + 2 + 3


def test_white_volumes_are_white_from_every_side():
    flat = gaussian(torch.zeros(1, 4, 4), 1.0)
    x = draw(2, 1, 4, 4, 4)
    for both in (perpendicular(flat), perpendicular(flat, ("x", "z", "y"), drawn=False)):
        torch.testing.assert_close(both.denoise(x, 0.7), x / (1 + 0.7**2))


def test_parts_are_never_asked_outside_their_levels():
    asked = []

    def watched(x, sigma):
        asked.append(float(sigma))
        return x / (1 + sigma**2)

    narrow = Prior(watched, (1, None, None), sigma_min=0.1, sigma_max=20.0)
    both = perpendicular([narrow, replace(narrow, sigma_max=50.0)], drawn=False)
    for sigma in (0.01, 1.0, 40.0):
        both.denoise(draw(1, 1, 3, 3, 3), sigma)
    assert (both.sigma_min, both.sigma_max) == (0.1, 50.0)
    assert asked == pytest.approx([0.1, 0.1, 1.0, 1.0, 20.0, 40.0])


def test_what_does_not_fit_together_is_refused():
    flat, _ = plane(4, 4)
    for priors, axes, options in (
        ([flat], ("z", "y"), {}), (flat, ("z", 1), {}), (flat, ("z", "y"), {"weights": (1.0,)})
    ):  # fmt: skip
        with pytest.raises(ValueError, match="one prior and one weight"):
            perpendicular(priors, axes, **options)
    for weights in ((0.5, 0.6), (1.0, 0.0), (1.5, -0.5)):
        with pytest.raises(ValueError, match="1 in all"):
            perpendicular(flat, weights=weights)
    with pytest.raises(ValueError, match="no volume together"):
        perpendicular([flat, plane(5, 5)[0]])


# thick slices made thin


@pytest.fixture(scope="module")
def thick():
    """A smooth volume seen in slices four times too thick, and its exact posterior."""
    shape, width = (1, 8, 6, 6), 2.0
    lines = smooth(8, width), smooth(6, width), smooth(6, width)
    covariance = torch.kron(lines[0], torch.kron(lines[1], lines[2]))
    x = (torch.linalg.cholesky(covariance) @ draw(288, seed=3)).reshape(shape)
    operator = thick_slices(shape, 4)
    measurement = simulate(operator, Gaussian(0.1), x, seed=1)
    y = measurement.y.flatten()
    truth = gaussian_posterior(torch.zeros(288), covariance, dense(operator), y, 0.1)
    flat = gaussian(torch.zeros(1, 6, 6), torch.kron(lines[1], lines[2]))
    across = gaussian(torch.zeros(1, 8, 6), torch.kron(lines[0], lines[2]))
    return measurement.to("cpu"), truth, flat, across


def from_exact(mean, truth):
    """How far an estimate is from the posterior mean, in the posterior's standard deviations."""
    spread = truth.covariance.diagonal().mean()
    return ((mean.flatten().double() - truth.mean).square().mean() / spread).sqrt().item()


def test_consistency_along_z_makes_thick_slices_thin(thick):
    measurement, truth, flat, across = thick
    shape = measurement.operator.in_shape
    wide = F.interpolate(measurement.y, size=shape[1:], mode="trilinear")
    slices = replace(sliced(flat), shape=shape)
    both = [perpendicular([flat, across], drawn=drawn) for drawn in (True, False)]
    found = {
        "slices": run(load("dds"), slices, measurement, chains=60, steps=40),
        "variation": run(load("dds"), slices, measurement, chains=60, steps=40, tv_axis=1),
        "drawn": run(load("dds"), both[0], measurement, chains=60, steps=40),
        "averaged": run(load("dds"), both[1], measurement, chains=60, steps=40),
    }
    off = {name: from_exact(samples.mean(0), truth) for name, samples in found.items()}
    off["interpolated"] = from_exact(wide, truth)
    for name in ("variation", "drawn", "averaged"):
        assert off[name] < 0.8 * min(off["slices"], off["interpolated"])
    rough = {name: samples.diff(dim=2).abs().mean().item() for name, samples in found.items()}
    exact = truth.draw(60).reshape(60, *shape).diff(dim=2).abs().mean().item()
    assert rough["slices"] > 1.8 * exact  # slices that know nothing of one another
    for name in ("variation", "drawn", "averaged"):
        assert rough[name] == pytest.approx(exact, rel=0.3)


def test_variation_along_z_is_of_complex_volumes_too():
    shape = (2, 4, 3, 3)
    flat, _ = plane(3, 3, channels=2)
    x = draw(2, 1, 3, 3, seed=2).expand(shape)
    measurement = simulate(thick_slices(shape, 2), Gaussian(0.3), x, seed=1).to("cpu")
    rough = [
        run(load("dds"), replace(sliced(flat), shape=shape), measurement, chains=40, steps=25,
            tv_axis=axis).diff(dim=2).abs().mean()
        for axis in (None, 1, -3)
    ]  # fmt: skip
    assert rough[1] < 0.7 * rough[0] and rough[1] == rough[2]
