"""Classical reconstructions, against closed forms and problems solved to their optimum."""

import math

import pytest
import torch
import torch.nn.functional as F
from catalogue import COMPLEX, random
from restore_operators import ChannelsToComplex, Fourier, Identity, Mask, random_mask
from restore_operators.reconstruction.classical import cgls, sirt, total_variation, wavelet_l1
from restore_operators.transforms.wavelet import Wavelet, daubechies

from restore.measurement.operator import LinearOperator
from restore.measurement.signal import norm

SHAPE = (1, 5, 4)


class Dense(LinearOperator):
    """y = matrix x on a flattened signal."""

    def __init__(self, matrix, in_shape=SHAPE):
        super().__init__(in_shape, matrix.shape[:1])
        self.matrix = matrix

    def _forward(self, x):
        return x.flatten(1) @ self.matrix.to(x.dtype).T

    def _adjoint(self, y):
        return (y @ self.matrix.to(y.dtype).conj()).reshape(-1, *self.in_shape)


def slopes(x, axes):
    """Forward differences of (batch, *shape) along axes of the signal, a zero behind; stacked."""
    parts = []
    for axis in axes:
        pad = [0, 0] * (x.ndim - 2 - axis) + [0, 1]
        parts.append(F.pad(x.diff(dim=axis + 1), pad))
    return torch.stack(parts)


def variation(x, axes):
    return slopes(x, axes).abs().square().sum(0).sqrt().flatten(1).sum(1)


def least_objective(matrix, y, weight, axes, shape, steps=4000):
    """The minimum of |y - A x|^2 / 2 + weight TV(x) by its dual, and the gap to the primal.

    A of full column rank, over the reals: max over |q| <= weight of
    |y|^2 / 2 - b^H (A^H A)^-1 b / 2 with b = A^H y - G^H q.
    """
    n = math.prod(shape)
    eye = torch.eye(n, dtype=matrix.dtype).reshape(n, *shape)
    gradient = slopes(eye, axes).movedim(1, -1)  # (axes, *shape, n)
    flat = gradient.reshape(-1, n)
    inverse = torch.linalg.inv(matrix.mH @ matrix)
    bound = torch.linalg.matrix_norm(flat @ inverse @ flat.mH, 2).real
    q = ahead = torch.zeros(flat.shape[0], dtype=matrix.dtype)
    age = 1.0
    for _ in range(steps):
        x = inverse @ (matrix.mH @ y - flat.mH @ ahead)
        after = (ahead + flat @ x / bound).reshape(len(axes), -1)
        after = (after / (after.abs().square().sum(0).sqrt() / weight).clamp(min=1)).flatten()
        age = 1.0 if ((ahead - after).conj() @ (after - q)).real > 0 else age
        older = (1 + (1 + 4 * age**2) ** 0.5) / 2
        ahead, q, age = after + (age - 1) / older * (after - q), after, older
    b = matrix.mH @ y - flat.mH @ q
    dual = 0.5 * y.abs().square().sum() - 0.5 * (b.conj() @ inverse @ b).real
    x = (inverse @ b).reshape(1, *shape)
    return dual.item(), (objective(matrix, y, weight, axes, x) - dual).item()


def objective(matrix, y, weight, axes, x):
    misfit = (matrix @ x.flatten() - y).abs().square().sum() / 2
    return (misfit + weight * variation(x, axes)).squeeze()


# cgls and sirt


@pytest.mark.parametrize("dtype", [torch.float64, COMPLEX])
def test_cgls_finds_the_least_squares_solution(dtype):
    matrix, y = random(25, 20, dtype=dtype), random(3, 25, seed=1, dtype=dtype)
    expected = torch.linalg.lstsq(matrix, y.T).solution.T.reshape(3, *SHAPE)
    torch.testing.assert_close(cgls(y, Dense(matrix), 40), expected, rtol=1e-6, atol=1e-6)
    start = expected + 0.1
    torch.testing.assert_close(cgls(y, Dense(matrix), 40, start), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, COMPLEX])
