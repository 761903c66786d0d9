"""SENSE against its formula, against dense matrices, and the laws of operators."""

import pytest
import torch
from restore_mri.kspace.samples import to_image, to_kspace
from restore_mri.operators.finer_grid import OnFinerGrid, coarser, finer
from restore_mri.operators.noncartesian_sense import NonCartesianSense, noncartesian_sense
from restore_mri.operators.sense import Sense, sense

from restore.measurement.signal import norm
from restore.measurement.spectral import dense
from restore.testing import (
    assert_adjoint,
    assert_linear,
    assert_normal,
    assert_solve_normal,
    assert_tikhonov,
    randn,
)

DOUBLE, SINGLE = torch.complex128, torch.complex64


def maps(coils: int, size: tuple[int, int], slices: int = 1) -> torch.Tensor:
    found = randn((coils, *size), DOUBLE, batch=slices, seed=5)
    return found / found.abs().square().sum(1, keepdim=True).sqrt()


def uniform(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)


def chance(*shape: int) -> torch.Tensor:
    return uniform(*shape) < 0.6


# name: (signal shape, maps, mask, volume)
CASES = {
    "columns": ((1, 2, 5, 6), maps(3, (5, 6)), chance(6).expand(5, 6), False),
    "rows, maps a slice": ((2, 3, 6, 5), maps(3, (6, 5), 3), chance(6, 1).expand(6, 5), False),
    "plane": ((2, 3, 6, 4), maps(3, (6, 4)), chance(6, 4), False),
    "columns a slice": ((2, 3, 5, 5), maps(3, (5, 5), 3), chance(3, 1, 5).expand(3, 5, 5), False),
    "plane a frame": ((2, 3, 5, 4), maps(2, (5, 4), 3), chance(6, 5, 4), False),
    "weights": ((1, 1, 5, 4), maps(2, (5, 4)), chance(5, 4) * uniform(5, 4), False),
    "all": ((1, 2, 7, 4), maps(4, (7, 4), 2), None, False),
    "one coil": ((2, 3, 5, 4), maps(1, (5, 4)), chance(6, 5, 4), False),
    "volume": ((1, 4, 5, 6), maps(3, (5, 6), 4), chance(4, 5, 1).expand(4, 5, 6), True),
    "volume, planes": ((2, 3, 5, 4), maps(3, (5, 4), 3), chance(3, 1, 1).expand(3, 5, 4), True),
    "volume, one coil": ((2, 3, 4, 4), maps(1, (4, 4)), chance(6, 4, 4), True),
}
CLOSED = {"columns", "rows, maps a slice", "columns a slice", "all", "one coil",
          "volume, planes", "volume, one coil"}  # fmt: skip
cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
closed = pytest.mark.parametrize("case", [CASES[name] for name in sorted(CLOSED)])


def build(case) -> Sense:
    shape, coils, mask, volume = case
    return Sense(shape, coils, mask, volume=volume)


