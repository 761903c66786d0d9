"""restore doctor: is everything there that a run needs?"""

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click

from ..wording import FAILURE, line


class Finding(NamedTuple):
    """One thing that was looked at; note: what is wrong with it, if anything is."""

    name: str
    value: str
    note: str = ""


@click.command()
@click.option("as_json", "--json", is_flag=True, help="Print one JSON object.")
def doctor(as_json: bool) -> int:
    """Look at Python, torch, devices, plugins and priors, and say what is wrong with them."""
    findings = [*_machine(), *_torch(), *_plugins(), *_priors()]
    bad = [finding for finding in findings if finding.note]
    if as_json:
        click.echo(json.dumps({"ok": not bad, "findings": [f._asdict() for f in findings]}))
    else:
        for finding in findings:
            mark = "!!" if finding.note else "ok"
            click.echo(f"{mark}  {finding.name}: {finding.value}{_after(finding.note)}")
        click.echo(f"{len(bad)} of {len(findings)} need attention" if bad else "all is well")
    return FAILURE if bad else 0


def _machine() -> Iterator[Finding]:
    yield Finding("python", f"{platform.python_version()} at {sys.executable}")
    yield Finding("system", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores")
    free = shutil.disk_usage(Path.cwd()).free
    note = "less than 1 GB" if free < 1e9 else ""
    yield Finding("free disk space here", f"{free / 1e9:.1f} GB", note)
    for name, value in sorted(os.environ.items()):
        if name.startswith(("RESTORE_", "OMP_")):
            yield Finding("environment", f"{name}={value}")


def _torch() -> Iterator[Finding]:
    import torch

    from ...sampling.devices import free_memory

    cpu = torch.device("cpu")
    yield Finding("torch", f"{torch.__version__}, {torch.get_num_threads()} threads")
    yield Finding("free memory", f"{free_memory(cpu) / 1e9:.1f} GB")
    if not torch.cuda.is_available():
        yield Finding("cuda", "none; runs use the processor")
    for index in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(index)
        yield Finding(f"cuda:{index}", f"{facts.name}, {facts.total_memory / 1e9:.0f} GB")


def _plugins() -> Iterator[Finding]:
    from ...plugins.discovery import catalog

    for plugin in catalog().plugins():
        blocked = plugin.state == "blocked"  # by the user's own wish
        note = "" if plugin.state == "ok" or blocked else f"{plugin.state}: {plugin.error}"
        value = f"{plugin.distribution} {plugin.version}" + ", blocked" * blocked
        yield Finding(f"plugin {plugin.name}", value, note)


def _priors() -> Iterator[Finding]:
    """Each registered prior is loaded: its weights are there, and their checksum is right."""
    from ...networks.importing.trial import card_of
    from ...plugins import store
    from ...plugins.discovery import catalog
    from ...sampling.by_name import load_prior

    for entry in (*catalog().registry("priors"), *store.imported()):
        try:
            own = entry.plugin == store.OWNER
            card: Any = card_of(entry) if own else load_prior(entry.name).card
        except Exception as error:
            yield Finding(f"prior {entry.name}", entry.summary, line(error))
        else:
            digest = str(card.get("sha256", ""))[:12]
            yield Finding(f"prior {entry.name}", entry.summary + (f", {digest}" if digest else ""))


def _after(note: str) -> str:
    return f"  <- {note}" if note else ""
