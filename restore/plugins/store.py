"""Where imported priors lie, and what each is; nothing of it needs torch."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError, WeightsError
from ..untrusted.strict_json import read_json
from .discovery import catalog
from .registry import Entry, unknown

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}[A-Za-z0-9]|[A-Za-z0-9]")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows
DESCRIPTION, OWNER = "prior.json", "imported"
AGAIN = "restore priors import {source} --name {name} --overwrite"


def home(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> Path:
    """The folder of imported priors: in RESTORE_HOME, else in the platform's place for data."""
    if given := environment.get("RESTORE_HOME"):
        return Path(given).expanduser() / "priors"
    if platform == "win32":
        place = environment.get("LOCALAPPDATA") or "~/AppData/Local"
    elif platform == "darwin":
        place = "~/Library/Application Support"
    else:
        place = environment.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(place).expanduser() / "restore" / "priors"


def checked_name(name: str) -> str:
    """The name, or UsageError where it would leave the folder, or be no file name somewhere."""
    if not NAME.fullmatch(name) or RESERVED.fullmatch(name) or name.endswith(".partial"):
        raise UsageError(
            f"'{name[:80]}' cannot name a prior: letters, digits, '-', '_' and '.' can,"
            " 64 at most, the first and last a letter or digit"
        )
    return name


def free_name(name: str, *, overwrite: bool = False) -> Path:
    """The folder for a new prior of this name. UsageError where the name is another's."""
    checked_name(name)
    for entry in catalog().registry("priors"):
        if entry.name.casefold() == name.casefold():
            raise UsageError(f"the plugin '{entry.plugin}' has a prior '{entry.name}' already")
    for one in imported():
        if one.name.casefold() == name.casefold() and (one.name != name or not overwrite):
            raise UsageError(f"'{one.name}' is imported already; choose another, or --overwrite")
    return home() / name


def imported() -> list[Entry]:
    """Every imported prior by its name, with what is wrong with a damaged one as its summary."""
    try:
        inside = sorted(one for one in home().iterdir() if NAME.fullmatch(one.name))
    except OSError:  # nothing was imported yet
        return []
    return [_entry(one) for one in inside if one.is_dir()]


def found(name: str) -> Entry | None:
    """The imported prior of this name."""
    return next((entry for entry in imported() if entry.name == name), None)


def folder_of(name: str) -> Path:
    """The folder of an imported prior. WeightsError with the command that imports one."""
    entry = found(checked_name(name))
    if entry is None:
        known = [one.name for one in imported()]
        hint = unknown("imported prior", name, known)
        raise WeightsError(f"{hint}; to import: restore priors import FILE --name {name}")
    return Path(entry.target)


def remove(name: str) -> Path:
    """Take an imported prior away; a link is taken away, not what it leads to."""
    place = folder_of(name)
    if place.is_symlink():
        place.unlink()
    else:
        shutil.rmtree(place)
    return place


def again(name: str) -> str:
    """The command that imports a damaged prior anew."""
    entry = found(name)
    source = "FILE" if entry is None else str(entry.facts.get("source") or "FILE")
    return AGAIN.format(source=source, name=name)


def _entry(folder: Path) -> Entry:
    try:
        described = read_json(folder / DESCRIPTION, "a prior's description")
    except WeightsError as error:
        return Entry("prior", folder.name, str(folder), f"damaged: {error}", OWNER)
    card, source = (_object(described, key) for key in ("card", "source"))
    title = card.get("title") or card.get("network") or card.get("name") or "a prior"
    licence = str(card.get("licence") or "unknown").partition(":")[0]
    summary = f"{_line(title)}; licence {_line(licence)}"
    facts = {"source": _line(source.get("file") or ""), "licence": _line(licence)}
    return Entry("prior", folder.name, str(folder), summary, OWNER, facts)


def _object(described: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = described.get(key)
    return value if isinstance(value, dict) else {}


def _line(value: Any) -> str:
    """At most 100 printable letters."""
    return "".join(letter if letter.isprintable() else " " for letter in str(value))[:100]