def test_damped_cgls_is_tikhonovs_solution(dtype):
    matrix, y = random(9, 20, dtype=dtype), random(2, 9, seed=1, dtype=dtype)
    largest = torch.linalg.matrix_norm(matrix, 2).item() ** 2
    system = matrix.mH @ matrix + 0.05 * largest * torch.eye(20, dtype=dtype)
    expected = torch.linalg.solve(system, (y @ matrix.conj()).T).T.reshape(2, *SHAPE)
    found = cgls(y, Dense(matrix), 60, damping=0.05)
    torch.testing.assert_close(found, expected, rtol=5e-3, atol=1e-3)


def test_cgls_stands_still_at_the_solution():
    matrix, x = random(25, 20).float(), random(2, *SHAPE, seed=1).float()
    x[1] = 0  # a measurement of zeros, too
    operator = Dense(matrix)
    found = cgls(operator(x), operator, 500)
    torch.testing.assert_close(found, x, rtol=1e-3, atol=1e-3)


def test_sirt_solves_what_has_a_solution():
    matrix = random(30, 20).abs()
    matrix[3], matrix[:, 5] = 0, 0  # a ray that meets nothing, a voxel that none meets
    x = random(2, *SHAPE, seed=1).abs()
    x.flatten(1)[:, 5] = 0
    operator = Dense(matrix)
    found = sirt(operator(x), operator, 30_000)
    torch.testing.assert_close(found, x, rtol=0, atol=1e-4)


def test_sirt_comes_nearer_with_every_step_and_keeps_to_its_bounds():
    matrix, y = random(30, 20).abs(), random(2, 30, seed=1)
    operator = Dense(matrix)
    row = 1 / matrix.sum(1)
    misfit = [((y - operator(sirt(y, operator, steps))) ** 2 * row).sum(1) for steps in range(1, 8)]
    assert (torch.stack(misfit).diff(dim=0) < 0).all()
    assert sirt(y, operator, 20).min() < 0 == sirt(y, operator, 20, nonnegative=True).min()


def test_sirt_refuses_entries_that_are_negative_or_complex():
    for dtype in (torch.float64, COMPLEX):
        with pytest.raises(ValueError, match="not negative"):
            sirt(random(1, 25, dtype=dtype), Dense(random(25, 20, dtype=dtype)), 3)


# total variation


def test_a_step_denoised_is_a_lower_step():
    y = torch.tensor([0.0] * 6 + [1.0] * 3, dtype=torch.float64).reshape(1, 1, 9)
    found = total_variation(y, Identity((1, 9)), 0.3, 200)
    expected = torch.tensor([0.3 / 6] * 6 + [1 - 0.3 / 3] * 3, dtype=torch.float64)
    torch.testing.assert_close(found.flatten(), expected, rtol=0, atol=1e-8)
    flat = total_variation(y, Identity((1, 9)), 50.0, 500)
    torch.testing.assert_close(flat, y.mean().expand(1, 1, 9), rtol=0, atol=1e-6)
    assert torch.equal(total_variation(y, Identity((1, 9)), 0.0, 50).round(decimals=8), y)


@pytest.mark.parametrize("dtype", [torch.float64, COMPLEX])
@pytest.mark.parametrize(("axes", "weight"), [((1, 2), 0.5), ((1,), 3.0), ((1, 2), 6.0)])
def test_the_optimum_of_total_variation_is_met(axes, weight, dtype):
    matrix, y = random(24, 20, dtype=dtype), random(24, seed=1, dtype=dtype)
    least, gap = least_objective(matrix, y, weight, axes, SHAPE)
    assert gap < 1e-6 * least  # the dual did its work
    found = total_variation(y[None], Dense(matrix), weight, 800, axes=axes)
    assert abs(objective(matrix, y, weight, axes, found).item() - least) < 1e-6 * least


