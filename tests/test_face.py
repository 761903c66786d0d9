"""The face of restore: light, whole, and all that a user or a plugin's author needs."""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import restore

ROOT = Path(__file__).resolve().parents[1]
SHOWN = [
    *sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("operators/*.md")),
    *sorted(ROOT.glob("plugins/*/*.md")), *sorted((ROOT / "examples").rglob("*.py")),
]  # fmt: skip


def fresh(code, **environment):
    """What a process of its own prints."""
    kept = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False,
        env={**kept, "PYTHONPATH": paths, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("name", restore.__all__)
def test_every_name_is_there_and_is_the_one_of_its_room(name):
    room = importlib.import_module(f"restore.{restore._FACE[name]}")
    assert getattr(restore, name) is getattr(room, name)
    assert name in dir(restore)


def test_a_name_that_is_not_there_says_so():
    with pytest.raises(AttributeError, match="no attribute 'smaple'"):
        restore.smaple  # noqa: B018


def test_what_type_checkers_see_is_what_there_is():
    tree = ast.parse((ROOT / "restore" / "__init__.py").read_text("utf-8"))
    block = next(n for n in tree.body if isinstance(n, ast.If) and "TYPE" in ast.unparse(n.test))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == restore._FACE


def test_the_marker_of_hooks_comes_without_torch():
    heavy = "{'torch', 'numpy', 'click', 'rich', 'packaging'} & set(sys.modules)"
    assert fresh(f"import sys; from restore import hook; print({heavy} or 'light')") == "light"


def sources(path):
    if path.suffix == ".py":
        return [path.read_text("utf-8")]
    return re.findall(r"^```python\n(.*?)^```", path.read_text("utf-8"), re.M | re.S)


@pytest.mark.parametrize("path", SHOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_is_shown_uses_the_face_alone(path):
    """`from restore import ...`, `import restore` and restore.testing are all that a user needs."""
    for code in sources(path):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Import):
                met = {alias.name for alias in node.names if alias.name.startswith("restore.")}
                assert met <= {"restore.testing"}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                if node.module == "restore":
                    assert {alias.name for alias in node.names} <= {*restore.__all__}
                assert node.module == "restore.testing" or not node.module.startswith("restore.")
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "restore":
                assert node.attr in {*restore.__all__, "testing"}


POLICY = "print(os.environ.get('OMP_WAIT_POLICY'))"


@pytest.mark.parametrize("package", ["restore", "restore.cli"])
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(package):
    code = f"import os, {package}; {POLICY}"
    assert fresh(code) == "passive"
    assert fresh(code, OMP_WAIT_POLICY="active") == "active"


def test_where_torch_is_loaded_already_it_is_too_late_to_say():
    assert fresh(f"import os, torch, restore; {POLICY}") == "None"
