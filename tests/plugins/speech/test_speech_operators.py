"""The operators of speech, held to the laws, to dense solves, and to what they are to do."""

import pytest
import torch
from restore_operators import Identity
from restore_speech.operators import (
    STFT,
    BandLimit,
    Clipping,
    Coloured,
    Gaps,
    Quantisation,
    Resample,
    RoomResponse,
    coloured,
    gain,
)

from restore.measurement.measurement import Measurement
from restore.measurement.noise import Gaussian
from restore.measurement.signal import ChainNoise, norm
from restore.measurement.spectral import dense
from restore.testing import (
    assert_adjoint,
    assert_linear,
    assert_normal,
    assert_solve_normal,
    assert_tikhonov,
    randn,
)

LENGTH = 96
KEPT = torch.arange(LENGTH) % 7 > 1
RESPONSE = randn((20,), torch.float64, batch=1)[0] * 0.8 ** torch.arange(20)
POWER = 0.1 * 10 ** (torch.linspace(0, 2, 17)[:, None] - torch.linspace(0, 1, 7))
LINEAR = {
    "gaps": Gaps(KEPT),
    "gain": gain(-6.0, LENGTH),
    "band limit": BandLimit(16000, 4000, LENGTH),
    "telephone band": BandLimit(16000, 3400, LENGTH + 1, low=300),
    "resample by 2": Resample(LENGTH, 2),
    "resample by 3": Resample(99, 3),
    "room": RoomResponse(RESPONSE, LENGTH),
    "room, shorter than its response": RoomResponse(RESPONSE, 11),
    "periodic room": RoomResponse(RESPONSE, LENGTH, periodic=True),
    "stft": STFT(LENGTH, 32),
    "stft of a quarter hop": STFT(LENGTH + 1, 32, 8),
    "coloured": Coloured(STFT(LENGTH, 32), POWER),
    "band limit @ room": BandLimit(16000, 4000, LENGTH + 19) @ RoomResponse(RESPONSE, LENGTH),
    "gaps @ gain": Gaps(KEPT) @ gain(6.0, LENGTH),
}


def tone(hertz):
    """A tenth of a second at 16 kHz."""
    time = torch.arange(1600, dtype=torch.float64) / 16000
    return torch.sin(2 * torch.pi * hertz * time)[None, None]


every = pytest.mark.parametrize("operator", LINEAR.values(), ids=LINEAR)


@every
def test_a_speech_operator_keeps_the_laws(operator):
    for law in (assert_adjoint, assert_linear, assert_normal, assert_solve_normal, assert_tikhonov):
        law(operator)
    assert_adjoint(operator, torch.float32)


@every
def test_a_proximal_step_is_the_dense_solve(operator):
    matrix = dense(operator)
    x = randn(operator.in_shape, torch.float64, batch=1)
    y = operator(randn(operator.in_shape, torch.float64, batch=1, seed=3)) + 0.1
    std, variance = 0.5, 0.7
    flat = torch.view_as_real(y).flatten() if y.is_complex() else y.flatten()
    system = matrix.T @ matrix / std**2 + torch.eye(x.numel()) / variance
    expected = torch.linalg.solve(system, matrix.T @ flat / std**2 + x.flatten() / variance)
    found = Measurement(y, operator, Gaussian(std)).proximal(x, variance)
    assert norm(found - expected.reshape(x.shape)) < 1e-5 * norm(x)  # of conjugate gradients


@pytest.mark.parametrize("operator", [v for k, v in LINEAR.items() if "@" not in k], ids=str)
def test_a_norm_is_no_less_than_the_largest_singular_value(operator):
    largest = torch.linalg.matrix_norm(dense(operator), 2).item()
    assert largest * (1 - 1e-6) <= operator.norm() < 1.2 * largest


def test_samples_that_were_kept_stay_and_the_others_are_the_prior_s():
    x, y = randn((1, LENGTH), torch.float64), randn((1, LENGTH), torch.float64, seed=1)[:1]
    found = Measurement(y * KEPT, Gaps(KEPT), Gaussian(0.0)).proximal(x, 1.0)
    assert torch.allclose(found, torch.where(KEPT, y, x), atol=1e-5)  # FLOOR is 1e-6


def test_clipped_samples_go_outward_and_the_others_stay():
    y = torch.tensor([[0.5, -0.5, 0.5, -0.5, 0.2, -0.1]])
    x = torch.tensor([[[0.9, -0.7, 0.3, 0.1, 0.9, -0.9]]])
    found = Measurement(y, Identity((1, 6)), Clipping(0.5)).proximal(x, 1.0)
    assert torch.equal(found, torch.tensor([[[0.9, -0.7, 0.5, -0.5, 0.2, -0.1]]]))


def test_a_rounded_sample_stays_in_its_cell():
    law, clean = Quantisation(0.25), randn((1, 500), torch.float64)
    y = law.draw(clean, torch.randn_like)
    low, high = law.allowed(y)
    assert ((low <= clean) & (clean <= high)).all()
    found = Measurement(y, Identity((1, 500)), law).proximal(0 * clean, 1.0)
    assert torch.equal(found, torch.minimum(torch.maximum(0 * clean, low), high))


