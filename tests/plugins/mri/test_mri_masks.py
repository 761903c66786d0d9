"""Masks against the definitions of fastMRI, worked out by hand, and against what they promise."""

import numpy as np
import pytest
import torch
from restore_mri.masks.masks import (
    LINES,
    MASKS,
    PLANES,
    accelerate,
    centre_count,
    centre_lines,
    equispaced_fraction_lines,
    equispaced_lines,
    file_seed,
    from_file,
    magic_fraction_lines,
    magic_lines,
    random_lines,
)
from restore_mri.masks.poisson import poisson_disc
from restore_mri.masks.spokes_and_spirals import GOLDEN, nearest, radial, spiral

every = pytest.mark.parametrize("name", MASKS)
lines = pytest.mark.parametrize("name", LINES)
planes = pytest.mark.parametrize("name", PLANES)


def where(mask: torch.Tensor) -> list[int]:
    return mask.nonzero().flatten().tolist()


@pytest.mark.parametrize(
    ("n", "fraction", "first", "count"),
    [(320, 0.08, 147, 26), (368, 0.08, 170, 29), (368, 0.04, 177, 15), (15, 0.2, 6, 3)],
)
def test_the_centre_is_that_of_fastmri(n, fraction, first, count):
    assert centre_count(n, fraction) == count
    assert first == (n - count + 1) // 2
    assert where(centre_lines(n, count)) == list(range(first, first + count))


def test_random_lines_are_independent_draws_of_the_frozen_stream():
    n, acceleration, centre, seed = 320, 4, 26, 7
    share = (320 / 4 - 26) / (320 - 26)
    drawn = np.random.RandomState(seed).uniform(size=n) < share
    drawn[147:173] = True
    assert random_lines(n, acceleration, centre, seed).tolist() == drawn.tolist()
    counts = [random_lines(n, 4, 26, seed).sum().item() for seed in range(300)]
    assert np.mean(counts) == pytest.approx(80, abs=1.5)  # 4.6 standard errors


def test_equispaced_lines_keep_their_distance():
    mask = equispaced_lines(320, 4, 26, seed=3)
    first = np.random.RandomState(3).randint(0, 4)
    assert set(where(mask)) == set(range(first, 320, 4)) | set(range(147, 173))
    assert {where(equispaced_lines(320, 4, 0, seed=s))[0] for s in range(40)} == {0, 1, 2, 3}


def test_equispaced_fraction_lines_are_as_many_as_asked_for():
    step = 4 * (26 - 320) / (26 * 4 - 320)  # 5.44
    first = np.random.RandomState(1).randint(0, 5)
    expected = {round(first + i * step) for i in range(60) if first + i * step < 319}
    mask = equispaced_fraction_lines(320, 4, 26, seed=1)
    assert set(where(mask)) == expected | set(range(147, 173))
    counts = [equispaced_fraction_lines(320, 4, 26, seed=s).sum().item() for s in range(20)]
    assert all(77 <= count <= 83 for count in counts)
    with pytest.raises(ValueError, match="take fewer"):
        equispaced_fraction_lines(320, 4, 80)


def test_magic_lines_of_ten_by_hand():
    # frequencies for first lines 0 to 3; zero frequency stands at index 5
    frequencies = [(1, -3), (3, -1, -5), (3, -5), (-3,)]
    by_hand = {tuple(sorted(5 + k for k in ks)) for ks in frequencies}
    assert {tuple(where(magic_lines(10, 4, 0, seed=s))) for s in range(60)} == by_hand


