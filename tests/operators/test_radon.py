"""Projectors against what is known of them: sums, chords, directions, and each path the others."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from catalogue import GANTRY, PROJECTORS, random, views
from restore_operators import FanBeam, Radon, axis_offset, centre_of_rotation, fbp
from restore_operators.tomography.filtering import parker, ramp_kernel, view_shares
from restore_operators.tomography.projection_matrix import ProjectionMatrix

from restore.measurement.signal import norm
from restore.testing import randn

TOOTH = Path(__file__).parents[2].parent / "shared/data/ct/tomopy_tooth.h5"
TURN = 2 * math.pi
DOUBLE = torch.float64
SIZE, CENTRE, RADIUS = 48, (7.3, -5.2), 11.0  # of the disc: pixels, (right, up), pixels
FAR = {"source_radius": 90.0, "detector_radius": 45.0, "pitch": 1.3}

SCANS = {
    "half turn": Radon((1, SIZE, SIZE), views(120)),
    "whole turn, offset": Radon((1, SIZE, SIZE), views(240, TURN), offset=0.25),
    "fine bins, small pixels": Radon((1, SIZE, SIZE), views(120), pitch=0.6, pixel=0.7),
    "fan, flat": FanBeam((1, SIZE, SIZE), views(240, TURN), 90, **FAR),
    "fan, curved": FanBeam((1, SIZE, SIZE), views(240, TURN), 90, curved=True, **FAR),
    "fan, flat, short scan": FanBeam((1, SIZE, SIZE), 1 + views(170, 4.2), 90, **FAR),
    "fan, curved, short scan": FanBeam(
        (1, SIZE, SIZE), views(170, 4.2).flip(0), 90, curved=True, offset=0.4, **FAR
    ),
}

projectors = pytest.mark.parametrize("operator", PROJECTORS.values(), ids=PROJECTORS)
scans = pytest.mark.parametrize("operator", SCANS.values(), ids=SCANS)


def disc(oversampling: int = 8) -> torch.Tensor:
    """A disc of ones, its edge averaged over each pixel; (1, 1, SIZE, SIZE)."""
    fine = SIZE * oversampling
    at = (torch.arange(fine, dtype=DOUBLE) + 0.5) / oversampling - SIZE / 2
    inside = (at - CENTRE[0]) ** 2 + (-at[:, None] - CENTRE[1]) ** 2 <= RADIUS**2
    return torch.nn.functional.avg_pool2d(inside.double()[None, None], oversampling)


def chords(operator) -> torch.Tensor:
    """The exact line integrals of the disc; (1, *out_shape)."""
    lines = operator.lines
    away = lines.distance - CENTRE[0] * lines.cos - CENTRE[1] * lines.sin
    length = 2 * np.sqrt(np.clip(RADIUS**2 - away**2, 0, None)) * operator.pixel
    return torch.from_numpy(length).reshape(1, *operator.out_shape)


def without_matrix(operator):
    """A copy of the operator whose weights are computed on the way."""
    names = ("in_shape", "angles", "bins", "pitch", "offset", "pixel")
    fan = ("source_radius", "detector_radius", "curved")
    names += fan if isinstance(operator, FanBeam) else ()
    options = {name: getattr(operator, name) for name in names}
    return type(operator)(**options, memory_limit=0)


@projectors
@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
def test_every_path_has_the_same_values(operator, dtype):
    x, y = (randn(shape, dtype) for shape in (operator.in_shape, operator.out_shape))
    lines, folding = operator.lines, operator.folding
    on_the_way = without_matrix(operator)
    folded = ProjectionMatrix(folding, operator.height, operator.width, dtype)
    plain = ProjectionMatrix(
        type(folding)(lines, (0,), torch.arange(len(lines.cos)), 0),
        operator.height,
        operator.width,
        dtype,
    )
    image, line = x.flatten(0, -3), y.flatten(0, -3)
    ways = [
        (operator(x), operator.adjoint(y)),
        (on_the_way(x), on_the_way.adjoint(y)),
        *((w.forward(image) * operator.pixel, w.adjoint(line) * operator.pixel)
          for w in (folded, plain)),
    ]  # fmt: skip
    for sums, smears in ways[1:]:
        torch.testing.assert_close(sums.view_as(y), ways[0][0], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(smears.view_as(x), ways[0][1], rtol=1e-5, atol=1e-5)


FOLDED = {  # (operator, lines a row serves)
    "half turn": (Radon((1, 24, 24), views(48)), 8),
    "half turn, odd": (Radon((1, 25, 25), views(48), 31), 8),
    "whole turn: every line twice": (Radon((1, 24, 24), views(48, TURN)), 16),
    "a rectangle": (Radon((1, 24, 20), views(48)), 4),
    "a limited arc": (Radon((1, 24, 24), views(90)[:46]), 4),
    "half turn, offset": (Radon((1, 24, 24), views(48), offset=0.3), 4),
    "whole turn, offset": (Radon((1, 24, 24), views(48, TURN), offset=0.3), 8),
    "fan": (FanBeam((1, 24, 24), views(48, TURN), 33, source_radius=40, detector_radius=9), 8),
    "any angles": (Radon((1, 24, 24), random(48)), 1),
}


@pytest.mark.parametrize("case", FOLDED.values(), ids=FOLDED)
def test_the_matrix_is_folded_as_far_as_the_views_permit(case):
    operator, times = case
    rows, lines = len(operator.folding.lines.cos), len(operator.lines.cos)
    assert lines / times <= rows <= 1.2 * lines / times  # views on a mirror fold less


def test_angles_in_single_precision_fold_as_well_as_those_in_double():
    single = torch.arange(36, dtype=torch.float32) * (math.pi / 36)
    operator, exact = (Radon((1, 24, 24), angles) for angles in (single, views(36)))
    assert operator.folding.symmetries == exact.folding.symmetries
    assert operator.matrix_bytes == exact.matrix_bytes
    listed = Radon((1, 24, 24), [i * math.pi / 36 for i in range(36)])
    assert listed.angles.equal(exact.angles)


@pytest.mark.parametrize("limit", [2**30, 0])
def test_at_0_and_90_degrees_it_sums_columns_and_rows(limit):
    x = randn((2, 6, 9), DOUBLE)
    operator = Radon(x.shape[1:], [0.0, math.pi / 2], 9, memory_limit=limit)
    y = operator(x)
    torch.testing.assert_close(y[..., 0, :], x.sum(-2), rtol=1e-14, atol=1e-14)
    operator = Radon(x.shape[1:], [0.0, math.pi / 2], 6, memory_limit=limit)
    torch.testing.assert_close(operator(x)[..., 1, :], x.sum(-1).flip(-1), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("limit", [2**30, 0])
def test_angles_turn_counter_clockwise(limit):
    """A corner that is no mirror image of itself: turning it is turning the views back."""
    corner = torch.zeros(1, 1, 11, 11, dtype=DOUBLE)
    corner[..., 2:9, 3] = 1
    corner[..., 8, 3:6] = 1
    angles = views(7, TURN) + 0.1
    for build in (
        lambda a: Radon((1, 11, 11), a, 17, memory_limit=limit),
        lambda a: FanBeam((1, 11, 11), a, 17, memory_limit=limit, **GANTRY),
    ):
        turned = build(angles)(corner.rot90(dims=(-2, -1)))
        torch.testing.assert_close(turned, build(angles - math.pi / 2)(corner))
        assert norm(turned - build(angles + math.pi / 2)(corner)) > 0.1 * norm(turned)


def test_bins_run_to_the_right_at_0_degrees_and_upwards_at_90():
    pixel = torch.zeros(1, 1, 5, 5)
    pixel[..., 0, 1] = 1  # at the top, left of the middle
    right, up = Radon((1, 5, 5), [0.0, math.pi / 2], 5)(pixel)[0, 0]
    assert right.argmax() == 1 and up.argmax() == 4


def test_an_offset_moves_the_bins():
    x = randn((1, 8, 8), DOUBLE)
    middle = Radon((1, 8, 8), views(5), 15)(x)
    moved = Radon((1, 8, 8), views(5), 15, offset=2.0)(x)
    torch.testing.assert_close(moved[..., :-2], middle[..., 2:])
    assert axis_offset(5.0, 15) == 2.0


def test_lengths_are_in_millimetres():
    x = randn((1, 8, 8), DOUBLE)
    small = Radon((1, 8, 8), views(5), 12, pitch=0.25, pixel=0.5, offset=0.1)(x)
    large = Radon((1, 8, 8), views(5), 12, pitch=0.5, pixel=1.0, offset=0.2)(x)
    torch.testing.assert_close(2 * small, large)


def test_each_view_sees_all_the_mass():
    """To the ripple of thin rays, which is gone over neighbouring pixels: 2 in 1000."""
    x = disc()
    for scan in (SCANS["half turn"], SCANS["whole turn, offset"]):
        torch.testing.assert_close(
            scan(x).sum(-1), x.sum().expand(1, *scan.out_shape[:-1]), rtol=2e-3, atol=0
        )


@scans
def test_a_disc_casts_its_chords(operator):
    expected = chords(operator)
    error = norm(operator(disc()) - expected) / norm(expected)
    assert error < 0.03  # of pixels against a sharp edge


@scans
def test_filtered_backprojection_finds_the_disc(operator):
    image = fbp(chords(operator), operator)[0, 0]
    at = torch.arange(SIZE) - (SIZE - 1) / 2
    away = ((at - CENTRE[0]) ** 2 + (-at[:, None] - CENTRE[1]) ** 2).sqrt()
    inside, outside = image[away < RADIUS - 2], image[(away > RADIUS + 2) & (away < 30)]
    assert (inside.mean() - 1).abs() < 0.002
    assert (inside - 1).abs().max() < 0.02
    assert outside.mean().abs() < 0.002 and outside.std() < 0.03


@pytest.mark.parametrize("filter", ["shepp-logan", "cosine", "hamming", "hann"])
def test_a_window_keeps_the_mean_and_calms_the_noise(filter):
    scan = SCANS["half turn"]
    smooth, sharp = (fbp(chords(scan), scan, name)[0, 0] for name in (filter, "ramp"))
    inside = (slice(21, 26), slice(28, 33))  # well within the disc
    assert (smooth[inside].mean() - 1).abs() < 0.005
    noise = randn(scan.out_shape, torch.float32)
    assert fbp(noise, scan, filter).std() < 0.95 * fbp(noise, scan).std()
    assert sharp.shape == smooth.shape


def test_the_ramp_has_no_mean_left():
    kernel = ramp_kernel(4001, 0.5)
    assert kernel.sum().abs() < 1e-3 * kernel.abs().sum()  # the tail of 1 / n^2 beyond 4000 taps


def test_views_share_the_arc():
    angles = torch.tensor([0.0, 0.5, 1.5, 2.0], dtype=DOUBLE)
    assert view_shares(angles, math.pi).sum().item() == pytest.approx(math.pi)
    limited = view_shares(views(30, 1.0), math.pi)  # a third of the half turn
    torch.testing.assert_close(limited, torch.full_like(limited, 1 / 30))
    twice = view_shares(views(20, TURN), math.pi)
    torch.testing.assert_close(twice, torch.full_like(twice, math.pi / 20))
    assert view_shares(torch.zeros(1, dtype=DOUBLE), math.pi).item() == pytest.approx(math.pi)


def test_parkers_weights_of_the_two_rays_of_a_line_add_up_to_one():
    excess = 0.4
    gamma = torch.linspace(-0.35, 0.35, 15, dtype=DOUBLE)
    beta = torch.linspace(0, math.pi + 2 * excess, 99, dtype=DOUBLE)[:, None]
    other = beta + math.pi - 2 * gamma
    other = torch.where(other > math.pi + 2 * excess, other - TURN, other)
    there = (other >= 0) & (other <= math.pi + 2 * excess)
    both = parker(beta, gamma, excess) + there * parker(other, -gamma, excess)
    torch.testing.assert_close(both, torch.ones_like(both))


@pytest.mark.parametrize("curved", [False, True])
def test_each_ray_of_a_fan_is_a_ray_of_a_parallel_beam(curved):
    fan = FanBeam((1, 9, 8), [0.4, 2.0, 5.1], 7, curved=curved, offset=0.3, **GANTRY)
    x = randn(fan.in_shape, DOUBLE)
    y = fan(x)
    for view, bin in ((0, 0), (1, 3), (2, 5), (2, 6)):
        along = fan.positions[bin] / 18.0  # source to detector, in GANTRY
        gamma = along.item() if curved else math.atan(along)
        ray = Radon(fan.in_shape, [fan.angles[view].item() - gamma], 1,
                    offset=11.0 * math.sin(gamma))  # fmt: skip
        torch.testing.assert_close(ray(x)[..., 0, 0], y[..., view, bin])


def test_a_distant_source_casts_parallel_rays():
    fan = FanBeam((1, 8, 8), views(5, TURN), 13, source_radius=1e7, detector_radius=0.0)
    x = randn(fan.in_shape, DOUBLE)
    torch.testing.assert_close(fan(x), Radon((1, 8, 8), views(5, TURN), 13)(x), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["radon", "radon, no matrix", "fan, curved"])
def test_subsets_of_views_are_rows(name):
    operator = PROJECTORS[name]
    x = randn(operator.in_shape, DOUBLE)
    part = operator.of_views([0, 3, 2])
    torch.testing.assert_close(part(x), operator(x)[..., [0, 3, 2], :])
    assert part.memory_limit == operator.memory_limit


@pytest.mark.parametrize("name", ["radon", "fan, no matrix"])
def test_it_can_be_differentiated_twice(name):
    operator = PROJECTORS[name]
    for way, shape in ((operator, operator.in_shape), (operator.adjoint, operator.out_shape)):
        value = randn(shape, DOUBLE, batch=1).requires_grad_()
        assert torch.autograd.gradcheck(way, value)
    x = randn(operator.in_shape, DOUBLE, batch=1).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: operator(x).pow(3), x)
    v = randn(operator.in_shape, DOUBLE, batch=1)
    (slope,) = torch.autograd.grad(operator.normal(x), x, v)
    torch.testing.assert_close(slope, operator.normal(v))


def test_operators_of_one_geometry_share_a_matrix():
    first, second = (Radon((channels, 16, 16), views(8)) for channels in (1, 3))
    x = torch.ones(1, 1, 16, 16)
    assert first._matrix(x) is second._matrix(x)
    assert first._matrix(x) is not Radon((1, 16, 16), views(8), offset=0.1)._matrix(x)


def test_the_stated_memory_is_what_the_matrix_takes():
    operator = Radon((1, 32, 32), views(12))
    matrix = operator._matrix(torch.ones(1))
    parts = (*matrix._by_lines, *matrix._by_pixels)
    starts = 4 * (len(matrix._by_lines[1]) + len(matrix._by_pixels[1]))
    assert sum(p.nbytes for p in parts) - starts == operator.matrix_bytes


def test_the_axis_is_found_to_a_tenth_of_a_bin():
    angles = torch.linspace(0, math.pi, 31, dtype=DOUBLE)
    bins = 64
    for centre in (31.5, 26.2, 38.75):
        scan = Radon((1, SIZE, SIZE), angles, bins, offset=axis_offset(centre, bins))
        assert centre_of_rotation(scan(disc()), angles) == pytest.approx(centre, abs=0.1)
        whole = Radon((1, SIZE, SIZE), views(30, TURN), bins, offset=scan.offset)
        assert centre_of_rotation(whole(disc()), whole.angles) == pytest.approx(centre, abs=0.1)


def test_the_axis_of_a_real_scan_is_found():
    if not TOOTH.exists():
        pytest.skip("needs shared/data/ct/tomopy_tooth.h5 beside the repository")
    h5py = pytest.importorskip("h5py")
    with h5py.File(TOOTH) as file:
        data, white, dark, theta = (
            torch.from_numpy(file["exchange"][name][...]).double()
            for name in ("data", "data_white", "data_dark", "theta")
        )
    seen = ((data - dark.mean(0)) / (white.mean(0) - dark.mean(0))).clamp(min=1e-6)
    sinogram = -seen.log().movedim(1, 0)  # (slices, views, bins)
    assert 295.5 <= centre_of_rotation(sinogram, theta.deg2rad()) <= 296


RADON = SCANS["half turn"]
REFUSED = {
    "the angles of the views are missing": lambda: Radon((1, 8, 8), None),
    "angles are one number a view": lambda: Radon((1, 8, 8), []),
    r"one number a view, in radians, got \(2, 2\)": lambda: Radon((1, 8, 8), torch.ones(2, 2)),
    "the angles hold values that are not finite": lambda: Radon((1, 8, 8), [math.nan]),
    "pitch of the detector must be positive, got 0": lambda: Radon((1, 8, 8), [0.0], pitch=0),
    "the size of a pixel must be positive": lambda: Radon((1, 8, 8), [0.0], pixel=-1.0),
    "offset of the detector must be finite": lambda: Radon((1, 8, 8), [0.0], offset=math.inf),
    "a whole number of bins": lambda: Radon((1, 8, 8), [0.0], 0),
    r"images are \(..., height, width\)": lambda: Radon((8,), [0.0]),
    "stands within the image": lambda: FanBeam(
        (1, 8, 8), [0.0], 9, source_radius=6.0, detector_radius=6.0
    ),
    "the distance of the source must be": lambda: FanBeam(
        (1, 8, 8), [0.0], 9, source_radius=0.0, detector_radius=6.0
    ),
    "the distance of the detector": lambda: FanBeam(
        (1, 8, 8), [0.0], 9, source_radius=9.0, detector_radius=-1.0
    ),
    "reaches behind the source": lambda: FanBeam(
        (1, 8, 8), [0.0], 99, source_radius=9.0, detector_radius=9.0, curved=True
    ),
    "the sinogram must be a batch of": lambda: fbp(torch.zeros(1, 1, 5, 5), RADON),
    "has no 3 views": lambda: centre_of_rotation(torch.zeros(4, 9), [0.0, 1.0, 2.0]),
    "no two views stand half a turn apart": lambda: centre_of_rotation(
        torch.zeros(9, 9), views(9, 1.5)
    ),
    "do not resemble": lambda: centre_of_rotation(torch.zeros(9, 9), views(9)),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_wrong_scan_is_refused(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_a_wrong_kind_is_refused():
    with pytest.raises(TypeError, match=r"takes real signals, got torch\.complex64"):
        RADON(torch.zeros(1, *RADON.in_shape, dtype=torch.complex64))
    with pytest.raises(TypeError, match="needs Radon or FanBeam, got Scaled"):
        fbp(torch.zeros(1, *RADON.out_shape), 2.0 * RADON)
    with pytest.raises(KeyError, match="no filter is called 'hanning'; there are ramp, "):
        fbp(torch.zeros(1, *RADON.out_shape), RADON, "hanning")
