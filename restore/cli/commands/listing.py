"""restore list, info, plugins: what is there; list imports none of it."""

import inspect
import json
from collections.abc import Mapping
from typing import Any

import click

from ...plugins.discovery import Plugin, catalog
from ...plugins.hookspecs import KINDS
from ...plugins.registry import Entry, unknown


class Kind(click.ParamType):
    """One of KINDS, in the singular or the plural."""

    name = "KIND"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        plural = value if value.endswith("s") else f"{value}s"
        if plural not in KINDS:
            self.fail(unknown("kind of thing", value, KINDS), param, ctx)
        return plural


@click.command("list")
@click.argument("kind", type=Kind(), metavar=f"{{{','.join(KINDS)}}}")
@click.option("as_json", "--json", is_flag=True, help="Print one JSON array.")
def list_(kind: str, as_json: bool) -> None:
    """List what plugins have registered; of priors, the imported ones, too."""
    entries = sorted(catalog().registry(kind), key=lambda entry: entry.name)
    if kind == "priors":
        from ...plugins import store

        entries += store.imported()
    if as_json:
        click.echo(json.dumps([_facts(entry) for entry in entries]))
    else:
        table([(entry.name, entry.summary, entry.plugin) for entry in entries])
    _warn(_troubled())


@click.command()
@click.argument("kind", type=Kind())
@click.argument("name")
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object.")
def info(kind: str, name: str, as_json: bool) -> None:
    """Tell all about one thing: its options, its limits, the paper it is from."""
    own = _imported(name) if kind == "priors" else None
    entry = own or catalog().entry(kind, name)
    facts = _facts(entry)
    if kind != "priors":  # to load one is to read its weights
        facts |= _described(catalog().load(kind, name), kind)
    elif own is not None:
        from ...networks.importing.trial import card_of

        facts["card"] = dict(card_of(own))
    else:
        from ...sampling.by_name import load_prior

        facts["card"] = dict(load_prior(name).card)
    if as_json:
        click.echo(json.dumps(facts, default=str))
        return
    text = facts.pop("text", "")
    for key, value in flat(facts):
        click.echo(f"{key + ':':14} {value}")
    if text:
        click.echo(f"\n{text}")


@click.command()
@click.option("as_json", "--json", is_flag=True, help="Print one JSON array.")
def plugins(as_json: bool) -> None:
    """List the installed plugins, and what is wrong with those that do not work."""
    found = catalog().plugins()
    if as_json:
        click.echo(json.dumps([plugin.row() for plugin in found]))
        return
    table([(p.name, f"{p.distribution} {p.version}", _state(p), _ms(p)) for p in found])


def _imported(name: str) -> Entry | None:
    """An imported prior, where no plugin has one of this name."""
    from ...plugins import store

    return None if name in catalog().registry("priors") else store.found(name)


def _facts(entry: Entry) -> dict[str, Any]:
    known = {"name": entry.name, "summary": entry.summary, "plugin": entry.plugin}
    return {**known, **entry.facts, "target": entry.target}


def _described(thing: Any, kind: str) -> dict[str, Any]:
    """Options with their types, defaults and help; the docstring."""
    from ...plugins.options import options_of, prose

    if kind == "recipes":
        parts = {"run": thing.solve, "simulate": thing.simulate or thing.observe}
        options = {
            f"options of {word}": _options(options_of(part)) for word, part in parts.items() if part
        }
        return {**options, "text": prose(thing.solve)}
    if kind == "operators":
        signature = str(inspect.signature(thing))
        return {"signature": f"{thing.__name__}{signature}", "text": inspect.getdoc(thing) or ""}
    return {"options": _options(options_of(thing)), "text": prose(thing)}


def _options(options: Mapping[str, Any]) -> dict[str, str]:
    said = {}
    for name, option in options.items():
        value = "required" if option.required else ""
        if option.default is not None:
            value = f"default {option.default}"
        said[name] = "; ".join(filter(None, [option.type.__name__, value, option.help]))
    return said


def flat(facts: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    rows = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            rows += [(f"{before}{key}", "none")] if not value else flat(value, f"{key} ")
        else:
            shown = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
            rows.append((f"{before}{key}", shown))
    return rows


def table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        click.echo("  ".join(f"{cell:{w}}" for cell, w in zip(row, widths)).rstrip())


def _troubled() -> list[Plugin]:
    return [plugin for plugin in catalog().found() if plugin.state in ("broken", "incompatible")]


def _warn(plugins: list[Plugin]) -> None:
    for plugin in plugins:
        click.echo(f"restore: the plugin '{plugin.name}' is {_state(plugin)}", err=True)


def _state(plugin: Plugin) -> str:
    return f"{plugin.state}: {plugin.error}" if plugin.error else plugin.state


def _ms(plugin: Plugin) -> str:
    return f"{1000 * plugin.seconds:.1f} ms"
