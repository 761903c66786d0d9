"""Cines: memory does not grow with their length; truths, samples and deviations go with them."""

import json
import tracemalloc

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from pydicom import dcmread
from pydicom.data import get_testdata_file
from restore_ultrasound.echoes.motion import moved
from restore_ultrasound.files.dicom import read_dicom, write_dicom
from restore_ultrasound.files.hdf5 import read_hdf5, write_hdf5
from restore_ultrasound.files.plus import read_mha, write_mha
from restore_ultrasound.recipes.dehaze import dehaze
from ultrasound_samples import bytes_of, plus, zea

from restore.cli import main
from restore.files.answers import on_disk
from restore.files.problem import Settings
from restore.files.restoring import do_parts, restore_file
from restore.files.runs.claims import Claims
from restore.files.runs.sharing import Sharing
from restore.files.task import Record

SIZE = (256, 256)
FRAME = 256 * 256 * 4  # bytes of a frame as a signal


def dicom(path, stored):
    dataset = dcmread(get_testdata_file("examples_ybr_color.dcm", download=False))
    dataset.set_pixel_data(stored, "MONOCHROME2", 8)
    dataset.SequenceOfUltrasoundRegions = []
    dataset.save_as(path)
    return path


FORMATS = {
    ".dcm": (dicom, read_dicom, write_dicom),
    ".mha": (lambda p, v: plus(p, v, "BRIGHTNESS", "MF", packed=True), read_mha, write_mha),
    ".h5": (
        lambda p, v: zea(p, {"image": v.astype(np.float32) / 255 * 60 - 60}), read_hdf5, write_hdf5
    ),
}  # fmt: skip


@pytest.mark.parametrize("ending", FORMATS)
def test_reading_and_writing_holds_no_more_of_a_longer_cine(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(on_disk, "HELD", 0)
    make, read, write = FORMATS[ending]
    peaks = []
    for count in (2, 3, 10):  # the first run pays for imports
        source = make(tmp_path / f"{count}{ending}", bytes_of(count, *SIZE))
        tracemalloc.start()
        write(read(source), tmp_path / f"made{count}{ending}")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + FRAME  # 7 frames more
    before, after = read(source).signal, read(tmp_path / f"made10{ending}").signal
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)


def run(*words):
    result = CliRunner().invoke(main, [*map(str, words), "--quiet"])
    assert result.exit_code == 0, result.output


