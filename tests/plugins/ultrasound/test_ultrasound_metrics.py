"""Metrics have the values that known distributions give them; baselines do what they are for."""

import json
import math

import pytest
import torch
from PIL import Image
from restore_ultrasound import baselines
from restore_ultrasound.__main__ import main
from restore_ultrasound.metrics import (
    cnr,
    cnr_db,
    contrast,
    contrast_db,
    fwhm,
    gcnr,
    ks,
    psnr,
    regions_of,
    speckle_snr,
)
from restore_ultrasound.operators.companding import companded, expanded

DRAWS = 200_000  # their relative error is about 1 / DRAWS^1/2, 0.2 %


def normal(mean, std, seed):
    return mean + std * torch.randn(DRAWS, generator=torch.Generator().manual_seed(seed))


def test_two_gaussians_have_the_contrast_of_their_distance():
    one, other = normal(0.0, 1.0, 0), normal(2.0, 1.0, 1)
    overlap = math.erfc(1 / math.sqrt(2))  # 2 Phi(-d / 2), d = 2
    # an empirical overlap of 256 bins is too small by about the counts' own noise, under 0.01
    assert abs(gcnr(one, other) - (1 - overlap)) < 0.01
    assert abs(ks(one, other) - (1 - overlap)) < 0.005  # 2 Phi(d / 2) - 1, the same number
    assert abs(cnr(one, other) - math.sqrt(2)) < 0.01
    assert abs(cnr_db(one, other) - 20 * math.log10(2)) < 0.06


def test_regions_alike_have_no_contrast_and_apart_they_have_all():
    one = normal(0.0, 1.0, 0)
    assert gcnr(one, one) == 0 and ks(one, one) == 0 and cnr(one, one) == 0
    assert gcnr(one, one + 100) == 1
    assert gcnr(torch.ones(9), torch.ones(9)) == 0
    assert abs(contrast_db(torch.ones(5), 10 * torch.ones(5)) + 20) < 1e-6


def test_full_speckle_has_its_signal_to_noise_ratio():
    field = torch.complex(normal(0, 1, 0), normal(0, 1, 1)).abs()
    assert abs(speckle_snr(field) - math.sqrt(math.pi / (4 - math.pi))) < 0.01


def test_the_width_of_a_gaussian():
    place = torch.arange(-50, 51, dtype=torch.float64)
    width = fwhm(torch.exp(-0.5 * (place / 8) ** 2), 0.5)
    assert abs(width - 0.5 * 8 * 2 * math.sqrt(2 * math.log(2))) < 0.02  # linear between samples
    with pytest.raises(ValueError, match="on both sides"):
        fwhm(torch.arange(5.0))


def test_psnr_of_a_known_error():
    assert abs(psnr(torch.full((9,), 0.6), torch.full((9,), 0.5)) - 20) < 1e-4


def test_regions_from_boxes_a_json_and_a_picture_are_the_same(tmp_path):
    boxes = "2,3,22,23 30,3,50,23"
    (tmp_path / "r.json").write_text(
        json.dumps({"inside": [2, 3, 22, 23], "outside": [30, 3, 50, 23]})
    )
    paint = torch.zeros(40, 60, dtype=torch.uint8)
    paint[3:23, 2:22], paint[3:23, 30:50] = 255, 128
    Image.fromarray(paint.numpy()).save(tmp_path / "r.png")
    found = [
        regions_of(given, (40, 60))
        for given in (boxes, str(tmp_path / "r.json"), str(tmp_path / "r.png"))
    ]
    for one, other in found[1:]:
        assert torch.equal(one, found[0][0]) and torch.equal(other, found[0][1])
    with pytest.raises(ValueError, match="does not lie in a frame"):
        regions_of("0,0,70,20 0,0,20,20", (40, 60))


def test_the_tool_prints_every_metric_and_one_line_for_a_bad_box(tmp_path, capsys):
    frame = torch.full((40, 60), 50, dtype=torch.uint8)
    frame[:, 30:] = 200
    Image.fromarray(frame.numpy()).save(tmp_path / "a.png")
    regions = "0,0,20,40 40,0,60,40"
    assert main([str(tmp_path / "a.png"), "--regions", regions]) == 0
    told = json.loads(capsys.readouterr().out)[str(tmp_path / "a.png")]
    assert told == contrast(frame / 255, *regions_of(regions, (40, 60)))
    assert told["gcnr[256 bins]"] == 1
    assert main([str(tmp_path / "a.png"), "--regions", "0,0,99,99 1,1,30,30"]) == 1
    assert "does not lie" in capsys.readouterr().err


def test_diffusion_and_means_smooth_speckle_and_keep_an_edge():
    generator = torch.Generator().manual_seed(0)
    truth = torch.full((1, 64, 64), 0.4)
    truth[:, :, 32:] = 0.8
    noisy = (truth + 0.08 * torch.randn(truth.shape, generator=generator)).clamp(0, 1)
    for name, baseline in baselines.BASELINES.items():
        made = baseline(noisy)
        assert psnr(made, truth) > psnr(noisy, truth) + 3, name
        edge = made[:, :, 34:40].mean() - made[:, :, 24:30].mean()
        assert abs(float(edge) - 0.4) < 0.06, name


def test_diffusion_leaves_a_flat_frame_alone():
    flat = torch.full((1, 20, 20), 0.5)
    torch.testing.assert_close(baselines.srad(flat), flat)


def test_the_clutter_filter_takes_what_does_not_move():
    still = 0.6 + 0.2 * torch.rand(1, 12, 12, generator=torch.Generator().manual_seed(0))
    still[0, 5, 5] = 0.1
    frames = still.expand(8, 12, 12).clone()
    assert baselines.low_rank_removed(frames).abs().max() < 1e-5
    frames[3, 5, 5] = 0.7  # a flash: it stays
    # but for its share of the mean over time, an eighth; the singular vector turns by 1e-2
    wanted = companded(7 / 8 * expanded(torch.tensor(0.7), 999), 999)
    assert abs(baselines.low_rank_removed(frames)[3, 5, 5] - wanted) < 0.005
    with pytest.raises(ValueError, match="1 to 7"):
        baselines.low_rank_removed(frames, 8)
