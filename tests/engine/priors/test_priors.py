"""Exact priors against their definitions, and combinators against the prior they are made of."""

import pytest
import torch

from restore.priors.combined.tiled import tiled
from restore.priors.exact import dataset, gaussian, mixture
from restore.priors.prior import Prior, isotropic, linearize, score, tabulated

WEIGHTS = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
MEANS = torch.tensor([[-2.0, 0.0], [1.0, 1.0], [3.0, -1.0]], dtype=torch.float64)


def _wishart(n):
    a = torch.randn(n, n, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return a @ a.T / n


def test_a_gaussian_denoises_by_its_covariance():
    mean, covariance = torch.randn(5, dtype=torch.float64), _wishart(5)
    x = torch.randn(4, 5, dtype=torch.float64)
    for sigma in (0.01, 1.0, 30.0):
        gain = covariance @ torch.linalg.inv(covariance + sigma**2 * torch.eye(5))
        expected = mean + (x - mean) @ gain.T
        torch.testing.assert_close(gaussian(mean, covariance).denoise(x, sigma), expected)


def test_the_jacobian_is_the_posterior_covariance():
    covariance, sigma = _wishart(5), 0.7
    x = torch.randn(1, 5, dtype=torch.float64)
    _, pullback = linearize(gaussian(torch.zeros(5), covariance).denoise, x, sigma)
    jacobian = torch.cat([pullback(row[None]) for row in torch.eye(5, dtype=torch.float64)])
    after = (
        covariance
        - covariance @ torch.linalg.inv(covariance + sigma**2 * torch.eye(5)) @ covariance
    )
    torch.testing.assert_close(sigma**2 * jacobian, after)


@pytest.mark.parametrize("n", [2, 6])  # as many components as values or more, and fewer
@pytest.mark.parametrize("variance", [0.5, torch.tensor([0.1, 0.5, 2.0])])
def test_a_mixture_denoises_by_its_score(variance, n):
    means = MEANS.repeat(1, n // 2)  # three means in one plane
    prior = mixture(WEIGHTS, means, variance)
    sigma = 0.8
    x = torch.randn(6, n, dtype=torch.float64, requires_grad=True)
    total = torch.as_tensor(variance, dtype=torch.float64) + sigma**2
    square = (x[:, None] - means).square().sum(2)
    log_density = torch.logsumexp(WEIGHTS.log() - square / (2 * total) - n / 2 * total.log(), 1)
    slope = torch.autograd.grad(log_density.sum(), x)[0]  # Tweedie: D = x + sigma^2 grad log p
    torch.testing.assert_close(score(prior.denoise, x.detach(), sigma), slope)


def test_a_dataset_denoises_to_the_weighted_points():
    points = torch.randn(7, 2, 3)
    x, sigma = torch.randn(4, 2, 3), 0.5
    distance = (x[:, None] - points).flatten(2).square().sum(2)
    shares = torch.softmax(-distance / (2 * sigma**2), 1)
    expected = (shares @ points.flatten(1)).reshape(4, 2, 3)
    torch.testing.assert_close(dataset(points).denoise(x, sigma), expected, rtol=1e-4, atol=1e-5)


def test_each_chain_may_have_its_own_sigma():
    x = torch.randn(3, 2, dtype=torch.float64)
    sigma = torch.tensor([0.1, 1.0, 10.0], dtype=torch.float64)
    for prior in (mixture(WEIGHTS, MEANS, 0.5), gaussian(torch.zeros(2), _wishart(2))):
        one_by_one = [prior.denoise(x[i : i + 1], s) for i, s in enumerate(sigma)]
        torch.testing.assert_close(prior.denoise(x, sigma), torch.cat(one_by_one))


def test_a_mixture_at_800_dimensions_keeps_its_responsibilities_in_float32():
    means = 8.0 * torch.tensor([[i, j] for i in range(-2, 3) for j in range(-2, 3)]).repeat(1, 400)
    prior = mixture(torch.ones(25), means, 1.0)
    x = (means[:4] + 40 * torch.randn(4, 800)).double()
    torch.testing.assert_close(
        prior.denoise(x.float(), 40.0).double(), prior.denoise(x, 40.0), rtol=1e-4, atol=1e-3
    )


@pytest.mark.parametrize("variance", [0.5, torch.tensor([0.1, 0.5, 2.0])])
def test_the_jacobian_of_a_mixture_is_that_of_its_differences(variance):
    prior = mixture(WEIGHTS, MEANS.repeat(1, 2), variance)
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: prior.denoise(z, 0.8), x)


@pytest.mark.parametrize("variance", [0.0, torch.tensor([1e-6, 4e-6, 9e-6])])
def test_neighbours_of_a_mixture_far_from_zero_are_told_apart_in_float32(variance):
    generator = torch.Generator().manual_seed(0)
    means = 1 + torch.randn(3, 64, generator=generator) / 4096  # float32 keeps 1 / 8e6 here
    prior = mixture(WEIGHTS, means, variance)
    x = means + 0.004 * torch.randn(3, 64, generator=generator)
    exact = prior.denoise(x.double(), 0.004)
    assert (prior.denoise(x, 0.004) - exact).abs().max() < 1e-6
    away = (exact - means[:, None].double()).norm(dim=2).amin(0)
    assert (away > 1e-5).any()  # the shares are shared: a wrong one would show


def test_the_law_of_a_prior_is_its_mean_square_error():
    torch.manual_seed(0)
    for prior, draws in (
        (gaussian(torch.zeros(4), 2.0), 2**0.5 * torch.randn(20_000, 4)),
        (mixture(WEIGHTS, MEANS, 0.0), MEANS[torch.multinomial(WEIGHTS, 20_000, True)].float()),
    ):
        for sigma in (0.3, 1.0, 5.0):
            noisy = draws + sigma * torch.randn_like(draws)
            error = (prior.denoise(noisy, sigma) - draws).square().mean().item()
            # the mixture's law is measured on 256 draws: a tenth; of the rare draws between two
            # components it may have none, of which one alone gives 20 000 about 1e-4
            assert error == pytest.approx(prior.variance(sigma), rel=0.3, abs=5e-4)


def test_a_table_of_errors_is_interpolated_and_goes_on_as_sigma_squared():
    law = tabulated([0.1, 1.0], [1e-3, 1e-1])
    assert law(1.0) == pytest.approx(1e-1)
    assert law(10**-0.5) == pytest.approx(1e-2)
    assert law(0.01) == pytest.approx(1e-5)
    assert law(50.0) == pytest.approx(1e-1)
    assert isotropic(2.0)(2.0) == pytest.approx(2.0)


def test_a_prior_knows_what_it_accepts():
    prior = Prior(lambda x, sigma: x, (3, None, None))
    assert prior.accepts((3, 8, 9)) and not prior.accepts((1, 8, 9))
    assert not prior.accepts((3, 8)) and Prior(lambda x, s: x).accepts((5,))


def _blur(x, sigma):
    """A local denoiser: every value depends on its neighbours up to 2 away."""
    kernel = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=x.dtype) / 16
    plane = (kernel[:, None] * kernel).expand(x.shape[1], 1, 5, 5)
    return torch.nn.functional.conv2d(x, plane, padding=2, groups=x.shape[1])


