"""Imported priors by name: where they lie, and which names they may have."""

import json
from pathlib import Path

import pytest

from restore.errors import UsageError, WeightsError
from restore.plugins import store
from restore.plugins.discovery import Catalog


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty store, and no plugin but one with a prior."""
    catalog = Catalog([], {})
    catalog.registry("priors").add("house", "embedded", "a:b", summary="x")
    monkeypatch.setattr(store, "catalog", lambda: catalog)
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "priors"


def _put(home, name, text=None):
    (home / name).mkdir(parents=True)
    described = {"card": {"title": "Faces", "licence": "MIT"}, "source": {"file": "face.pt"}}
    (home / name / "prior.json").write_text(json.dumps(described) if text is None else text)


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"RESTORE_HOME": "/r"}, "linux", "/r/priors"),
        ({"RESTORE_HOME": "", "XDG_DATA_HOME": "/x"}, "linux", "/x/restore/priors"),
        ({}, "linux", "~/.local/share/restore/priors"),
        ({"XDG_DATA_HOME": "/x"}, "darwin", "~/Library/Application Support/restore/priors"),
        ({"LOCALAPPDATA": "/l"}, "win32", "/l/restore/priors"),
    ],
)
def test_the_store_lies_where_the_platform_keeps_data(environment, platform, expected):
    assert store.home(environment, platform) == Path(expected).expanduser()


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "/x", "~x", "-x", "x.", ".x", "a b", "x\n", "x\0", "é",
     "con", "NUL.txt", "x" * 65, "x.partial", "C:x"],
)  # fmt: skip
def test_no_name_leaves_the_store(home, name):
    for asked in (store.checked_name, store.free_name, store.folder_of, store.remove):
        with pytest.raises(UsageError, match="cannot name a prior"):
            asked(name)


def test_a_name_belongs_to_one_prior(home):
    _put(home, "face")
    assert store.free_name("other") == home / "other"
    for name in ("embedded", "Embedded", "face", "FACE"):
        with pytest.raises(UsageError, match="already"):
            store.free_name(name)
    assert store.free_name("face", overwrite=True) == home / "face"
    with pytest.raises(UsageError, match="already"):
        store.free_name("embedded", overwrite=True)


def test_damaged_ones_are_listed_as_such_and_found(home):
    assert store.imported() == []
    _put(home, "face")
    _put(home, "torn", "{")
    (home / "empty").mkdir()
    (home / ".face.partial").mkdir()
    (home / "file").write_text("x")
    listed = {entry.name: entry.summary for entry in store.imported()}
    assert listed.pop("face") == "Faces; licence MIT"
    assert listed.keys() == {"torn", "empty"}
    assert all(summary.startswith("damaged: ") for summary in listed.values())
    assert store.again("face") == "restore priors import face.pt --name face --overwrite"
    assert store.again("torn") == "restore priors import FILE --name torn --overwrite"


def test_removing_a_link_leaves_what_it_leads_to(home, tmp_path):
    _put(tmp_path, "elsewhere")
    _put(home, "face")
    (home / "linked").symlink_to(tmp_path / "elsewhere")
    for name in ("linked", "face"):
        store.remove(name)
    assert (tmp_path / "elsewhere" / "prior.json").exists() and not list(home.iterdir())
    with pytest.raises(WeightsError, match=r"restore priors import FILE --name face"):
        store.remove("face")
