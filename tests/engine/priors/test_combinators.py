"""Priors made of priors: each against what it is in closed form."""

import math
from dataclasses import replace

import pytest
import torch
from direct import run
from problems import Copy, Dense, load
from torch import nn

from restore.measurement.measurement import Measurement, simulate
from restore.measurement.noise import Gaussian
from restore.priors.adapted import adapted
from restore.priors.combined.complex_valued import complex_valued
from restore.priors.combined.conditioned import conditioned
from restore.priors.combined.diverse import diverse
from restore.priors.combined.joint import joint
from restore.priors.combined.normalised import normalised
from restore.priors.combined.tiled import tiled
from restore.priors.exact import gaussian, mixture
from restore.priors.prior import Prior, linearize
from restore.sampling.loop import sample
from restore.testing.closed_forms import gaussian_posterior

DOUBLE = torch.float64


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def smooth(n, width, std=1.0):
    place = torch.arange(n, dtype=DOUBLE)
    return std**2 * torch.exp(-0.5 * ((place[:, None] - place) / width) ** 2) + 1e-3 * torch.eye(n)


def errors(samples, truth):
    """Largest error of the mean in standard deviations, and the extreme variance ratios."""
    spread = truth.covariance.diagonal()
    off = (samples.double().mean(0) - truth.mean).abs() / spread.sqrt()
    ratio = samples.double().var(0) / spread
    return off.max().item(), ratio.min().item(), ratio.max().item()


# joint


def test_a_joint_denoises_each_part_by_its_own():
    first, second = gaussian(draw(2, 3, 4), 2.0), gaussian(draw(1, 3, 4, seed=1), 0.1)
    both = joint(first, second)
    x = draw(5, 3, 3, 4, seed=2)
    for sigma in (0.1, torch.tensor([0.1, 0.2, 0.5, 1.0, 3.0], dtype=DOUBLE)):
        expected = torch.cat([first.denoise(x[:, :2], sigma), second.denoise(x[:, 2:], sigma)], 1)
        torch.testing.assert_close(both.denoise(x, sigma), expected)
    assert both.shape == (3, 3, 4)
    assert both.variance(0.4) == pytest.approx((2 * first.variance(0.4) + second.variance(0.4)) / 3)
    assert (both.sigma_min, both.sigma_max) == (second.sigma_min, first.sigma_max)


def test_parts_of_different_shapes_lie_end_to_end():
    image, kernel = gaussian(draw(1, 4, 5), 1.0), gaussian(draw(2, 3, seed=1), 0.01)
    both = joint(image, kernel)
    x = draw(2, 26, seed=2)
    found = both.denoise(x, 0.3)
    expected = image.denoise(x[:, :20].reshape(2, 1, 4, 5), 0.3).flatten(1)
    torch.testing.assert_close(found[:, :20], expected)
    expected = kernel.denoise(x[:, 20:].reshape(2, 2, 3), 0.3).flatten(1)
    torch.testing.assert_close(found[:, 20:], expected)
    assert both.shape == (26,)


def test_a_joint_keeps_means_networks_and_costs():
    def part(mean, shape, footprint):
        return replace(
            Prior(lambda x, sigma: x, shape), mean=mean, network=nn.Identity(), limit=50,
            footprint=footprint,
        )  # fmt: skip

    both = joint(part(0.5, (3, None, None), 40.0), part(0.0, (1, None, None), 80.0))
    assert both.shape == (4, None, None) and both.accepts((4, 7, 9))
    assert both.mean.flatten().tolist() == [0.5, 0.5, 0.5, 0.0]
    assert both.footprint == 50 and both.limit == 100 and len(both.network) == 2
    flat = joint(part(0.5, (1, 2, 2), 1.0), part(torch.ones(2, 1), (2, 3), 1.0))
    assert flat.mean.tolist() == [0.5] * 4 + [1.0] * 6
    measured = simulate(Copy(torch.ones(4, 3, 3)), Gaussian(0.1), torch.zeros(4, 3, 3))
    assert sample(measured, both, load("diffpir"), steps=2).samples.shape == (1, 4, 3, 3)


