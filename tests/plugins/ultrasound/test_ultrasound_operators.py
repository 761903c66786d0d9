"""The signal chain keeps its laws, and says of known signals what must come out."""

import math

import pytest
import torch
from restore_ultrasound.operators.beamforming import DelayAndSum
from restore_ultrasound.operators.companding import (
    Companding,
    HazeSum,
    Intensity,
    companded,
    expanded,
    log_compressed,
    mu_of,
)
from restore_ultrasound.operators.envelope import Demodulation, Envelope, analytic
from restore_ultrasound.operators.lines import line_mask, next_line, taken_lines
from restore_ultrasound.operators.point_spread import (
    DepthVarying,
    beam,
    estimated_taps,
    point_spread,
    pulse,
    toeplitz,
)
from restore_ultrasound.operators.scan_conversion import ScanConversion, Sector

from restore.testing.laws import assert_adjoint, assert_linear

FAN = Sector(-0.6, 0.5, 0.4, 2.0)


def spreads():
    shape = (1, 24, 10)
    return [point_spread(shape, pulse(0.2, 0.15), beam(w)) for w in (1.0, 2.0, 3.0)]


def probe(carrier=0.0):
    return DelayAndSum(
        torch.tensor([-0.1, 0.0, 0.1]), torch.linspace(-0.01, 0.01, 16),
        torch.linspace(0.005, 0.03, 20), torch.linspace(-0.008, 0.008, 9), 900,
        rate=20e6, sound_speed=1540.0, start=torch.zeros(3), carrier=carrier,
    )  # fmt: skip