@pytest.mark.parametrize("size", [(40, 40), (40, 97), (33, 20), (16, 16), (1, 50)])
def test_tiles_of_a_local_denoiser_leave_no_seams(size):
    prior = Prior(_blur, (2, None, None))
    x = torch.randn(2, 2, *size, dtype=torch.float64)
    whole, parts = prior.denoise(x, 1.0), tiled(prior, 16, 6).denoise(x, 1.0)
    # inner tile borders see zeros 2 samples deep, blended with weights up to 2/7
    assert (whole - parts).abs().mean() < 0.02 * whole.abs().mean() + 0.03
    assert torch.equal(whole, parts) or max(size) > 16


def test_tiles_blend_to_one_and_give_the_same_gradient_as_autograd():
    prior = tiled(Prior(lambda x, sigma: x * 0.5, (1, None, None)), 16, 6)
    x = torch.randn(1, 1, 37, 50, dtype=torch.float64)
    torch.testing.assert_close(prior.denoise(x, 1.0), 0.5 * x)
    denoised, pullback = linearize(prior.denoise, x, 1.0)
    v = torch.randn_like(x)
    torch.testing.assert_close(denoised, 0.5 * x)
    torch.testing.assert_close(pullback(v), 0.5 * v)


def test_the_network_never_sees_more_than_a_tile():
    seen = []

    def denoise(x, sigma):
        seen.append(tuple(x.shape[2:]))
        return x

    tiled(Prior(denoise, (1, None, None)), 32, 8).denoise(torch.zeros(1, 1, 100, 70), 1.0)
    assert set(seen) == {(32, 32)}
    with pytest.raises(ValueError, match="overlap"):
        tiled(Prior(denoise), 32, 20)