def formula(x: torch.Tensor, coils, mask, volume: bool) -> torch.Tensor:
    """M fftshift(fft(ifftshift(S x))), slice by slice or all axes; (batch, ..., coil, ky, kx)."""
    images = coils * x[:, :, :, None]
    axes = (-4, -2, -1) if volume else (-2, -1)
    k = torch.fft.fftn(torch.fft.ifftshift(images, axes), dim=axes, norm="ortho")
    k = torch.fft.fftshift(k, axes).flatten(1, 2)
    if mask is None:
        return k
    mask = mask if mask.ndim == 3 else mask[None]
    return k * mask.repeat(k.shape[1] // len(mask), 1, 1)[:, None]


@pytest.mark.parametrize(
    ("name", "axes"),
    {"columns": (-1,), "rows, maps a slice": (-2,), "plane": (-2, -1), "all": (),
     "volume": (-3, -2), "volume, planes": (-3,), "columns a slice": (-1,)}.items(),
)  # fmt: skip
def test_only_axes_along_which_the_mask_changes_are_transformed(name, axes):
    assert build(CASES[name]).folded == axes


@cases
def test_it_is_the_centred_formula(case):
    x = randn(case[0], DOUBLE)
    torch.testing.assert_close(build(case)(x), formula(x, *case[1:]))


@cases
def test_it_keeps_the_laws(case):
    operator = build(case)
    for dtype in (DOUBLE, SINGLE):
        assert_adjoint(operator, dtype)
        assert_linear(operator, dtype)
        assert_normal(operator, dtype)
        assert_solve_normal(operator, dtype, rtol=1e-4)
        assert_tikhonov(operator, dtype, rtol=1e-4)


@cases
def test_solve_normal_is_the_dense_solve(case):
    operator = build(case)
    matrix, b = dense(operator, DOUBLE), randn(case[0], DOUBLE, batch=1)
    system = matrix.mH @ matrix + 0.01 * torch.eye(b.numel(), dtype=DOUBLE)
    expected = torch.linalg.solve(system, b.flatten()).reshape(b.shape)
    assert norm(operator.solve_normal(b, 0.01) - expected) < 1e-5 * norm(expected)


@closed
def test_where_it_is_closed_the_solve_is_exact_however_small_the_shift(case):
    operator = build(case)
    y = operator(randn(case[0], DOUBLE)) + 0.01
    matrix = dense(operator, DOUBLE)
    system = matrix.mH @ matrix + 1e-6 * torch.eye(matrix.shape[1], dtype=DOUBLE)
    expected = torch.linalg.solve(system, matrix.mH @ y.flatten(1).T).T
    found = operator.tikhonov(y, 1e-6).flatten(1)
    assert (norm(found - expected) < 1e-8 * norm(expected)).all()
    single = operator.tikhonov(y.to(SINGLE), 1e-6).flatten(1)
    assert (norm(single - expected) < 1e-5 * norm(expected)).all()


@cases
def test_norm_is_the_largest_singular_value_and_at_most_one(case):
    operator = build(case)
    largest = torch.linalg.matrix_norm(dense(operator, DOUBLE), 2).item()
    assert 0.98 * largest < operator.norm() < largest + 1e-5  # iteration comes from below
    assert operator.norm() < 1 + 1e-6


@pytest.mark.parametrize("name", sorted(CLOSED))
def test_its_decomposition_is_orthonormal_and_its_own(name):
    operator = build(CASES[name])
    spectral, x = operator.svd(), randn(operator.in_shape, DOUBLE)
    coordinates = spectral.from_signal(x)
    torch.testing.assert_close(spectral.to_signal(coordinates), x)
    torch.testing.assert_close(norm(coordinates), norm(x))
    expected = spectral.values * coordinates
    torch.testing.assert_close(spectral.from_measurement(operator(x)), expected)


@pytest.mark.parametrize("name", ["columns", "plane", "one coil", "all"])
def test_on_a_finer_grid_it_keeps_the_laws_and_its_exact_solves(name):
    coarse = build(CASES[name])
    for times in (2, 3):
        operator = OnFinerGrid(coarse, times)
        assert operator.in_shape[-2:] == tuple(times * n for n in coarse.in_shape[-2:])
        for dtype in (DOUBLE, SINGLE):
            assert_adjoint(operator, dtype)
            assert_linear(operator, dtype)
            assert_normal(operator, dtype)
            assert_solve_normal(operator, dtype, rtol=1e-4)
            assert_tikhonov(operator, dtype, rtol=1e-4)
        assert operator.norm() == pytest.approx(coarse.norm() / times)


def test_a_finer_grid_shows_the_same_image_as_bright_and_more_of_its_kspace_is_not_seen():
    x = randn((1, 2, 6, 5), DOUBLE)
    fine = finer(x, 2)
    torch.testing.assert_close(coarser(fine, 2), x)
    torch.testing.assert_close(finer(torch.ones_like(x), 2).real, torch.ones(*fine.shape).double())
    beyond = to_kspace(fine)
    beyond[..., 3:9, 3:8] += 7  # the middle 6x5: that alone is seen
    changed = coarser(to_image(beyond), 2) - x
    beyond[..., 0, :], beyond[..., :, 0] = 5, 5
    torch.testing.assert_close(coarser(to_image(beyond), 2) - x, changed)
    assert changed.abs().max() > 1


def test_a_mask_of_the_plane_has_no_decomposition_of_its_own():
    assert build(CASES["plane"]).svd() is None


@cases
def test_a_row_does_not_depend_on_its_batch(case):
    operator = build(case)
    x = randn(case[0], DOUBLE, batch=3)
    y, normal = operator(x), operator.normal(x)
    for row in range(3):
        one = slice(row, row + 1)
        torch.testing.assert_close(operator(x[one]), y[one])
        torch.testing.assert_close(operator.adjoint(y[one]), operator.adjoint(y)[one])
        torch.testing.assert_close(operator.normal(x[one]), normal[one])


def test_blocks_do_not_change_the_numbers(monkeypatch):
    x = randn((2, 3, 6, 4), DOUBLE, batch=3)
    operator = build(CASES["plane"])
    y, normal = operator(x), operator.normal(x)
    for room in (1, 30, 150, 400):
        monkeypatch.setattr("restore_mri.operators.sense.CACHED", room)
        torch.testing.assert_close(operator(x), y)
        torch.testing.assert_close(operator.normal(x), normal)
        torch.testing.assert_close(operator.adjoint(y), build(CASES["plane"]).adjoint(y))


@cases
def test_precision_follows_the_input(case):
    operator = build(case)
    x = randn(case[0], SINGLE)
    y = operator(x)
    assert {SINGLE} == {y.dtype, operator.adjoint(y).dtype, operator.normal(x).dtype}
    assert operator.solve_normal(x, 0.5).dtype == operator.tikhonov(y, 0.5).dtype == SINGLE


def test_automatic_differentiation_finds_the_adjoint():
    operator = build(CASES["plane"])
    x = randn(operator.in_shape, DOUBLE).requires_grad_()
    v = randn(operator.out_shape, DOUBLE)
    (gradient,) = torch.autograd.grad(operator(x), x, v)
    torch.testing.assert_close(gradient, operator.vjp(x, v))
    (second,) = torch.autograd.grad(operator.normal(x), x, x.detach())
    torch.testing.assert_close(second, operator.normal(x).detach())


@pytest.mark.parametrize("name", ["plane a frame", "columns", "one coil"])
def test_two_real_channels_come_in(name):
    (frames, *size), *rest, _ = CASES[name]
    operator = sense((2 * frames, *size), *rest)
    x = randn(operator.in_shape, torch.float64)
    signal = torch.complex(x[:, :frames], x[:, frames:])
    torch.testing.assert_close(operator(x), build(CASES[name])(signal))
    assert_adjoint(operator)
    assert_normal(operator)
    assert_solve_normal(operator)
    assert_tikhonov(operator)


def test_maps_of_ones_measure_the_centred_transform_of_the_signal():
    x = randn((1, 1, 6, 5), DOUBLE)
    ones = torch.ones(1, 1, 6, 5, dtype=DOUBLE)
    expected = formula(x, ones, None, False)
    torch.testing.assert_close(Sense((1, 1, 6, 5), ones)(x), expected)


TRAJECTORIES = {
    "slice": ((1, 1, 6, 5), maps(3, (6, 5)), 2),
    "frames": ((2, 3, 6, 5), maps(3, (6, 5), 3), 2),
    "volume": ((2, 3, 4, 5), maps(2, (4, 5), 3), 3),
}


@pytest.mark.parametrize("case", TRAJECTORIES.values(), ids=TRAJECTORIES)
def test_along_a_trajectory_it_is_a_transform_of_each_coil(case):
    shape, coils, axes = case
    points = (uniform(100, axes) - 0.5) * torch.tensor(shape[-axes:])
    operator = NonCartesianSense(shape, coils, points, weights=uniform(100), eps=1e-12)
    x, nufft = randn(shape, DOUBLE), operator.nufft
    y = operator(x).unflatten(1, (shape[0], -1))
    for coil in range(coils.shape[1]):
        expected = nufft((coils[:, coil] * x).reshape(-1, *nufft.in_shape))
        torch.testing.assert_close(y[..., coil, :].flatten(0, 2), expected)
    for dtype in (DOUBLE, SINGLE):
        assert_adjoint(operator, dtype)
        assert_linear(operator, dtype)
        assert_normal(operator, dtype)
        assert_solve_normal(operator, dtype, rtol=1e-4)
    assert_adjoint(noncartesian_sense((2 * shape[0], *shape[1:]), coils, points))


def test_a_whole_grid_of_points_is_the_cartesian_scan():
    shape, coils = (1, 1, 6, 4), maps(2, (6, 4))
    grid = torch.meshgrid(torch.arange(6) - 3, torch.arange(4) - 2, indexing="ij")
    operator = NonCartesianSense(shape, coils, torch.stack(grid, -1), eps=1e-12)
    x = randn(shape, DOUBLE)
    torch.testing.assert_close(operator(x), Sense(shape, coils)(x).flatten(-2))


def test_what_it_refuses():
    good = maps(2, (6, 4))
    with pytest.raises(ValueError, match="coil maps must be"):
        Sense((1, 1, 6, 5), good)
    with pytest.raises(ValueError, match="for 3 slices"):
        Sense((1, 3, 6, 4), maps(2, (6, 4), 2))
    with pytest.raises(ValueError, match="not finite"):
        Sense((1, 1, 6, 4), good * torch.nan)
    with pytest.raises(ValueError, match="a mask must be"):
        Sense((1, 1, 6, 4), good, torch.ones(4, 6))
    with pytest.raises(ValueError, match="not negative"):
        Sense((1, 1, 6, 4), good, -torch.ones(6, 4))
    with pytest.raises(ValueError, match=r"\(frames, slice, y, x\)"):
        Sense((6, 4), good)
    with pytest.raises(ValueError, match="points of axis 0"):
        NonCartesianSense((1, 1, 6, 4), good, torch.full((3, 2), 4.0))
