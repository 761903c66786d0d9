"""Catalog: finds plugins by their entry points, and gathers each kind of thing when first asked.

One broken plugin must not take the others down: it is taken back whole, and listed with the reason.
"""

import importlib.metadata
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pluggy

from ..errors import Terminated, UnavailableError
from . import hookspecs
from .entry_points import entry_points_of, name_of
from .registry import Entry, Registry, unknown
from .requirement import normal_name, unmet
from .running import Interrupted, apart, said

GROUP, ENGINE, OWN = "restore", "restore-toolbox", "restore"
HOUSE = (  # whose names nobody takes: they register before all others
    ENGINE, "restore-operators", "restore-image", "restore-dicom", "restore-mri", "restore-ct",
    "restore-speech", "restore-ultrasound",
)  # fmt: skip
HOOKS = tuple(f"register_{kind}" for kind in hookspecs.KINDS)


@dataclass
class Plugin:
    """One entry point of the group, and how it fared."""

    name: str
    distribution: str
    version: str
    state: str = "ok"  # or "broken", "incompatible", "blocked"
    seconds: float = 0.0  # spent in its module and its hooks
    error: str = ""  # why it is not ok
    hooks: pluggy.PluginManager | None = field(default=None, repr=False)

    def row(self) -> dict[str, Any]:
        shown = ("name", "distribution", "version", "state", "error")
        return {**{key: getattr(self, key) for key in shown}, "seconds": round(self.seconds, 4)}


class Catalog:
    """All that the installed plugins register.

    environment: RESTORE_PLUGINS names the only plugins to use (restore's own is always among
    them), RESTORE_DISABLE_PLUGINS those not to use, both separated by commas;
    RESTORE_STRICT_PLUGINS=1 raises a plugin's error where it happens.
    """

    def __init__(
        self,
        entry_points: Iterable[importlib.metadata.EntryPoint] | None = None,
        environment: Mapping[str, str] | None = None,
    ):
        self._entry_points = entry_points
        self._environment = os.environ if environment is None else environment
        self._plugins: list[Plugin] | None = None
        self._registries: dict[str, Registry] = {}

    def registry(self, kind: str) -> Registry:
        """All of one kind ("samplers"), asked of the plugins at the first call only."""
        kind = _plural(kind)
        if kind not in self._registries:
            registry = self._registries[kind] = Registry(kind.removesuffix("s"))
            for plugin in self.found():
                if plugin.hooks is not None:
                    self._gather(plugin, kind, registry)
        return self._registries[kind]

    def entry(self, kind: str, name: str) -> Entry:
        """KeyError for an unknown name; UnavailableError where a missing plugin may be why."""
        try:
            return self.registry(kind)[name]
        except KeyError as error:
            absent = [plugin for plugin in self.found() if plugin.state != "ok"]
            if not absent or "did you mean" in error.args[0]:
                raise
            why = ", ".join(f"plugin '{plugin.name}' is {_reason(plugin)}" for plugin in absent)
            raise UnavailableError(f"{error.args[0]}; {why}") from None

    def load(self, kind: str, name: str) -> Any:
        """The object itself. UnavailableError where its module cannot be imported."""
        entry = self.entry(kind, name)
        try:
            with apart():
                return entry.load()
        except (Interrupted, Terminated):
            raise
        except BaseException as error:
            if self._strict:
                raise
            what = f"the {entry.kind} '{name}' of plugin '{entry.plugin}' cannot be loaded"
            raise UnavailableError(f"{what}: {said(error)}") from error

    def plugins(self) -> list[Plugin]:
        """Every plugin with its state, after all that it registers was gathered."""
        for kind in hookspecs.KINDS:
            self.registry(kind)
        return list(self.found())

    @property
    def _strict(self) -> bool:
        return self._environment.get("RESTORE_STRICT_PLUGINS", "") not in ("", "0")

    def found(self) -> list[Plugin]:
        """Every plugin as far as it was needed so far."""
        if self._plugins is None:
            self._plugins = []
            points, unreadable = self._entry_points, {}
            if points is None:
                points, unreadable = entry_points_of(GROUP)
            for point in sorted(points, key=_rank):
                self._plugins.append(self._admitted(point))
            for name, why in unreadable.items():
                self._plugins.append(Plugin(name, name, "", "broken", error=why))
        return self._plugins

    def _admitted(self, point: importlib.metadata.EntryPoint) -> Plugin:
        plugin = Plugin(point.name, name_of(point.dist), "")
        plugin.error = self._blocked(point.name)
        if plugin.error:
            plugin.state = "blocked"
            return plugin
        with self._guard(plugin):
            facts = point.dist.metadata if point.dist else {}  # asked once: it is parsed each time
            plugin.version = str(facts["Version"] or "") if facts else ""
            plugin.error = _incompatible(facts.get_all("Requires-Dist", ()) if facts else ())
            if plugin.error:
                plugin.state = "incompatible"
            else:
                self._refuse_second(plugin)
                plugin.hooks = _hooks(_loaded(point), point.name)
        return plugin

    def _blocked(self, name: str) -> str:
        allowed = self._environment.get("RESTORE_PLUGINS")
        if allowed is not None and name != OWN and name not in _names(allowed):
            return "RESTORE_PLUGINS does not name it"
        if name in _names(self._environment.get("RESTORE_DISABLE_PLUGINS", "")):
            return "RESTORE_DISABLE_PLUGINS names it"
        return ""

    def _refuse_second(self, plugin: Plugin) -> None:
        for other in self._plugins or ():
            if other.name == plugin.name:
                raise ValueError(f"{other.distribution} has a plugin of this name already")

    def _gather(self, plugin: Plugin, kind: str, registry: Registry) -> None:
        asked = True

        def register(name: str, target: str, *, summary: str, **facts: Any) -> None:
            if not asked:
                raise RuntimeError(f"register of {kind} is called when its hook is done")
            registry.add(plugin.name, name, target, summary=summary, **facts)

        with self._guard(plugin):
            getattr(plugin.hooks.hook, f"register_{kind}")(register=register)
        asked = False

    @contextmanager
    def _guard(self, plugin: Plugin) -> Iterator[None]:
        """Time what the plugin does; where it fails, take back all that it registered."""
        started = time.perf_counter()
        try:
            with apart():
                yield
        except (Interrupted, Terminated):
            raise
        except BaseException as error:  # a plugin's sys.exit() must not end us either
            plugin.state, plugin.error, plugin.hooks = "broken", said(error), None
            for registry in self._registries.values():
                registry.drop(plugin.name)
            if self._strict:
                raise
        finally:
            plugin.seconds += time.perf_counter() - started