def test_a_part_is_never_asked_outside_its_levels():
    asked = []

    def narrow(x, sigma):
        asked.append(sigma)
        return x / (1 + sigma.reshape(-1, 1) ** 2)  # N(0, 1)

    part = Prior(narrow, (2,), sigma_min=0.1, sigma_max=20.0)
    both = joint(gaussian(torch.zeros(2), 1e4), part)
    x = draw(3, 4)
    for sigma in (0.01, 0.1, 3.0, 20.0, 500.0):
        found = both.denoise(sigma * x, torch.tensor(sigma, dtype=DOUBLE))[:, 2:]
        assert 0.1 <= asked[-1] <= 20.0
        exact = sigma * x[:, 2:] / (1 + max(sigma, 0.1) ** 2)
        # above, 1 / sigma^2 times what it is at sigma_max: right to (spread / sigma_max)^2
        torch.testing.assert_close(found, exact, rtol=1 / 20**2, atol=0)


def test_structured_noise_is_told_from_the_signal():
    n, std = 12, 0.2
    cov_x, cov_h = smooth(n, 3.0), smooth(n, 0.6, 0.7)
    prior = joint(gaussian(torch.zeros(n), cov_x), gaussian(torch.full((n,), 0.3), cov_h))
    both = torch.cat([torch.eye(n), torch.eye(n)], 1).double()  # y = x + h + n
    measurement = simulate(Dense(both), Gaussian(std), draw(2 * n, seed=5), seed=1)
    truth = gaussian_posterior(
        torch.cat([torch.zeros(n), torch.full((n,), 0.3)]),
        torch.block_diag(cov_x, cov_h), both, measurement.y[0], std,
    )  # fmt: skip
    samples = run(load("tmpd"), prior, measurement, steps=100, solver_steps=n)
    off, least, most = errors(samples, truth)
    # 2000 chains: 0.022 standard deviations, 3 % of a variance; 100 ancestral steps are 5 % short
    assert off < 0.1 and least > 0.8 and most < 1.15


def test_scales_of_the_parts_may_differ():
    n, std, scale = 6, 0.1, 0.01
    cov_x, cov_h = smooth(n, 2.0), smooth(n, 0.5, scale)
    small = normalised(gaussian(torch.zeros(n), cov_h), 0.0, 1 / scale)
    prior = joint(gaussian(torch.zeros(n), cov_x), small)
    matrix = torch.cat([torch.eye(n), scale * torch.eye(n)], 1).double()
    measurement = simulate(Dense(matrix), Gaussian(std * scale), draw(2 * n, seed=5), seed=1)
    truth = gaussian_posterior(
        torch.zeros(2 * n), torch.block_diag(cov_x, cov_h / scale**2), matrix, measurement.y[0],
        std * scale,
    )  # fmt: skip
    samples = run(load("tmpd"), prior, measurement, steps=100, solver_steps=n)
    off, least, most = errors(samples, truth)
    assert off < 0.1 and least > 0.75 and most < 1.15


def test_what_cannot_be_joined_is_refused():
    with pytest.raises(ValueError, match="at least 2"):
        joint(gaussian(torch.zeros(3), 1.0))
    with pytest.raises(ValueError, match="sizes"):
        joint(Prior(lambda x, s: x, (1, None, None)), gaussian(torch.zeros(5, 5), 1.0))
    with pytest.raises(ValueError, match="axes"):
        joint(Prior(lambda x, s: x), gaussian(torch.zeros(5), 1.0))


# blind deblurring