def test_a_cine_keeps_its_samples_and_is_measured_frame_by_frame(tmp_path, untrained):
    stored = np.clip(bytes_of(3, 48, 64) // 2 + 40, 3, 255).astype(np.uint8)
    source = plus(tmp_path / "a.mha", stored, "BRIGHTNESS", "MF")
    truth = plus(tmp_path / "truth.mha", stored // 2, "BRIGHTNESS", "MF")
    flags = ("--prior", untrained[0], "--haze", untrained[1], "--chains", 3, "--steps", 2)
    more = ("--reference", truth, "--samples", "--baseline", "nlm")
    run("run", "dehaze", source, "-o", tmp_path / "out", *flags, *more)
    folder = tmp_path / "out" / "a"
    samples, mean = np.load(folder / "samples.npy"), np.load(folder / "mean.npy")
    assert samples.shape == (3, 3, 2, 48, 64)
    np.testing.assert_allclose(samples.mean(1), mean, atol=1e-6)
    metrics = json.loads((folder / "report.json").read_text())["metrics"]
    for of, name in (("mean", "restored"), ("baseline", "baseline")):
        made, wanted = (read_mha(p).signal for p in (folder / f"{name}.mha", truth))
        error = (made - wanted).double().square().mean((0, 2, 3))
        found = float((-10 * torch.log10(error)).mean())
        assert abs(metrics[of]["psnr[display]"] - found) < 0.05  # written as bytes


def test_frames_that_stand_alone_are_the_same_whoever_does_which(tmp_path, untrained):
    source = plus(tmp_path / "a.mha", bytes_of(3, 48, 64), "BRIGHTNESS", "MF")
    settings = Settings.of("dehaze", {"haze": untrained[1]}, prior=untrained[0], chains=2, steps=2)
    restore_file(source, tmp_path / "alone", settings)
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims/a").touch()
    helper, owner = (Sharing(Claims(tmp_path / "claims", w), "a", tmp_path / "kept") for w in "xy")
    next(do_parts(source, settings, helper))
    assert (tmp_path / "kept-part-0.done").exists()
    restore_file(source, tmp_path / "shared", settings, checkpoint=tmp_path / "kept",
                 sharing=owner)  # fmt: skip
    for name in ("restored.mha", "mean.npy", "std.npy"):
        one, other = (tmp_path / folder / name for folder in ("alone", "shared"))
        assert one.read_bytes() == other.read_bytes()
    warm = Settings.of("dehaze", {"haze": untrained[1], "warm": 0.2}, prior=untrained[0])
    assert next(do_parts(source, warm, helper), None) is None  # each leans on the one before it


def test_the_deviation_of_a_dicom_cine_is_a_parametric_map_of_it(tmp_path, untrained):
    source = dicom(tmp_path / "a.dcm", np.clip(bytes_of(3, 48, 64), 3, 255))
    flags = ("--prior", untrained[0], "--haze", untrained[1], "--chains", 2, "--steps", 2)
    run("run", "dehaze", source, "-o", tmp_path / "out", "--region", "all", "--samples", *flags)
    made, header = dcmread(tmp_path / "out" / "a" / "std.dcm"), dcmread(source)
    assert made.SOPClassUID.name == "Parametric Map Storage" and made.NumberOfFrames == 3
    assert made.StudyInstanceUID == header.StudyInstanceUID
    origins = [group.DerivationImageSequence[0] for group in made.PerFrameFunctionalGroupsSequence]
    assert [o.SourceImageSequence[0].ReferencedFrameNumber for o in origins] == [1, 2, 3]
    one, two = (
        dcmread(tmp_path / "out" / "a" / f"sample-{i}.dcm").pixel_array / 255 for i in (1, 2)
    )
    written = made.pixel_array
    # of two samples; each is rounded to bytes
    np.testing.assert_allclose(written, np.abs(one - two) / 2**0.5, atol=1 / 255)
    mapped = made.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    assert mapped.DoubleFloatRealWorldValueLastValueMapped == written.max() > 0.01


def smooth(rows, columns, down, right):
    y = torch.arange(rows)[:, None] - down
    x = torch.arange(columns)[None] - right
    return (0.5 + 0.25 * torch.sin(y / 4.0) + 0.2 * torch.cos(x / 5.0 + y / 9.0))[None].float()


def test_what_moves_is_brought_to_where_it_is_now():
    before, now = smooth(48, 64, 0, 0), smooth(48, 64, 1.5, -2)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    made = moved(before, before, now)
    assert (made - now)[inner].abs().max() < 0.03 < (before - now)[inner].abs().max() / 4
    assert (moved(before, before, before) - before).abs().max() < 1e-5


def test_with_motion_tissue_is_moved_and_haze_stays():
    frames = torch.stack([smooth(48, 64, 2 * k, k) for k in range(2)], 1)
    record = Record(frames, "bmode", None, {"regions": None})
    carried = dehaze.solve(record, None, warm=0.2, motion=True).frames.carried
    begun = carried(1, torch.cat([frames[:, 0], frames[:, 0]]))
    assert torch.equal(begun[1:], frames[:, 0])
    assert (begun[:1] - frames[:, 1])[:, 8:-8, 8:-8].abs().max() < 0.03
    assert dehaze.solve(record, None, warm=0.2).frames.carried is None
    with pytest.raises(ValueError, match="give --warm"):
        dehaze.solve(record, None, motion=True)
