"""What the plugin registers: formats by extension, series by folder, all that can hold a std."""

import numpy as np
import pytest
import torch
from dicom_samples import ct_series, mr, save

from restore.files import by_extension
from restore.plugins.discovery import catalog
from restore.plugins.registry import Entry

ROOM = {"dicom", "dicom-series", "nifti", "mha"}
ENDINGS = {".dcm", ".ima", ".nii", ".nii.gz", ".mha", ".mhd"}
SERIES = Entry("recipe", "any", "any:any", "", "dicom", {"folders": ("dicom-series",)})


def write(record, path):
    catalog().load("writers", by_extension.find("writers", path, SERIES).name)(record, path)


@pytest.mark.parametrize("kind", ["readers", "writers"])
def test_every_format_has_its_reader_and_writer(kind):
    entries = {e.name: e for e in catalog().registry(kind) if e.name in ROOM}
    assert entries.keys() == ROOM
    for name, entry in entries.items():
        assert callable(catalog().load(kind, name))
        assert bool(entry.facts.get("folder")) == (name == "dicom-series")
        assert kind == "readers" or entry.facts["std"] is True
    endings = {ending for entry in entries.values() for ending in entry.facts["extensions"]}
    assert endings - {""} == ENDINGS


def test_the_engine_takes_a_folder_of_bare_files_for_a_series(tmp_path):
    ct_series(tmp_path / "scan", (3, 5, 6))  # names without extension, as scanners give them
    record = by_extension.read(tmp_path / "scan", SERIES)
    assert record.signal.shape == (1, 3, 5, 6)
    assert by_extension.find("writers", tmp_path / "out", SERIES).name == "dicom-series"


def test_volumes_are_written_by_what_they_are_called(tmp_path):
    ct_series(tmp_path / "scan", (3, 5, 6))
    scan = by_extension.read(tmp_path / "scan", SERIES)
    for name in ("out", "out.nii", "out.nii.gz", "out.mha", "out.mhd"):
        write(scan, tmp_path / name)
        again = by_extension.read(tmp_path / name, SERIES)
        assert torch.equal(again.signal, scan.signal)
        assert again.meta["geometry"].close_to(scan.meta["geometry"])
    with pytest.raises(ValueError, match=r"no writer makes out\.xyz"):
        write(scan, tmp_path / "out.xyz")


def test_one_slice_is_a_file_again(tmp_path):
    record = by_extension.read(save(mr(np.ones((3, 4), np.uint16)), tmp_path / "a.dcm"))
    write(record, tmp_path / "b.ima")
    assert torch.equal(by_extension.read(tmp_path / "b.ima").signal, record.signal)


def test_a_file_without_extension_is_known_by_its_mark(tmp_path):
    path = save(mr(np.zeros((2, 2), np.uint16)), tmp_path / "IM0001")
    assert by_extension.read(path).meta["format"] == "dicom"
    assert by_extension.suffix(path) == ".dcm"
    (tmp_path / "notes").write_text("no volume")
    with pytest.raises(ValueError, match=r"no reader takes notes; .*\.dcm"):
        by_extension.read(tmp_path / "notes")
