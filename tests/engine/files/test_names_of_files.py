"""Names of files never lead out of the run's folder, and pipes and circles are told."""

import os

import numpy as np
import pytest
from click.testing import CliRunner

from restore.cli import main
from restore.files.by_extension import read
from restore.files.runs.outputs import LONGEST, folder_names, plain_name, refuse_inputs
from restore.files.runs.run_folder import STATE


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        (".", "_"),
        ("..", "_"),
        ("...", "_"),
        (".hidden", "_hidden"),
        ("index.html", "index.html_"),
        ("INDEX.html", "INDEX.html_"),
        ("Bild", "Bild"),
        ("Bj\u00f6rk", "Bj\u00f6rk"),
        (os.fsdecode(b"caf\xe9"), "caf\ufffd"),
    ],
)
def test_a_name_becomes_one_that_a_folder_may_have(name, plain):
    assert plain_name(name) == plain


def test_long_names_are_cut_and_stay_apart():
    one, other = (plain_name("\u00e9" * 120 + end) for end in "ab")
    assert one != other and max(len(n.encode()) for n in (one, other)) <= LONGEST


def test_every_source_has_a_folder_of_its_own(tmp_path):
    sources = [tmp_path / n for n in ("..png", "...png", "a.png", "a.tif", ".png", "_.png")]
    names = folder_names(sources)
    assert len({n.casefold() for n in names}) == len(sources)
    assert not any(n.startswith(".") or "/" in n for n in names)


def test_links_in_a_circle_are_no_defect(tmp_path):
    (tmp_path / "a.npy").symlink_to(tmp_path / "b.npy")
    (tmp_path / "b.npy").symlink_to(tmp_path / "a.npy")
    assert folder_names([tmp_path / "a.npy"]) == ["a"]
    refuse_inputs(tmp_path / "out", [tmp_path / "a.npy"])
    with pytest.raises((FileNotFoundError, OSError), match=r"a\.npy"):
        read(tmp_path / "a.npy")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="a pipe"):
        read(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["..png", os.fsdecode(b"caf\xe9.npy"), "x" * 240 + ".npy"])
def test_a_run_on_an_odd_name_leaves_what_lies_outside(tmp_path, name):
    pytest.importorskip("restore_image")
    from PIL import Image

    picture = np.full((16, 16), 128, np.uint8)
    source = tmp_path / "in" / name
    source.parent.mkdir()
    if name.endswith("png"):
        Image.fromarray(picture).save(source, "PNG")
    else:
        np.save(source.open("wb"), picture)
    (tmp_path / "kept").write_text("kept")
    words = ["run", "denoise", os.fsdecode(source), "-o", str(tmp_path / "out" / "deep"), "-q"]
    more = ["--noise", "0.1", "--chains", "1", "--steps", "1", "--device", "cpu"]
    result = CliRunner().invoke(main, [*words, *more])
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "kept", "out"]
    made = [p for p in (tmp_path / "out" / "deep").iterdir() if p.name != STATE]
    assert len(made) == 1 and any(p.name.startswith("restored") for p in made[0].iterdir())
