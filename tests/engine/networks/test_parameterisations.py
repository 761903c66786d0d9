"""Every from_* against one exact denoiser, written as the network of that parameterisation."""

import pytest
import torch

from restore.networks.parameterisations import (
    from_blind,
    from_edm,
    from_eps,
    from_flow,
    from_v,
    from_x0,
)

MEAN, VARIANCE = 0.3, 0.7  # x0 ~ N(MEAN, VARIANCE)
SIGMA_DATA = 0.4


def truth(x, sigma):
    """E[x0 | x0 + sigma n = x]."""
    return MEAN + VARIANCE / (VARIANCE + sigma**2) * (x - MEAN)


def column(sigma, x):
    return sigma.reshape(-1, *(1,) * (x.ndim - 1))


def label(sigma):
    return 3 * torch.log(sigma) + 1  # any invertible one


def level(labels, x):
    return column(torch.exp((labels - 1) / 3), x)


def eps_network(scaled, labels):
    s = level(labels, scaled)
    x = scaled * (1 + s**2).sqrt()
    return (x - truth(x, s)) / s


def v_network(scaled, labels):
    """v = a eps - b x0 with a^2 + b^2 = 1 and b / a = sigma."""
    s = level(labels, scaled)
    x, a = scaled * (1 + s**2).sqrt(), (1 + s**2).rsqrt()
    return a * (x - truth(x, s)) / s - a * s * truth(x, s)


def x0_network(scaled, labels):
    s = level(labels, scaled)
    return truth(scaled * (1 + s**2).sqrt(), s)


def edm_network(mean):
    def network(scaled, labels):
        s = column(torch.exp(4 * labels), scaled)
        total = (s**2 + SIGMA_DATA**2).sqrt()
        away = scaled * total
        target = truth(away + mean, s) - mean
        return (target - SIGMA_DATA**2 / total**2 * away) / (s * SIGMA_DATA / total)

    return network


def flow_network(x_t, t):
    """u = E[n - x0 | x_t], x_t = (1 - t) x0 + t n, sigma = t / (1 - t)."""
    t = column(t, x_t)
    x, s = x_t / (1 - t), t / (1 - t)
    return (x - truth(x, s)) / s - truth(x, s)


DENOISERS = {
    "eps": from_eps(eps_network, label),
    "v": from_v(v_network, label),
    "x0": from_x0(x0_network, label),
    "edm": from_edm(edm_network(0.0), sigma_data=SIGMA_DATA),
    "edm, centred": from_edm(edm_network(0.25), sigma_data=SIGMA_DATA, mean=0.25),
    "flow": from_flow(flow_network),
}
every = pytest.mark.parametrize("name", list(DENOISERS))


@every
@pytest.mark.parametrize("sigma", [0.002, 0.3, 1.0, 80.0])
@pytest.mark.parametrize("shape", [(2, 5), (3, 1, 7, 5), (1, 2, 3, 1, 4)])
def test_it_is_the_denoiser(name, sigma, shape):
    x = sigma * torch.randn(shape, dtype=torch.float64) + MEAN
    for given in (sigma, torch.tensor(sigma, dtype=torch.float64)):
        torch.testing.assert_close(DENOISERS[name](x, given), truth(x, sigma))


@every
def test_every_row_may_have_its_own_level(name):
    x = torch.randn(3, 2, 5, dtype=torch.float64)
    sigma = torch.tensor([0.1, 1.0, 30.0], dtype=torch.float64)
    torch.testing.assert_close(DENOISERS[name](x, sigma), truth(x, column(sigma, x)))


@every
def test_float32_stays_float32(name):
    assert DENOISERS[name](torch.randn(2, 5), 0.5).dtype == torch.float32


@pytest.mark.parametrize("residual", [True, False])
def test_a_blind_denoiser_has_one_level(residual):
    def network(x):
        return x - truth(x, 0.2) if residual else truth(x, 0.2)

    x = torch.randn(2, 7, dtype=torch.float64)
    torch.testing.assert_close(from_blind(network, residual=residual)(x, 0.9), truth(x, 0.2))