def test_a_blind_deblurring_finds_signal_and_kernel():
    from restore_operators import BilinearBlur, Blur, Mask

    n, std, spread = 16, 0.1, 0.1  # a row, blurred by three weights around (1, 2, 1) / 4
    covariance, centre = smooth(n, 0.5), torch.tensor([0.25, 0.5, 0.25], dtype=DOUBLE)
    kernel = normalised(gaussian(centre.reshape(1, 3), spread**2), 0.0, 1 / spread)
    prior = joint(gaussian(torch.ones(1, 1, n), covariance), kernel)
    units = torch.cat([torch.ones(n), torch.full((3,), spread)])
    operator = BilinearBlur((1, 1, n), (1, 3)) @ Mask(units)
    x = 1 + torch.linalg.cholesky(covariance) @ draw(n, seed=1)
    true = torch.cat([x, centre / spread + draw(3, seed=51)])
    measurement = simulate(operator, Gaussian(std), true, seed=2)
    y = measurement.y.flatten()

    # p(k | y) by weights on 3000 draws of k, p(x | k, y) in closed form
    kernels = centre + spread * draw(3000, 3, seed=4)
    shifts = [Blur((1, 1, n), one[None]) for one in torch.eye(3)]
    shifts = [blur(torch.eye(n).reshape(n, 1, 1, n)).reshape(n, n).T.double() for blur in shifts]
    matrix = torch.einsum("dk,kij->dij", kernels, torch.stack(shifts))
    evidence = matrix @ covariance @ matrix.mT + std**2 * torch.eye(n)
    away = y - matrix.sum(2)
    solved = torch.linalg.solve(evidence, away)
    weights = torch.softmax(-0.5 * (away * solved).sum(1) - 0.5 * evidence.logdet(), 0)
    given = 1 + torch.einsum("ij,dkj,dk->di", covariance, matrix, solved)
    narrowed = covariance @ matrix.mT @ torch.linalg.solve(evidence, matrix @ covariance)
    variance = (covariance - narrowed).diagonal(dim1=1, dim2=2)
    mean = torch.cat([weights @ given, weights @ kernels / spread])
    power = torch.cat([weights @ (variance + given**2), weights @ kernels**2 / spread**2])
    std_of = (power - mean**2).sqrt()

    samples = run(load("tmpd"), prior, measurement, chains=300, steps=50).double()
    off, ratio = (samples.mean(0) - mean) / std_of, samples.var(0) / std_of**2
    # the operator is replaced by its derivative: a quarter of a standard deviation, on average
    assert off[:n].abs().mean() < 0.35 and off[n:].abs().mean() < 0.55
    assert ratio.min() > 0.55 and ratio.max() < 1.4
    learnt = ((samples.mean(0) - mean)[n:].norm() / (centre / spread - mean[n:]).norm()).item()
    assert learnt < 0.85  # of what the measurement tells of the kernel, and the prior does not


# normalised


def test_other_units_are_the_same_samples():
    prior, mean, scale = gaussian(draw(6), smooth(6, 2.0)), 3.0, 40.0
    other = normalised(prior, mean, scale)
    measurement = simulate(Copy((torch.arange(6) % 2).double()), Gaussian(0.2), draw(6, seed=1))
    kept = measurement.operator.kept
    there = Measurement(
        kept * mean + scale * measurement.y, measurement.operator, Gaussian(scale * 0.2)
    )
    for name in ("dps", "pigdm", "diffpir", "daps"):
        options = {"chains": 3, "steps": 10, "precision": "float64"}
        here = sample(measurement, prior, load(name), **options).samples
        found = sample(there, other, load(name), **options).samples
        torch.testing.assert_close((found - mean) / scale, here, rtol=1e-6, atol=1e-6)


def test_a_mean_may_differ_between_channels():
    prior = Prior(lambda x, s: x / (1 + s**2), (3, None, None))
    mean = torch.tensor([0.1, 0.2, 0.3]).reshape(3, 1, 1)
    other = normalised(prior, mean, 2.0)
    x = draw(2, 3, 4, 5)
    torch.testing.assert_close(other.denoise(x, 3.0), mean + (x - mean) / (1 + 1.5**2))
    measurement = simulate(Copy(torch.ones(3, 4, 5)), Gaussian(0.1), torch.zeros(3, 4, 5))
    assert sample(measurement, other, load("diffpir"), steps=2).samples.shape == (1, 3, 4, 5)
    with pytest.raises(ValueError, match="axes"):
        normalised(prior, torch.zeros(3), 1.0)
    for scale in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="scale"):
            normalised(prior, 0.0, scale)


# conditioned


def test_a_condition_gives_the_conditional_posterior():
    matrix, covariance = draw(4, 2, seed=1), smooth(4, 1.0)

    def denoise(x, sigma, condition):  # x0 | c ~ N(matrix c, covariance)
        centre = condition @ matrix.to(x).T
        return centre + gaussian(torch.zeros(4), covariance).denoise(x - centre, sigma)

    condition = torch.tensor([[1.0, -0.5]], dtype=DOUBLE)
    free = gaussian(torch.zeros(4), covariance + matrix @ matrix.T)  # c ~ N(0, I)
    prior = conditioned(free, denoise, condition)
    measurement = simulate(Dense(draw(2, 4, seed=2)), Gaussian(0.3), draw(4, seed=3))
    truth = gaussian_posterior(
        (condition @ matrix.T)[0], covariance, measurement.operator.matrix, measurement.y[0], 0.3
    )
    off, least, most = errors(run(load("tmpd"), prior, measurement, solver_steps=4), truth)
    assert off < 0.1 and least > 0.85 and most < 1.1