@pytest.mark.parametrize("law", [Clipping(0.5, 0.1), Quantisation(0.25, 0.1)], ids=str)
def test_a_closed_proximal_step_is_an_optimum(law):
    clean, x = randn((1, 200), torch.float64), randn((1, 200), torch.float64, seed=1)
    seen = Measurement(law.draw(clean, torch.randn_like), Identity((1, 200)), law)
    variance = torch.tensor([0.02, 0.5], dtype=torch.float64)
    found = seen.proximal(x, variance)
    slope = seen.score(found) - (found - x) / variance[:, None, None]
    assert slope.abs().max() < 1e-10 * seen.score(x).abs().max()  # the gradient there is zero
    step = 1e-6 * randn((1, 200), torch.float64, seed=2)
    rise = (seen.log_likelihood(x + step) - seen.log_likelihood(x - step)) / 2
    assert torch.allclose((seen.score(x) * step).sum((1, 2)), rise, rtol=1e-4)


def test_a_room_is_a_convolution_with_its_whole_tail():
    x = randn((1, 50), torch.float64, batch=1)
    direct = torch.zeros(69, dtype=torch.float64)
    for tap, weight in enumerate(RESPONSE):
        direct[tap : tap + 50] += weight * x[0, 0]
    assert torch.allclose(RoomResponse(RESPONSE, 50)(x)[0, 0], direct)


def test_a_long_room_is_undone_in_few_steps():
    decay = 10 ** (-3 * torch.arange(4000) / 4000)
    response = 0.1 * randn((4000,), torch.float64, batch=1)[0] * decay
    response[0] = 1.0
    x = randn((1, 16000), torch.float64, batch=1)
    operator = RoomResponse(response, 16000)
    found = operator.tikhonov(operator(x), 1e-6)
    # bias of at most shift / s^2 where the response has zeros, none elsewhere
    assert norm(found - x) < 1e-2 * norm(x)


def test_resampling_keeps_a_tone_below_half_the_new_rate_and_stops_one_above():
    down = Resample(1600, 4)
    assert torch.allclose(down(tone(1000)), tone(1000)[..., ::4])
    assert down(tone(3000)).abs().max() < 1e-12  # rounding


def test_a_band_limit_passes_its_band_and_nothing_else():
    found = BandLimit(16000, 4000, 1600)(tone(1000) + tone(5000))
    assert torch.allclose(found, tone(1000))


def test_white_noise_has_unit_variance_in_every_bin_at_half_overlap():
    bins = STFT(64000, 64)(randn((1, 64000), torch.float64, batch=1))[0, 0, 1:-1, 1:-1]
    power = bins.abs().square().mean(1)
    assert ((power - 1).abs() < 5 / bins.shape[1] ** 0.5).all()  # 5 standard errors


def test_white_noise_in_bins_is_white_noise_in_samples():
    x, y = randn((1, LENGTH), torch.float64, batch=2), randn((1, LENGTH), torch.float64, batch=1)
    seen = coloured(y, torch.tensor(0.25), STFT(LENGTH, 32))
    expected = Measurement(y, Identity((1, LENGTH)), Gaussian(0.5)).proximal(x, 0.3)
    assert torch.allclose(seen.proximal(x, 0.3), expected, atol=1e-6)
    assert torch.allclose(seen.operator.local(x, y, 0.3), expected)


def test_a_step_bin_by_bin_is_near_the_exact_one_for_smooth_noise():
    stft = STFT(4096, 256)
    tilt = 0.01 * 10 ** torch.linspace(2, 0, 129)[:, None]
    x, y = (randn((1, 4096), torch.float64, batch=1, seed=s) for s in (0, 1))
    seen = coloured(y, tilt, stft)
    exact = seen.proximal(x, 0.2)
    assert norm(seen.operator.local(x, y, 0.2) - exact) < 0.02 * norm(exact - x)


def test_a_law_without_a_std_has_no_score_and_says_what_to_do():
    seen = Measurement(torch.zeros(1, 8), Identity((1, 8)), Quantisation(0.5))
    for ask in (seen.score, seen.log_likelihood):
        with pytest.raises(ValueError, match="give it a std"):
            ask(torch.ones(1, 1, 8))


def test_chains_of_a_stacked_law_are_those_alone():
    y = randn((1, 40), torch.float64, batch=2).clamp(-0.5, 0.5)
    law = Clipping(0.5).at_least(torch.tensor([0.1, 0.2])[:, None, None])
    x = randn((1, 40), torch.float64, batch=2, seed=5)
    both = Measurement(y, Identity((1, 40)), law)
    for i in (0, 1):
        alone = both.select(i, i + 1).proximal(x[i : i + 1], 0.1)
        assert torch.equal(alone, both.proximal(x, 0.1)[i : i + 1])


def test_a_sampler_that_asks_for_a_density_gets_one():
    law = Clipping(0.5)
    y = law.draw(randn((1, 40), torch.float64, batch=1), ChainNoise(0, [0]))
    seen = Measurement(y, Identity((1, 40)), law).with_density
    assert seen.log_likelihood(y).isfinite().all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Gaps(torch.ones(4)),
        lambda: Clipping(0.0),
        lambda: Quantisation(-1.0),
        lambda: BandLimit(16000, 9000, 10),
        lambda: Resample(10, 3),
        lambda: RoomResponse(torch.zeros(3), 10),
        lambda: STFT(10, 31),
        lambda: Coloured(STFT(LENGTH, 32), torch.zeros(1)),
    ],
)
def test_what_makes_no_sense_is_refused(make):
    with pytest.raises(ValueError, match=r"got|positive|even"):
        make()
