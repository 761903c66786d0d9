"""The contract of a plugin, as one assertion: what its author's tests call."""

import inspect
import json
import os
import subprocess
import sys
from functools import cache
from importlib.metadata import EntryPoint, distribution
from typing import Any

import click

from ..files.task import Recipe
from ..plugins.discovery import ENGINE, Catalog
from ..plugins.hookspecs import KINDS
from ..plugins.options import options_of
from ..plugins.registry import Entry
from ..samplers.base import contract_of

SAMPLER = ["denoise", "measurement", "x", "sigmas", "randn_like"]
_LOOK = """
import sys, json
before = set(sys.modules)
import {module}
print(json.dumps(sorted({{name.partition(".")[0] for name in set(sys.modules) - before}})))
"""


def check_plugin(module: str) -> None:
    """Assert that the module of a plugin's entry point ("restore_image.plugin") keeps the contract.

    Importing it costs nothing but the hook marker; every hook is a known one and runs; whatever is
    registered can be imported and is of its kind. Raises AssertionError, or the hook's own error,
    as for names, extensions and facts that are refused when they are registered.
    """
    _assert_light(module)
    point = EntryPoint("checked", module, "restore")
    catalog = Catalog([point], {"RESTORE_STRICT_PLUGINS": "1"})
    entries = [entry for kind in KINDS for entry in catalog.registry(kind)]
    assert entries, f"{module} registers nothing: is @hook missing?"
    for entry in entries:
        assert entry.summary.strip(), f"{entry.kind} '{entry.name}' has no summary"
        thing = entry.load()
        assert callable(thing) or isinstance(thing, Recipe), f"{_what(entry)} cannot be called"
        _CHECKS.get(entry.kind, lambda entry, thing: None)(entry, thing)


def _assert_light(module: str) -> None:
    """In a fresh process: nothing but the standard library, pluggy and restore comes in."""
    done = subprocess.run(
        [sys.executable, "-c", _LOOK.format(module=module)],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
    )
    assert done.returncode == 0, f"{module} cannot be imported:\n{done.stderr}"
    own = module.partition(".")[0]
    free = {own, "restore", "pluggy", *sys.stdlib_module_names}
    heavy = [name for name in json.loads(done.stdout.splitlines()[-1]) if name not in free]
    assert not heavy, (
        f"{module} imports {', '.join(heavy)}; name what needs it as 'package.module:attribute'"
    )


def _environment() -> dict[str, str]:
    """This process's own, with all that it can import."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _recipe(entry: Entry, thing: Any) -> None:
    assert isinstance(thing, Recipe), f"{_what(entry)} is no restore.files.task.Recipe"
    for function in filter(None, (thing.solve, thing.observe, thing.simulate)):
        keywords = _keyword_only(function)
        clashing = _reserved() & set(keywords)
        assert not clashing, f"{_what(entry)} takes the command line's own {sorted(clashing)}"
        unfit = set(keywords) - set(options_of(function))
        assert not unfit, f"{_what(entry)}: {sorted(unfit)} must be int, float, str, bool or Path"


@cache
def _reserved() -> frozenset[str]:
    """The options that the command line has itself for every recipe, as it says."""
    (script,) = distribution(ENGINE).entry_points.select(group="console_scripts", name="restore")
    program = script.load()
    context = click.Context(program)
    commands = (program.get_command(context, name) for name in ("run", "simulate"))
    return frozenset().union(*(command.reserved() for command in commands))


def _sampler(entry: Entry, thing: Any) -> None:
    parameters = list(inspect.signature(thing).parameters.values())
    first = [parameter.name for parameter in parameters[: len(SAMPLER)]]
    assert first == SAMPLER, f"{_what(entry)} must begin with {SAMPLER}, begins with {first}"
    for parameter in parameters[len(SAMPLER) :]:
        assert parameter.kind is parameter.KEYWORD_ONLY, f"{_what(entry)}: {parameter} by keyword"
        assert parameter.default is not parameter.empty, f"{_what(entry)}: {parameter} no default"
    _sampler_contract(entry, thing, [parameter.name for parameter in parameters])


def _sampler_contract(entry: Entry, thing: Any, names: list[str]) -> None:
    """What the sampler declares is what it takes, and what it asks of a prior is registered."""
    contract = contract_of(thing)
    taken = {
        "law": ("variance", contract.law),
        "integrator": ("integrator", contract.integrator),
        "resumes": ("resumed", contract.goes_on),
    }
    for field, (name, declared) in taken.items():
        assert declared or name not in names, (
            f"{_what(entry)} takes '{name}' without @sampler({field}=True): nobody gives it"
        )
    if contract.particles is not None:
        option = options_of(thing).get(contract.particles)
        assert option is not None and option.type is int and option.default is not None, (
            f"{_what(entry)}: '{contract.particles}' must be a whole number with a default"
        )
    needs = entry.facts.get("needs", ())
    unsaid = [asked for asked in contract.asks if asked not in needs]
    assert not unsaid, f"{_what(entry)} asks for {unsaid}, which its needs do not list"


def _prior(entry: Entry, thing: Any) -> None:
    needed = [p.name for p in inspect.signature(thing).parameters.values() if p.default is p.empty]
    assert not needed, f"{_what(entry)} cannot be loaded without {needed}"


_CHECKS = {"recipe": _recipe, "sampler": _sampler, "prior": _prior}


def _keyword_only(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]


def _what(entry: Entry) -> str:
    return f"{entry.kind} '{entry.name}' ({entry.target})"