def test_guidance_without_a_classifier_leans_out_of_the_mean():
    told, free, covariance = draw(3, seed=1), draw(3, seed=2), smooth(3, 1.0)
    calls = []

    def denoise(x, sigma, condition):
        calls.append(condition)
        return gaussian(told, covariance).denoise(x, sigma)

    base = gaussian(free, covariance)
    for weight in (0.0, 1.0, 2.5):
        calls.clear()
        prior = conditioned(base, denoise, "a word", guidance=weight)
        x = draw(4, 3, seed=3)
        leaning = gaussian(free + weight * (told - free), covariance)  # of Gaussians of one shape
        torch.testing.assert_close(prior.denoise(x, 0.7), leaning.denoise(x, 0.7))
        assert calls == ["a word"]


def test_a_condition_follows_the_precision_of_the_signal():
    seen = []
    prior = conditioned(
        Prior(lambda x, s: x), lambda x, s, c: seen.append(c.dtype) or x, torch.zeros(2)
    )
    prior.denoise(torch.zeros(1, 2, dtype=DOUBLE), 1.0)
    conditioned(prior, lambda x, s, c: seen.append(c.dtype) or x, torch.tensor(3)).denoise(
        torch.zeros(1, 2), 1.0
    )
    assert seen == [DOUBLE, torch.int64]


# complex


def test_both_parts_of_a_complex_signal_are_of_the_prior():
    from restore_operators import ChannelsToComplex, Fourier, Mask

    part = gaussian(torch.zeros(1, 2, 3), smooth(6, 1.0))
    prior = complex_valued(part)
    x = draw(4, 2, 2, 3)
    for sigma in (0.3, torch.tensor([0.1, 0.2, 1.0, 3.0], dtype=DOUBLE)):
        expected = joint(part, part).denoise(x, sigma)
        torch.testing.assert_close(prior.denoise(x, sigma), expected)
    kept = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    encoding = Mask(kept[None]) @ (Fourier((1, 2, 3)) @ ChannelsToComplex((2, 2, 3)))
    measurement = simulate(encoding, Gaussian(0.2), draw(2, 2, 3, seed=4), seed=1)
    basis = torch.eye(12, dtype=DOUBLE).reshape(12, 2, 2, 3)
    matrix = torch.view_as_real(encoding(basis)).flatten(1).T
    truth = gaussian_posterior(
        torch.zeros(12), torch.block_diag(smooth(6, 1.0), smooth(6, 1.0)), matrix,
        torch.view_as_real(measurement.y).flatten(), 0.2,
    )  # fmt: skip
    samples = run(load("tmpd"), prior, measurement, chains=1000, steps=80, solver_steps=12)
    off, least, most = errors(samples.flatten(1), truth)
    assert off < 0.15 and least > 0.75 and most < 1.2
    with pytest.raises(ValueError, match="channels"):
        complex_valued(Prior(lambda x, s: x))


# adapted

SIDE = 8


