"""The metrics of a domain, ready for one reference."""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec

from torch import Tensor

from ...errors import RestoreWarning
from ...plugins.discovery import catalog
from ...plugins.registry import Entry
from ..task import Record

Metric = Callable[[Tensor, Tensor], float | None]


def metrics_of(plugin: str, reference: Record, **known: Tensor) -> Mapping[str, Metric]:
    """Name -> (estimate, reference) -> figure, of a plugin and of restore itself.

    What a metric asks for beside the two signals is taken from `known`, else from the reference's
    meta; one that asks for what is in neither is left out, as is one whose package is not
    installed, with a warning.
    """
    given = {**reference.meta, **known}
    found = {}
    for entry in catalog().registry("metrics"):
        asked = entry.facts.get("asks", ())
        if entry.plugin not in (plugin, "restore") or not all(name in given for name in asked):
            continue
        if _installed(entry):
            metric = catalog().load("metrics", entry.name)
            found[entry.name] = partial(metric, **{name: given[name] for name in asked})
    return found


def _installed(entry: Entry) -> bool:
    package = entry.facts.get("package")
    if package is None or find_spec(package) is not None:
        return True
    words = f"without {entry.name}: the package {package} is not installed"
    warnings.warn(words, RestoreWarning, stacklevel=3)
    return False