@cache
def catalog() -> Catalog:
    """The one of this process, filled when first asked."""
    return Catalog()


def _rank(point: importlib.metadata.EntryPoint) -> tuple[bool, bool, str]:
    """restore's own first, then the house's, then all others; by name."""
    of = normal_name(name_of(point.dist))
    return of != ENGINE, of not in HOUSE, point.name


def _loaded(point: importlib.metadata.EntryPoint) -> Any:
    if point.pattern.match(point.value) is None:
        raise ValueError(f"its entry point '{point.value:.80}' is no 'package.module'")
    return point.load()


def _hooks(module: Any, name: str) -> pluggy.PluginManager:
    """The hooks of one plugin; ValueError for one that is misspelt or lacks its marker."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name)
    callers = manager.get_hookcallers(module) or []
    for caller in callers:
        if not caller.has_spec():
            raise ValueError(unknown("hook", caller.name, HOOKS))
    manager.check_pending()
    answered = {caller.name for caller in callers}
    for hook in HOOKS:
        if hasattr(module, hook) and hook not in answered:
            raise ValueError(f"{hook} lacks its marker, @hook of restore.plugins.hookspecs")
    if not answered:
        raise ValueError("it answers no hook of restore's")
    return manager


def _incompatible(requires: Iterable[str]) -> str:
    """Why not, by the metadata alone: a plugin made for another restore is not imported."""
    version = _engine_version()
    wanted = unmet(requires, ENGINE, version)
    return f"it needs {wanted}, this is {version}" if wanted else ""


@cache
def _engine_version() -> str:
    return importlib.metadata.version(ENGINE)


def _reason(plugin: Plugin) -> str:
    return f"{plugin.state}: {plugin.error}"


def _plural(kind: str) -> str:
    plural = kind if kind.endswith("s") else f"{kind}s"
    if plural not in hookspecs.KINDS:
        raise KeyError(unknown("kind of thing", kind, hookspecs.KINDS))
    return plural


def _names(listed: str) -> set[str]:
    return {name.strip() for name in listed.split(",") if name.strip()}