def projections(n, views):
    """A few parallel projections of an image, each value shared between the nearest bins."""
    place = torch.arange(n, dtype=torch.float64) - (n - 1) / 2
    size = 2 * (3 * n // 4) + 1
    matrix = torch.zeros(views, size, n * n, dtype=torch.float64)
    for view in range(views):
        angle = torch.tensor(math.pi * view / views)
        bins = (place * angle.cos() + place[:, None] * angle.sin()).flatten() + size // 2
        low = bins.floor().long()
        for index, share in ((low, low + 1 - bins), (low + 1, bins - low)):
            matrix[view, index, torch.arange(n * n)] += share
    return matrix.flatten(0, 1)


def test_a_hundred_steps_are_enough_for_few_projections():
    matrix, shape = projections(20, 8), (1, 20, 20)
    x = torch.zeros(1, *shape, dtype=torch.float64)
    x[..., 4:15, 6:17] = 1
    x[..., 8:10, 9:16] = 0.3
    operator = Dense(matrix, shape)
    y = operator(x)
    y = y + 0.05 * random(*y.shape)
    short, long = (
        objective(matrix, y[0], 0.1, (1, 2), total_variation(y, operator, 0.1, steps))
        for steps in (100, 600)
    )
    assert 0 <= short - long < 1e-3 * long
    error = [norm(found - x) / norm(x) for found in (
        cgls(y, operator, 8), sirt(y, operator, 100), total_variation(y, operator, 0.1)
    )]  # fmt: skip
    assert error[2] < 0.3 * min(error[:2])  # the picture is piecewise constant


def test_total_variation_of_a_complex_signal_couples_its_parts():
    shape = (1, 6, 5)
    mask = random_mask((6, 5), 0.4)
    whole = Mask(mask, shape) @ Fourier(shape)
    pairs = whole @ ChannelsToComplex((2, 6, 5))
    y = whole(random(2, *shape, dtype=COMPLEX))
    found = total_variation(y, pairs, 0.2, 300, complex_valued=True)
    expected = total_variation(y, whole, 0.2, 300)
    torch.testing.assert_close(torch.complex(found[:, :1], found[:, 1:]), expected)
    turned = total_variation(1j * y, pairs, 0.2, 300, complex_valued=True)
    torch.testing.assert_close(turned, torch.cat([-found[:, 1:], found[:, :1]], 1))
    apart = total_variation(y, pairs, 0.2, 300)
    assert (apart - found).abs().max() > 1e-3


def test_weights_are_those_of_repeated_measurements():
    matrix, y = random(24, 20), random(1, 24, seed=1)
    weights = torch.tensor([1.0, 3.0] * 12)
    operator = Dense(matrix)
    root = weights.sqrt().double()
    expected = total_variation(root * y, Dense(root[:, None] * matrix), 0.7, 800)
    found = total_variation(y, operator, 0.7, 800, weights=weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    weights[5] = 0  # a dead pixel
    y[0, 5] = 1e3
    assert total_variation(y, operator, 0.7, 200, weights=weights).abs().max() < 10


def test_nonnegative_total_variation_is_optimal_on_its_half():
    """No feasible step along an axis or towards another solution lowers the objective."""
    matrix, y = random(24, 20), random(1, 24, seed=1)
    found = total_variation(y, Dense(matrix), 0.5, 1000, nonnegative=True)
    least = objective(matrix, y[0], 0.5, (1, 2), found)
    assert found.min() == 0 < found.max()
    for seed in range(60):
        other = random(*found.shape, seed=seed).abs()
        for share in (1e-3, 0.1):
            mixed = (1 - share) * found + share * other
            assert objective(matrix, y[0], 0.5, (1, 2), mixed) > least - 1e-9


def test_only_the_given_axes_are_smoothed():
    y = random(2, 1, 4, 5, 6)
    found = total_variation(y, Identity((1, 4, 5, 6)), 100.0, 600, axes=[1])
    expected = y.mean(2, keepdim=True).expand_as(y)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
    negative = total_variation(y, Identity((1, 4, 5, 6)), 100.0, 600, axes=[-3])
    torch.testing.assert_close(negative, found)


# wavelets

DB4 = [0.230377813309, 0.714846570553, 0.630880767930, -0.027983769417,
       -0.187034811719, 0.030841381836, 0.032883011667, -0.010597401785]  # fmt: skip


def test_the_filters_are_those_of_the_table():
    torch.testing.assert_close(daubechies(1), torch.full((2,), 0.5**0.5, dtype=torch.float64))
    expected = torch.tensor(DB4, dtype=torch.float64)  # Daubechies 1988, table 1
    torch.testing.assert_close(daubechies(4), expected, rtol=0, atol=1e-11)
    for moments in (2, 3, 5, 8, 12):
        low, place = daubechies(moments), torch.arange(2 * moments, dtype=torch.float64)
        assert torch.dot(low, low) == pytest.approx(1, abs=1e-6)
        assert abs(torch.dot(low[2:], low[:-2])) < 1e-6 or moments == 1
        high = low.flip(0) * (-1) ** place
        for power in range(moments):
            assert abs((high * (place / moments) ** power).sum()) < 1e-5
    with pytest.raises(ValueError, match=r"1\.\.20"):
        daubechies(0)


def test_a_cubic_surface_has_no_details_inside():
    place = torch.linspace(-1, 1, 64, dtype=torch.float64)
    x = (place**3 - place)[:, None] * (1 + place**2) + place[:, None] * place**3
    coords = Wavelet((1, 64, 64), 1)(x[None, None])[0, 0]
    details = coords.clone()
    details[:32, :32] = 0
    quarters = [details[a : a + 28, b : b + 28] for a in (0, 32) for b in (0, 32)]
    assert max(quarter.abs().max() for quarter in quarters) < 1e-10
    assert details.abs().max() > 1e-3  # at the seams, where the surface is not periodic


@pytest.mark.parametrize("levels", [1, 3])
def test_the_transform_keeps_lengths_and_is_undone(levels):
    wavelet = Wavelet((2, 16, 24), levels)
    x = random(3, 2, 16, 24, dtype=COMPLEX)
    torch.testing.assert_close(norm(wavelet(x)), norm(x))
    torch.testing.assert_close(wavelet.adjoint(wavelet(x)), x)
    assert wavelet.details.sum() == 16 * 24 * (1 - 4.0**-levels)
    with pytest.raises(ValueError, match="divides"):
        Wavelet((2, 12, 20), 3)


def test_l1_of_wavelets_is_a_soft_threshold_where_all_is_measured():
    shape = (1, 16, 16)
    wavelet = Wavelet(shape, 1)
    x = random(2, *shape, dtype=COMPLEX)
    y = Fourier(shape)(x)
    coords = wavelet(x)
    shrunk = coords * (1 - 0.5 * wavelet.details / coords.abs()).clamp(min=0)
    found = wavelet_l1(y, Fourier(shape), 0.5, 100, spin=None)
    torch.testing.assert_close(found, wavelet.adjoint(shrunk), rtol=0, atol=1e-6)


def test_l1_of_wavelets_is_optimal():
    """The pull of the data is the weight where a detail is not zero, else within the weight."""
    shape, weight = (1, 16, 16), 0.8
    matrix, y = random(150, 256) / 16, random(1, 150, seed=1)
    operator = Dense(matrix, shape)
    x = wavelet_l1(y, operator, weight, 1500, spin=None)
    wavelet = Wavelet(shape, 1)
    coords = wavelet(x)
    pull = wavelet(operator.adjoint(y - operator(x)))
    details = wavelet.details.bool().expand_as(coords)
    kept = details & (coords.abs() > 1e-7)
    assert kept.sum() > 10 and (details & ~kept).sum() > 10
    torch.testing.assert_close(pull[kept], weight * coords[kept].sign(), rtol=0, atol=1e-3)
    assert pull[details].abs().max() < weight + 1e-3
    assert pull[~details].abs().max() < 1e-3


def test_wavelets_of_odd_sizes_and_of_volumes():
    y = random(2, 2, 3, 21, 19)
    found = wavelet_l1(y, Identity((2, 3, 21, 19)), 0.0, 30)
    torch.testing.assert_close(found, y)
    smooth = wavelet_l1(y, Identity((2, 3, 21, 19)), 10.0, 200)
    assert smooth.shape == y.shape and smooth.var() < 0.3 * y.var()


def test_cycle_spinning_denoises_better_than_one_grid():
    rows = torch.arange(32)
    clean = ((rows[:, None] - 15) ** 2 + (rows - 13) ** 2 < 90).double().reshape(1, 1, 32, 32)
    y = clean + 0.2 * random(1, 1, 32, 32)
    fixed, spun = (
        (wavelet_l1(y, Identity((1, 32, 32)), 0.4, 60, spin=spin) - clean).square().mean()
        for spin in (None, 0)
    )
    assert spun < 0.9 * fixed < 0.9 * 0.2**2


def test_complex_channels_share_their_coefficients_magnitude():
    shape = (1, 16, 17)
    whole = Mask(random_mask(shape, 0.5), shape) @ Fourier(shape)
    y = whole(random(1, *shape, dtype=COMPLEX))
    found = wavelet_l1(y, whole @ ChannelsToComplex((2, 16, 17)), 0.3, 60, complex_valued=True)
    expected = wavelet_l1(y, whole, 0.3, 60)
    torch.testing.assert_close(torch.complex(found[:, :1], found[:, 1:]), expected)


# all of them

EVERY = {
    "cgls": lambda y, operator, **options: cgls(y, operator, 5, **options),
    "sirt": lambda y, operator, **options: sirt(y, operator, 5, **options),
    "tv": lambda y, operator, **options: total_variation(y, operator, 0.1, 5, **options),
    "l1": lambda y, operator, **options: wavelet_l1(y, operator, 0.1, 5, **options),
}
every = pytest.mark.parametrize("method", EVERY.values(), ids=EVERY)


@every
def test_a_chain_does_not_depend_on_its_batch(method):
    matrix, y = random(24, 20).abs(), random(3, 24, seed=1)
    together = method(y, Dense(matrix))
    for row in range(3):
        torch.testing.assert_close(method(y[row : row + 1], Dense(matrix)), together[row : row + 1])


@every
def test_a_better_start_is_of_use_and_single_precision_stays(method):
    matrix, x = random(24, 20).abs().float(), random(1, *SHAPE, seed=1).float()
    operator = Dense(matrix)
    y = operator(x)
    cold, warm = (operator(method(y, operator, **start)) for start in ({}, {"start": x}))
    assert warm.dtype == torch.float32
    assert (warm - y).norm() < (cold - y).norm()


@every
def test_what_is_no_measurement_is_refused(method):
    operator = Dense(random(24, 20).abs())
    with pytest.raises(ValueError, match="finite"):
        method(torch.full((1, 24), torch.nan), operator)
    with pytest.raises(ValueError, match="must be a batch of 24"):
        method(torch.zeros(24), operator)


def test_wrong_options_are_refused():
    y, operator = random(1, 24), Dense(random(24, 20))
    for weight in (-1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="weight"):
            total_variation(y, operator, weight)
        with pytest.raises(ValueError, match="weight"):
            wavelet_l1(y, operator, weight)
    with pytest.raises(ValueError, match="axes"):
        total_variation(y, operator, 1.0, axes=[3])
    with pytest.raises(ValueError, match="weights"):
        total_variation(y, operator, 1.0, weights=-torch.ones(24))
    with pytest.raises(ValueError, match="complex"):
        total_variation(y.to(COMPLEX), Dense(random(24, 20, dtype=COMPLEX)), 1.0, nonnegative=True)
    with pytest.raises(ValueError, match="at least 1"):
        cgls(y, operator, 0)
