"""Descent: Muon's steps are orthogonal, and what was saved is gone on from."""

import pytest
import torch
from torch import nn

from restore.networks.training.descent import Descent, share_of_rate
from restore.networks.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(24, 24), (16, 90), (90, 16)])
def test_orthogonal_keeps_the_singular_vectors_and_lifts_the_values_to_one(shape):
    generator = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    values = torch.logspace(-1, 0, min(shape))  # the iteration lifts what is above about 1e-2
    found = u.T @ orthogonal(u @ torch.diag(values) @ v) @ v.T
    assert found.diagonal().min() > 0.6 and found.diagonal().max() < 1.3
    rest = found - torch.diag(found.diagonal())
    assert rest.abs().max() < 0.05  # bfloat16 has three digits


def test_a_step_is_of_the_size_that_adamw_would_take():
    weight = nn.Parameter(torch.zeros(32, 48))
    weight.grad = torch.randn(32, 48, generator=torch.Generator().manual_seed(0)) * 1e-4
    Muon([weight], 1e-2).step()
    # 32 singular values of about 0.9: rms 0.9 sqrt(32 / (32 * 48)), times 0.2 sqrt(48)
    assert weight.detach().square().mean().sqrt() == pytest.approx(0.2 * 0.9 * 1e-2, rel=0.15)


def test_muon_is_for_matrices():
    with pytest.raises(ValueError, match="two axes"):
        Muon([nn.Parameter(torch.zeros(3))], 1e-3)


def _layers() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 1, 3, padding=1))


def _loss(network: nn.Module, seed: int) -> torch.Tensor:
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    return (network(x) - 0.5 * x.roll(1, -1)).square().mean()


def _go_on(descent: Descent, steps: int) -> None:
    while descent.step < steps:
        descent.descend(_loss(descent.network, descent.step), 5e-3)


@pytest.mark.parametrize("method", ["adamw", "muon"])
def test_descent_goes_down_and_on_from_what_was_saved(method):
    whole = Descent(_layers(), 5e-3, 0.9, method)
    first = _loss(whole.network, 0).item()
    _go_on(whole, 100)
    assert _loss(whole.average, 0) < 0.4 * first

    begun = Descent(_layers(), 5e-3, 0.9, method)
    _go_on(begun, 40)
    resumed = Descent(_layers(), 5e-3, 0.9, method)
    resumed.go_on_from(begun.state)
    _go_on(resumed, 100)
    for mine, theirs in zip(resumed.average.parameters(), whole.average.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_rate_rises_stays_and_falls():
    shares = [share_of_rate(step, 100, warmup=10, decay=0.5) for step in (0, 9, 50, 75, 100)]
    assert shares == [0.1, 1.0, 1.0, 0.5, 0.0]