@pytest.mark.parametrize("n", [128, 129])
def test_magic_lines_see_other_lines_by_symmetry(n):
    mask = magic_lines(n, 4, 0, seed=0)
    k = {i - n // 2 for i in where(mask)}
    assert not {-line for line in k} & k
    assert len(k) == pytest.approx(n / 4, abs=1)


def test_magic_fraction_lines_take_wider_steps():
    assert magic_lines(320, 4, 26).sum() > 95
    assert magic_fraction_lines(320, 4, 26).sum() == pytest.approx(80, abs=8)
    assert where(magic_fraction_lines(320, 4, 100)) == where(centre_lines(320, 80))


def test_a_file_has_the_seed_of_its_name():
    assert file_seed("ab.h5") == (97, 98, 46, 104, 53)
    named = accelerate("random", (8, 64), 4, seed=file_seed("file1.h5"))
    assert not named.equal(accelerate("random", (8, 64), 4, seed=file_seed("file2.h5")))


@every
@pytest.mark.parametrize("shape", [(64, 48), (41, 63)])
def test_a_mask_is_a_plane_of_about_the_acceleration_with_its_middle(name, shape):
    mask = accelerate(name, shape, 4, calibration=8, seed=2)
    assert mask.shape == shape and mask.dtype == torch.bool
    y, x = (n // 2 for n in shape)
    assert mask[y - 3 : y + 3, x - 3 : x + 3].all()
    share = mask.double().mean().item()
    if name in PLANES:
        assert mask.sum() == round(shape[0] * shape[1] / 4)
    elif name in ("equispaced-fraction", "random"):
        assert share == pytest.approx(1 / 4, rel=0.25)
    else:
        assert 1 / 5 < share < 1 / 2.5  # the centre comes on top


@every
def test_a_seed_gives_a_mask_again(name):
    first = accelerate(name, (48, 64), 4, seed=5)
    assert first.equal(accelerate(name, (48, 64), 4, seed=5))
    if name not in ("radial", "spiral"):  # these have no chance in them
        others = [accelerate(name, (48, 64), 4, seed=s) for s in range(6, 12)]
        assert any(not first.equal(other) for other in others)


@lines
def test_lines_lie_across_the_phase_axis(name):
    columns = accelerate(name, (20, 64), 4, seed=1)
    assert (columns == columns[:1]).all()
    rows = accelerate(name, (64, 20), 4, seed=1, phase_axis=-2)
    assert rows.equal(columns.T)


def test_drawing_masks_leaves_the_global_generators_alone():
    np.random.seed(0)
    torch.manual_seed(0)
    states = np.random.get_state()[1].copy(), torch.get_rng_state()
    for name in MASKS:
        accelerate(name, (32, 32), 4)
    assert (np.random.get_state()[1] == states[0]).all()
    assert torch.get_rng_state().equal(states[1])


@pytest.mark.parametrize("acceleration", [1.3, 2.5, 6, 10])
@pytest.mark.parametrize("shape", [(50, 50), (61, 40)])
def test_poisson_samples_are_exactly_as_many_as_asked_for(shape, acceleration):
    mask = poisson_disc(shape, acceleration, calibration=8, corners=acceleration < 1.5)
    assert mask.sum() == round(shape[0] * shape[1] / acceleration)


def test_poisson_samples_keep_a_distance_that_grows_outwards():
    mask = poisson_disc((96, 96), 8, calibration=12, seed=1)
    mask[42:54, 42:54] = False
    points = mask.nonzero().double()
    gaps = torch.cdist(points, points).fill_diagonal_(torch.inf).amin(1)
    radius = (points - 48).norm(dim=1)
    near, far = gaps[radius < 20].mean(), gaps[radius > 40].mean()
    assert far > 1.5 * near
    assert gaps[radius > 40].min() > 2
    assert radius.max() <= 48


def test_a_golden_spoke_is_a_diameter_turned_by_the_golden_angle():
    spokes = radial((32, 24), 5)
    assert spokes.shape == (5, 64, 2)
    assert (spokes[:, 32] == 0).all()
    torch.testing.assert_close(spokes[0, :, 1], (torch.arange(64).double() - 32) / 64 * 24)
    angle = torch.atan2(spokes[:, 40, 0] / 32, spokes[:, 40, 1] / 24)
    turns = (angle.diff() - GOLDEN) / (2 * torch.pi)
    torch.testing.assert_close(turns, turns.round())
    assert pytest.approx(111.246, abs=1e-3) == GOLDEN * 180 / np.pi
    assert (spokes.abs() <= torch.tensor([16.0, 12.0])).all()


def test_a_spiral_arm_runs_out_evenly():
    arm = spiral((64, 64), 2, turns=4)[0]
    steps = arm.diff(dim=0).norm(dim=1)
    assert (arm[0] == 0).all()
    assert arm[-1].norm() == pytest.approx(32)
    assert steps[len(steps) // 4 :].max() < 1.3 * steps[len(steps) // 4 :].min()


def test_the_nearest_sample_of_a_whole_number_is_itself():
    points = torch.tensor([[0.0, 0.0], [-3.0, 2.0], [2.4, -3.6], [3.0, 3.5]])
    assert nearest(points, (6, 7)).tolist() == [3 * 7 + 3, 0 * 7 + 5, 5 * 7 + 0, 5 * 7 + 6]


def test_masks_come_from_files(tmp_path):
    mask = accelerate("poisson", (12, 10), 3, calibration=4)
    np.save(tmp_path / "plane.npy", mask.numpy())
    np.savez(tmp_path / "plane.npz", mask=mask.numpy().astype(np.float32))
    np.save(tmp_path / "lines.npy", np.arange(10) % 2)
    assert from_file(tmp_path / "plane.npy", (12, 10)).equal(mask)
    assert from_file(tmp_path / "plane.npz", (12, 10)).equal(mask)
    assert where(from_file(tmp_path / "lines.npy", (12, 10))[5]) == [1, 3, 5, 7, 9]
    assert where(from_file(tmp_path / "lines.npy", (10, 12), phase_axis=-2)[:, 5]) == [
        1, 3, 5, 7, 9,
    ]  # fmt: skip


def test_files_that_are_no_masks_are_refused_by_name(tmp_path):
    cases = {
        "size": (np.ones((3, 4)), "12x10 is needed"),
        "nan": (np.full((12, 10), np.nan), "finite real numbers"),
        "complex": (np.ones((12, 10), complex), "finite real numbers"),
        "zero": (np.zeros((12, 10)), "measures nothing"),
        "object": (np.array([{}]), "Python.s objects"),
    }
    for name, (values, message) in cases.items():
        np.save(tmp_path / f"{name}.npy", values)
        with pytest.raises(ValueError, match=rf"{name}.npy.*{message}"):
            from_file(tmp_path / f"{name}.npy", (12, 10))
    (tmp_path / "text.npy").write_text("1 0 1")
    with pytest.raises(ValueError, match=r"text.npy: it is no array"):
        from_file(tmp_path / "text.npy", (12, 10))


def test_what_cannot_be_had_is_refused():
    with pytest.raises(KeyError, match="'gaussian'; there are random"):
        accelerate("gaussian", (32, 32), 4)
    with pytest.raises(ValueError, match="at least 1"):
        accelerate("random", (32, 32), 0.5)
    with pytest.raises(ValueError, match="40 calibration lines do not fit into 32"):
        accelerate("random", (32, 32), 4, calibration=40)
    with pytest.raises(ValueError, match="whole acceleration"):
        accelerate("equispaced", (32, 32), 2.5)
    for name in PLANES:
        with pytest.raises(ValueError, match="8-fold acceleration is 128 samples"):
            accelerate(name, (32, 32), 8, calibration=20)