class Shrinking(nn.Module):
    """D = W x / (1 + sigma^2): right for N(0, I) with W = 1; this one knows half the directions."""

    def __init__(self, known=SIDE // 2):
        super().__init__()
        self.layer = nn.Linear(SIDE, SIDE, bias=False)
        with torch.no_grad():
            self.layer.weight.copy_((torch.arange(SIDE) < known).float().diag())

    def forward(self, x, sigma):
        return self.layer(x / (1 + torch.as_tensor(sigma).reshape(-1, 1) ** 2))


def shrinking(known=SIDE // 2):
    network = Shrinking(known)
    return Prior(network, (SIDE,), sigma_min=0.02, sigma_max=50.0, network=network)


def unknown_signal():
    """A signal in directions that the network has not seen, measured whole."""
    x = torch.tensor([0.5, -0.3, 0.0, 0.2, 1.5, -1.0, 2.0, 0.7], dtype=DOUBLE)
    return x, simulate(Dense(torch.eye(SIDE)), Gaussian(0.05), x, seed=0)


def test_an_adapted_denoiser_moves_to_the_data():
    x, measurement = unknown_signal()
    prior = shrinking()
    after = adapted(prior, measurement, step_size=0.05)
    for sigma in (0.1, 0.3, 0.5):
        noisy = (x + sigma * draw(200, SIDE, seed=4)).float()
        was, now = (
            measurement.to("cpu").residual(p.denoise(noisy, sigma)).square().mean()
            for p in (prior, after)
        )
        away = (after.denoise(noisy, sigma) - x).norm() / (prior.denoise(noisy, sigma) - x).norm()
        assert now < 0.5 * was and away < 0.7


def test_adaptation_leaves_the_network_as_it_was():
    _, measurement = unknown_signal()
    prior = shrinking()
    weight, before = prior.network.layer.weight.clone(), prior.denoise(draw(3, SIDE).float(), 0.5)
    after = adapted(prior, measurement, step_size=0.05)
    sample(measurement, after, load("dps"), chains=2, steps=5)
    assert torch.equal(prior.network.layer.weight, weight)
    assert isinstance(prior.network.layer.weight, nn.Parameter)
    assert torch.equal(prior.denoise(draw(3, SIDE).float(), 0.5), before)
    assert not torch.equal(after.denoise(draw(3, SIDE).float(), 0.5), before)


def test_what_the_prior_expects_changes_nothing():
    prior, x = shrinking(SIDE), draw(SIDE, seed=7)
    measurement = simulate(Dense(torch.eye(SIDE)), Gaussian(0.05), x, seed=0)
    after = adapted(prior, measurement, step_size=0.05)
    noisy = draw(50, SIDE).float()
    change = (after.denoise(noisy, 0.3) - prior.denoise(noisy, 0.3)).norm()
    assert change < 0.1 * prior.denoise(noisy, 0.3).norm()


def test_adaptation_is_seeded_and_has_a_gradient():
    _, measurement = unknown_signal()
    first, again = (adapted(shrinking(), measurement, seed=3) for _ in range(2))
    noisy, v = draw(2, SIDE).float(), draw(2, SIDE, seed=1).float()
    assert torch.equal(first.denoise(noisy, 0.5), again.denoise(noisy, 0.5))
    denoised, pullback = linearize(first.denoise, noisy, torch.tensor(0.5))
    torch.testing.assert_close(denoised, first.denoise(noisy, 0.5))
    step = 1e-2 * draw(2, SIDE, seed=2).float()
    rise = first.denoise(noisy + step, 0.5) - first.denoise(noisy - step, 0.5)
    torch.testing.assert_close((pullback(v) * step).sum(), (rise * v).sum() / 2, rtol=1e-3, atol=0)


def test_tiles_of_an_adapted_network_recompute_with_its_weights():
    layer = nn.Conv1d(1, 1, 3, padding=1, bias=False).requires_grad_(False)
    prior = Prior(lambda x, s: layer(x / (1 + s**2)), (1, None), sigma_max=20.0, network=layer)
    signal = 3 * draw(1, 40, seed=1)
    measurement = simulate(Copy(torch.ones(1, 40)), Gaussian(0.05), signal)
    after = adapted(tiled(prior, 16, 4), measurement, step_size=0.02)
    x, v = draw(2, 1, 40).float(), draw(2, 1, 40, seed=1).float()
    _, pullback = linearize(after.denoise, x, torch.tensor(0.5))
    step = 1e-2 * draw(2, 1, 40, seed=2).float()
    rise = after.denoise(x + step, torch.tensor(0.5)) - after.denoise(x - step, torch.tensor(0.5))
    torch.testing.assert_close((pullback(v) * step).sum(), (rise * v).sum() / 2, rtol=1e-3, atol=0)
    assert not torch.equal(after.denoise(x, 0.5), tiled(prior, 16, 4).denoise(x, 0.5))


def test_what_cannot_adapt_is_refused():
    x, measurement = unknown_signal()
    with pytest.raises(ValueError, match="network"):
        adapted(gaussian(torch.zeros(SIDE), 1.0), measurement)
    two = simulate(Dense(torch.eye(SIDE)), Gaussian(0.1), torch.stack([x, x]))
    with pytest.raises(ValueError, match="one observation"):
        adapted(shrinking(), two)


# diverse


def test_two_signals_part_by_the_exponential_of_the_strength():
    pair = diverse(gaussian(torch.zeros(3), 1.0), 2, strength=0.4, reach=math.inf)
    samples = run(load("ddim"), pair, steps=200, chains=2000).double()
    first, second = samples.split(3, 1)
    # 2000 chains of 3 values: 1.3 % of a std
    assert (first + second).std().item() / 2**0.5 == pytest.approx(1, abs=0.05)
    assert (first - second).std().item() / 2**0.5 == pytest.approx(math.exp(0.4), rel=0.05)


def test_only_the_nearest_pushes_and_only_within_reach():
    points = torch.tensor([[0.0], [0.1], [5.0]], dtype=DOUBLE)
    alone = Prior(lambda x, sigma: x, (1,), sigma_max=1e6)
    crowd = diverse(alone, 3, strength=1.0, reach=2.0)
    found = crowd.denoise(points.reshape(1, 3), 1e6)
    torch.testing.assert_close(found, torch.tensor([[-0.1, 0.2, 5.0]], dtype=DOUBLE))
    many = torch.cat([points.reshape(1, 3), torch.zeros(1, 3, dtype=DOUBLE)])
    level = torch.tensor([1e6, 1e-6], dtype=DOUBLE)
    torch.testing.assert_close(crowd.denoise(many, level)[:1], found)
    for wrong in (lambda: diverse(alone, 1), lambda: diverse(Prior(lambda x, s: x), 2)):
        with pytest.raises(ValueError):
            wrong()


def test_diverse_restorations_all_fit_and_differ_more():
    from restore_operators import Take

    from restore.measurement.stacking import Stacked

    count, n = 3, 2
    prior = mixture([1.0] * 5, 4.0 * torch.tensor([[0, 0], [0, 1], [0, -1], [0, 2], [0, -2]]), 0.1)
    look = Dense(torch.tensor([[1.0, 0.0]], dtype=DOUBLE))  # says nothing of the second value
    operator = Stacked([look @ Take((count * n,), n * i, n * i + n) for i in range(count)])
    measurement = Measurement(torch.full((count,), 0.1), operator, Gaussian(0.1))
    spread = []
    for strength in (0.0, 0.8):
        crowd = diverse(prior, count, strength=strength)
        x = run(load("dps"), crowd, measurement, chains=200, steps=60).unflatten(1, (count, n))
        assert (x[:, :, 0] - 0.1).abs().mean() < 0.2  # all fit
        distance = (x[:, :, None] - x[:, None]).norm(dim=3) + 1e9 * torch.eye(count)
        spread.append(distance.amin((1, 2)).median().item())
    assert spread[1] > 1.2 * spread[0]


# a warm start


def test_a_warm_start_carries_the_last_frame_over():
    """From `last` with noise of sigma_start, x is one step of a stationary process of the prior:
    x - m = K (last - m) + n with K = C / (C + sigma_start^2), n ~ N(0, C - K C K)."""
    n, sigma_start = 4, 0.8
    mean, covariance, last = draw(n), smooth(n, 1.0), draw(n, seed=1)
    blank = Measurement(torch.zeros(1), Dense(torch.zeros(1, n)), Gaussian(1.0))
    posterior = sample(
        blank, gaussian(mean, covariance), load("tmpd"), chains=2000, steps=200,
        init=last, sigma_start=sigma_start,
    )  # fmt: skip
    gain = covariance @ torch.linalg.inv(covariance + sigma_start**2 * torch.eye(n))
    samples = posterior.samples.double()
    spread = covariance - gain @ covariance @ gain.T
    off = (samples.mean(0) - mean - gain @ (last - mean)) / spread.diagonal().sqrt()
    assert off.abs().max() < 0.1
    ratio = samples.var(0) / spread.diagonal()
    assert ratio.min() > 0.85 and ratio.max() < 1.1


def test_a_warm_start_sees_the_next_frame_s_measurement():
    n, sigma_start, std = 4, 0.8, 0.3
    mean, covariance, last = draw(n), smooth(n, 1.0), draw(n, seed=1)
    measurement = simulate(Dense(draw(2, n, seed=2)), Gaussian(std), draw(n, seed=3), seed=1)
    matrix, y = measurement.operator.matrix, measurement.y[0]
    posterior = sample(
        measurement, gaussian(mean, covariance), load("tmpd"), chains=2000, steps=200,
        init=last, sigma_start=sigma_start, solver_steps=4,
    )  # fmt: skip
    # x | x_sigma, y with x_sigma ~ N(last, sigma_start^2): the noise is not weighed by y
    eye = torch.eye(n, dtype=DOUBLE)
    spread = torch.linalg.inv(
        torch.linalg.inv(covariance) + matrix.T @ matrix / std**2 + eye / sigma_start**2
    )
    centre = spread @ (
        torch.linalg.solve(covariance, mean) + matrix.T @ y / std**2 + last / sigma_start**2
    )
    spread = spread + spread @ spread / sigma_start**2
    samples = posterior.samples.double()
    assert ((samples.mean(0) - centre) / spread.diagonal().sqrt()).abs().max() < 0.1
    ratio = samples.var(0) / spread.diagonal()
    assert ratio.min() > 0.85 and ratio.max() < 1.1
