"""What the documents show is true: their Python runs, their commands and links exist."""

import re
import shlex
from pathlib import Path

import click
import pytest

from restore.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("docs/*.md")),
    *sorted(ROOT.glob("operators/*.md")), *sorted(ROOT.glob("plugins/*/*.md")),
    *sorted(ROOT.glob("examples/**/*.md")),
]  # fmt: skip
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def blocks(page: Path, language: str) -> list[str]:
    return [code for kind, code in FENCE.findall(page.read_text("utf-8")) if kind == language]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def commands() -> list:
    """Every shown line that calls restore, continued lines joined and comments dropped."""
    found = []
    for page in PAGES:
        if "examples" in page.parts:  # of plugins that are not installed here
            continue
        for language in ("", "sh", "bash", "console"):
            for block in blocks(page, language):
                for line in block.replace("\\\n", " ").splitlines():
                    line = line.removeprefix("$ ")
                    if line.startswith("restore "):
                        words = shlex.split(line, comments=True)
                        shown = f"{named(page)}: {' '.join(words[1:])}"
                        found.append(pytest.param(words[1:], id=shown))
    return found


PYTHON = [
    pytest.param(code, id=f"{named(page)}-{number}")
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
    for number, code in enumerate(blocks(page, "python"), 1)
]


@pytest.mark.parametrize("code", PYTHON)
def test_the_python_shown_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("words", commands())
def test_the_commands_shown_exist_with_their_flags(words):
    """Down to the last subcommand; every flag is known to it, no argument is left over."""
    command, context = main, click.Context(main, info_name="restore")
    words = list(words)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, command, words = command.resolve_command(context, words)
        context = click.Context(command, parent=context, info_name=name)
    known = {flag for p in command.get_params(context) for flag in (*p.opts, *p.secondary_opts)}
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-[\d.]+", word):
            flag = word.partition("=")[0]
            assert flag in known | {"--help", "-h"}, f"{context.command_path} has no {flag}"
    wants = [p for p in command.get_params(context) if isinstance(p, click.Argument)]
    assert words or not any(p.required for p in wants) or isinstance(command, click.Group)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), f"{named(page)}: {target}"


def test_the_makefile_does_what_the_readme_says():
    made = re.findall(r"^make (\w+)", (ROOT / "README.md").read_text("utf-8"), re.M)
    rules = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.M)
    assert made and set(made) <= set(rules)
