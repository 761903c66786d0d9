"""The factors that conformal risk control finds, and that they keep their promise."""

import pytest
import torch

from restore.files.merit.conformal import (
    controlled_factor,
    factors_at,
    factors_by_deviation,
    least_files,
)

LEVEL, FILES, DRAWS, VALUES = 0.9, 24, 100, 200


def files(count: int, generator: torch.Generator) -> list[torch.Tensor]:
    """Errors in half-widths of files that are unlike each other, with heavy tails."""
    scales = torch.exp(0.5 * torch.randn(count, generator=generator))
    normal = torch.randn(count, VALUES, generator=generator)
    chi = torch.randn(count, VALUES, 4, generator=generator).square().mean(2).sqrt()
    return list((scales[:, None] * normal / chi).abs())


def outside(ratios: list[torch.Tensor], factor: float) -> float:
    return sum((ratio > factor).double().mean().item() for ratio in ratios) / len(ratios)


def test_the_factor_is_the_least_that_keeps_the_risk():
    ratios = files(FILES, torch.Generator().manual_seed(0))
    factor = controlled_factor(ratios, LEVEL)
    allowed = ((1 - LEVEL) * (FILES + 1) - 1) / FILES + 1e-9  # rounding
    assert outside(ratios, factor) <= allowed < outside(ratios, factor * (1 - 1e-6))


def test_the_promise_holds_on_average_over_draws_of_calibration_sets():
    """0.1 - 2 / 25 <= expected risk <= 0.1 (theorems 1 and 2 of arXiv:2208.02814)."""
    generator = torch.Generator().manual_seed(1)
    unseen = files(600, generator)
    risks = torch.tensor([
        outside(unseen, controlled_factor(files(FILES, generator), LEVEL)) for _ in range(DRAWS)
    ])  # fmt: skip
    error = 3 * risks.std().item() / DRAWS**0.5
    assert 1 - LEVEL - 2 / (FILES + 1) - error <= risks.mean().item() <= 1 - LEVEL + error


def test_the_promise_holds_for_factors_by_deviation():
    """Errors three times as large as told where samples hardly deviate, as large elsewhere."""
    generator = torch.Generator().manual_seed(2)

    def drawn(count: int):
        deviations = [10 ** (-2 * torch.rand(VALUES, generator=generator)) for _ in range(count)]
        return [
            r * (3 - 2 * (s > 0.1).float()) for r, s in zip(files(count, generator), deviations)
        ], deviations

    unseen, widths = drawn(200)
    draws = DRAWS // 2
    risks, narrow = [], []
    for _ in range(draws):
        at, factors = factors_by_deviation(*drawn(FILES), LEVEL)
        relative = [r / factors_at(s, at, factors) for r, s in zip(unseen, widths)]
        risks.append(outside(relative, 1.0))
        narrow.append(factors[0] / factors[-1])
    risks = torch.tensor(risks)
    error = 3 * risks.std().item() / draws**0.5
    assert risks.mean().item() <= 1 - LEVEL + error
    assert sorted(narrow)[draws // 2] == pytest.approx(3, rel=0.15)


def test_between_and_beyond_its_deviations_a_factor_is_interpolated():
    found = factors_at(torch.tensor([0.001, 0.01, 0.0316228, 0.1, 5.0]), [0.01, 0.1], [3.0, 1.0])
    torch.testing.assert_close(found, torch.tensor([3.0, 3.0, 2.0, 1.0, 1.0]), rtol=1e-4, atol=0)


def test_too_few_files_promise_nothing():
    few = least_files(LEVEL)
    ratios = files(few, torch.Generator().manual_seed(0))
    deviations = [torch.linspace(0.1, 1, VALUES)] * few
    at, factors = factors_by_deviation(ratios, deviations, LEVEL)
    assert len(at) == len(factors) and at == sorted(at)
    with pytest.raises(ValueError, match=f"{few} files or more, not on {few - 1}"):
        factors_by_deviation(ratios[1:], deviations[1:], LEVEL)
    with pytest.raises(ValueError, match="cannot promise"):
        controlled_factor(ratios[:8], LEVEL)


def test_samples_that_do_not_differ_have_no_intervals():
    ratios = files(FILES, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="do not differ"):
        factors_by_deviation(ratios, [torch.zeros(VALUES)] * FILES, LEVEL)
