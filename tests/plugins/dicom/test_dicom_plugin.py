"""What the plugin registers: formats by extension, series by folder, all that can hold a std."""

import numpy as np
import pytest
import torch
from dicom_samples import ct_series, mr, save
from restore_dicom import volumes

from restore.files import by_extension
from restore.plugins.discovery import catalog
from restore.plugins.registry import Entry

ROOM = {"dicom", "dicom-series", "nifti", "mha"}


@pytest.mark.parametrize("kind", ["readers", "writers"])
def test_every_format_has_its_reader_and_writer(kind):
    entries = {e.name: e for e in catalog().registry(kind) if e.name in ROOM}
    assert entries.keys() == ROOM
    for name, entry in entries.items():
        assert callable(catalog().load(kind, name))
        assert bool(entry.facts.get("folder")) == (name == "dicom-series")
        assert kind == "readers" or entry.facts["std"] is True
    endings = {ending for entry in entries.values() for ending in entry.facts["extensions"]}
    assert endings - {""} == set(volumes.READERS if kind == "readers" else volumes.WRITERS)


def test_the_engine_takes_a_folder_of_bare_files_for_a_series(tmp_path):
    ct_series(tmp_path / "scan", (3, 5, 6))  # names without extension, as scanners give them
    recipe = Entry("recipe", "any", "any:any", "", "any", {"folders": ("dicom-series",)})
    record = by_extension.read(tmp_path / "scan", recipe)
    assert record.signal.shape == (1, 3, 5, 6)
    assert by_extension.find("writers", tmp_path / "out", recipe).name == "dicom-series"


def test_volumes_are_written_by_what_they_are_called(tmp_path):
    ct_series(tmp_path / "scan", (3, 5, 6))
    scan = volumes.read(tmp_path / "scan")
    for name in ("out", "out.nii", "out.nii.gz", "out.mha", "out.mhd"):
        volumes.write(scan, tmp_path / name)
        again = volumes.read(tmp_path / name)
        assert torch.equal(again.signal, scan.signal)
        assert again.meta["geometry"].close_to(scan.meta["geometry"])
    with pytest.raises(ValueError, match=r"out\.png is no volume that is written here"):
        volumes.write(scan, tmp_path / "out.png")


def test_one_slice_is_a_file_again(tmp_path):
    record = volumes.read(save(mr(np.ones((3, 4), np.uint16)), tmp_path / "a.dcm"))
    volumes.write(record, tmp_path / "b.ima")
    assert torch.equal(volumes.read(tmp_path / "b.ima").signal, record.signal)
