"""Flags are data: a recipe's help imports neither torch nor the recipe, the second time."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from restore.plugins.described import described
from restore.plugins.options import options_of, prose
from restore.plugins.registry import Entry

ENTRY = Entry("recipe", "thing", "a_strangers_recipe:solve", "a thing", "stranger")
SOURCE = '''
from typing import Literal

def solve(record, *, factor: float = {default}, boundary: Literal["zero", "wrap"] = "wrap"):
    """A thing.

    factor: by how much
    """
'''


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("RESTORE_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "a_strangers_recipe.py"
    path.write_text(SOURCE.format(default="2.5"))
    return path


def loaded():
    """The function, imported for a moment."""
    try:
        import a_strangers_recipe

        return a_strangers_recipe.solve
    finally:
        sys.modules.pop("a_strangers_recipe", None)


def test_the_second_time_nothing_is_imported(source):
    first = described(ENTRY, ["solve"], loaded)
    own = {name: replace(each, kinds=()) for name, each in options_of(loaded()).items()}
    assert first.options == own and first.prose == prose(loaded()) == "A thing."
    again = described(ENTRY, ["solve"], lambda: pytest.fail("imported"))
    assert again == first and again.options["boundary"].choices == ("zero", "wrap")


def test_a_changed_source_is_read_anew(source):
    described(ENTRY, ["solve"], loaded)
    source.write_text(SOURCE.format(default="13.0"))
    assert described(ENTRY, ["solve"], loaded).options["factor"].default == 13.0


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"mark": null, "options": 3, "prose": ""}'])
def test_damage_is_read_anew(source, text, tmp_path):
    described(ENTRY, ["solve"], loaded)
    (file,) = (tmp_path / "home/options").iterdir()
    file.write_text(text)
    assert described(ENTRY, ["solve"], loaded).options["factor"].default == 2.5


def test_what_is_imported_is_asked_itself(source, monkeypatch):
    described(ENTRY, ["solve"], loaded)
    monkeypatch.setitem(sys.modules, "a_strangers_recipe", object())

    def changed(record, *, other: int = 3) -> None: ...

    assert list(described(ENTRY, ["solve"], lambda: changed).options) == ["other"]


def test_the_help_of_a_recipe_imports_no_torch(tmp_path):
    words = (
        "import sys\nfrom restore.cli import main\n"
        "try:\n    main(['run', 'deblur', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "print('torch' in sys.modules)"
    )
    environment = {**os.environ, "RESTORE_HOME": str(tmp_path)}
    said = [
        subprocess.run(
            [sys.executable, "-c", words],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]
    first, second = (text.rpartition("\n")[0].rpartition("\n") for text in said)
    assert first[0] == second[0] and "--kernel" in first[0]
    assert (first[2], second[2]) == ("True", "False")
    assert Path(tmp_path / "options").exists()