OPERATORS = {
    "scan conversion": lambda: ScanConversion(FAN, (20, 15), (30, 40)),
    "demodulation": lambda: Demodulation((1, 33, 4), 0.2, 0.3, step=2),
    "point spread": lambda: spreads()[1],
    "depth-varying": lambda: DepthVarying(spreads()),
    "delay and sum": probe,
    "lines": lambda: taken_lines((1, 8, 12), line_mask(12, 5)),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_every_linear_operator_has_its_adjoint(name):
    assert_adjoint(OPERATORS[name]())
    assert_linear(OPERATORS[name]())


def test_delay_and_sum_of_iq_has_its_adjoint():
    assert_adjoint(probe(5e6), torch.complex128)


@pytest.mark.parametrize(
    "operator",
    [Companding((1, 5, 4)), HazeSum((5, 4)), Envelope((5, 4)), Intensity((1, 5, 4))],
    ids=repr,
)
def test_every_curved_operator_has_its_derivative(operator):
    x = torch.rand(3, *operator.in_shape, dtype=torch.float64) - 0.3
    v = torch.rand(3, *operator.out_shape, dtype=torch.float64)
    moved = x.clone().requires_grad_()
    expected = torch.autograd.grad(operator(moved), moved, v)[0]
    torch.testing.assert_close(operator.vjp(x, v), expected)


def test_companding_is_undone_exactly():
    values = torch.linspace(-1, 1, 1001, dtype=torch.float64)
    for mu in (255.0, mu_of(60)):
        torch.testing.assert_close(expanded(companded(values, mu), mu), values)
    assert companded(torch.tensor([1.0, 0.0, -1.0]), 255.0).tolist() == [1, 0, -1]


def test_a_display_is_the_companding_of_its_envelope():
    """1 + dB / 60, and its companding, differ by the floor only: at -20 dB by 1e-3 in amplitude."""
    envelope = torch.tensor([1.0, 10 ** (-1.0), 10 ** (-1.5)], dtype=torch.float64)
    shown = 1 + log_compressed(envelope, 60) / 60
    torch.testing.assert_close(companded(envelope, mu_of(60)), shown, atol=5e-3, rtol=0)


def test_log_compression_of_silence_is_the_floor():
    assert log_compressed(torch.tensor([1.0, 0.0]), 50).tolist() == [0, -50]
    assert log_compressed(torch.zeros(2), 50).tolist() == [-50, -50]
    with pytest.raises(ValueError, match="no envelope"):
        log_compressed(torch.tensor([-1.0]), 50)


def test_powers_add_up_and_silence_adds_nothing():
    mu, generator = mu_of(60), torch.Generator().manual_seed(0)
    # echoes of 1e-3 of the range and more: below, companding and back lose more than rounding
    x, h = 1e-3 + torch.rand(2, 1, 1, 50, 3, generator=generator, dtype=torch.float64)
    total = expanded(HazeSum((50, 3))(torch.cat([x, h], 1)), mu).square()
    torch.testing.assert_close(total, expanded(x, mu).square() + expanded(h, mu).square())
    alone = HazeSum((50, 3))(torch.cat([x, 0 * h], 1))
    torch.testing.assert_close(alone, x)


def test_the_envelope_of_a_modulated_wave_is_its_amplitude():
    depth = torch.arange(400, dtype=torch.float64)
    amplitude = torch.exp(-(((depth - 200) / 40) ** 2))
    rf = (amplitude * torch.cos(2 * math.pi * 0.2 * depth + 0.3))[:, None]
    torch.testing.assert_close(analytic(rf).abs()[:, 0], amplitude, atol=1e-6, rtol=0)
    baseband = Demodulation((1, 400, 1), 0.2, 0.2)(rf[None, None])
    torch.testing.assert_close(baseband.abs()[0, 0, :, 0], amplitude, atol=1e-6, rtol=0)
    angle = baseband[0, 0, 200, 0].angle()
    assert abs(float(angle) - 0.3) < 1e-6


def test_scan_conversion_keeps_what_is_linear_and_leaves_the_outside_black():
    convert = ScanConversion(FAN, (60, 50), (80, 90))
    radius = torch.linspace(FAN.near, FAN.far, 60, dtype=torch.float64)
    y = convert(radius[None, None, :, None].expand(1, 1, 60, 50))[0, 0]
    top, bottom, left, right = FAN.frame
    z = torch.linspace(top, bottom, 80, dtype=torch.float64)[:, None]
    x = torch.linspace(left, right, 90, dtype=torch.float64)
    true = (z**2 + x**2).sqrt()
    torch.testing.assert_close(y[convert.inside], true[convert.inside])
    assert (y[~convert.inside] == 0).all() and 0.4 < convert.inside.double().mean() < 0.95


def test_the_way_back_to_lines_gives_what_the_screen_shows():
    convert = ScanConversion(FAN, (40, 30), (160, 160))
    depth = torch.linspace(0, 3, 40, dtype=torch.float64)[:, None]
    x = (1 + depth.sin() * torch.linspace(0, 4, 30, dtype=torch.float64).cos())[None, None]
    back = convert.inverse(convert(x))
    # where samples are denser than pixels, at the apex, the smooth answer stands in
    assert (back - x).abs().max() < 0.02
    assert (convert(back) - convert(x)).abs().max() < 0.005
    assert (convert.inverse(torch.zeros(1, 1, 160, 160)) == 0).all()


def test_one_point_spread_at_all_depths_varies_with_none():
    one = spreads()[0]
    x = torch.randn(2, 1, 24, 10, dtype=torch.float64)
    torch.testing.assert_close(DepthVarying([one, one, one])(x), one(x))


def test_a_point_becomes_its_point_spread():
    taps, width = pulse(0.25, 0.2), beam(2.0)
    x = torch.zeros(1, 1, 61, 31, dtype=torch.float64)
    x[0, 0, 30, 15] = 1
    y = point_spread((1, 61, 31), taps, width)(x)[0, 0]
    a, b = len(taps) // 2, len(width) // 2
    torch.testing.assert_close(y[30 - a : 31 + a, 15 - b : 16 + b], taps[:, None] * width[None])


def test_the_width_of_a_beam_is_found_in_its_speckle():
    true = beam(3.0)
    white = torch.randn(400, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = estimated_taps(white @ toeplitz(true, 300).T, -1, reach=10)
    wanted = torch.nn.functional.pad(true, (10 - len(true) // 2,) * 2)
    # 400 lines of about 100 independent cells tell a correlation to 1/200
    assert (found - wanted / wanted.norm()).abs().max() < 0.05


def test_a_scatterer_is_brightest_where_it_is():
    das = probe()
    target = torch.zeros(1, 1, 20, 9, dtype=torch.float64)
    target[0, 0, 11, 6] = 1
    image = das(das.adjoint(target))[0, 0].abs()  # echoes of a point, by the matched adjoint
    assert divmod(int(image.argmax()), 9) == (11, 6)


@pytest.mark.parametrize("kind", ["equispaced", "random"])
def test_exactly_as_many_lines_as_asked_are_taken(kind):
    for taken in (1, 5, 16):
        assert line_mask(16, taken, kind, seed=3).sum() == taken


def test_the_line_that_samples_disagree_on_is_next():
    particles = torch.zeros(6, 1, 8, 10)
    particles[:, :, :, 4] = torch.randn(6, 1, 8, generator=torch.Generator().manual_seed(0))
    particles[:, :, :, 8] = 0.1 * particles[:, :, :, 4]
    mask = line_mask(10, 2)
    assert next_line(particles, mask, std=0.1) == 4
    mask[4] = 1
    assert next_line(particles, mask, std=0.1) == 8
