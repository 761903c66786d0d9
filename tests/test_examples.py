"""Every example runs, fast, and the smallest plugin is one."""

import re
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))
PLUGIN = ROOT / "examples" / "hello_plugin"
LIMIT = 20.0  # seconds of one processor


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_runs_fast_and_says_something(path, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    started = time.process_time()
    runpy.run_path(str(path), run_name="__main__")
    assert time.process_time() - started < 2 * LIMIT  # of two processors
    assert len(capsys.readouterr().out.splitlines()) >= 2
    assert not list(tmp_path.iterdir())


def test_the_exact_posterior_is_met_by_the_first_example(capsys):
    runpy.run_path(str(EXAMPLES[0]), run_name="__main__")
    away = re.search(r"posterior mean: ([\d.]+)% away", capsys.readouterr().out)
    assert float(away[1]) < 5  # 64 samples alone leave about 1 %


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """hello_plugin as pip installs it, in a folder of its own."""
    source = tmp_path_factory.mktemp("source") / "hello_plugin"
    shutil.copytree(PLUGIN, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    site = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--disable-pip-version-check", "--target", site, source],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return site


def restore(site: Path, *arguments: str) -> str:
    """What the command line prints with the plugin installed."""
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from restore.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_smallest_plugin_is_found_where_it_is_installed(installed):
    assert re.search(r"^hello +restore-hello 0\.1\.0 +ok", restore(installed, "plugins"), re.M)
    assert "vignette" in restore(installed, "list", "operators")
    assert "unshade" in restore(installed, "list", "recipes")
    assert "--strength" in restore(installed, "run", "unshade", "--help")


def test_the_smallest_plugin_keeps_the_contract(installed, monkeypatch):
    from restore.testing import (
        assert_adjoint,
        assert_linear,
        assert_normal,
        assert_solve_normal,
        check_plugin,
    )

    monkeypatch.syspath_prepend(installed)
    check_plugin("restore_hello.plugin")
    vignette = __import__("restore_hello.vignette", fromlist=["Vignette"])
    for shape in ((1, 5, 8), (3, 7, 7)):
        operator = vignette.Vignette(shape, 0.8)
        for law in (assert_adjoint, assert_linear, assert_normal, assert_solve_normal):
            law(operator)
    with pytest.raises(ValueError, match="strength"):
        vignette.Vignette((1, 4, 4), 1.0)
