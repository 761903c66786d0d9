"""Does this version satisfy what a plugin's metadata asks for? PEP 508 and 440, in brief.

Written out because `packaging` would cost a third of the time that `restore --help` may take.
"""

import re
from collections.abc import Iterable

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*(.*)", re.S)
_CLAUSE = re.compile(r"\s*(===|~=|==|!=|<=|>=|<|>)\s*([A-Za-z0-9.*+!_-]+)\s*")


def unmet(requires: Iterable[str], distribution: str, version: str) -> str:
    """The first requirement on `distribution` that `version` does not meet; "" where all are met.

    requires: lines of Requires-Dist. Those of an extra do not count, nor do other distributions.
    Raises ValueError for a line on this distribution that cannot be read.
    """
    for line in requires:
        wanted, _, marker = line.partition(";")
        name, rest = _NAME.fullmatch(wanted).groups() if _NAME.fullmatch(wanted) else ("", "")
        if _normal(name) != _normal(distribution) or re.search(r"\bextra\b", marker):
            continue
        if not all(_holds(version, *clause) for clause in _clauses(rest, line)):
            return wanted.strip()
    return ""


def _clauses(text: str, line: str) -> list[tuple[str, str]]:
    """(">=0.1, <2") -> [(">=", "0.1"), ("<", "2")]."""
    text = text.strip().removeprefix("(").removesuffix(")").strip()
    found = [_CLAUSE.fullmatch(part) for part in text.split(",")] if text else []
    if not all(found):
        raise ValueError(f"the requirement '{line}' cannot be read")
    return [match.groups() for match in found]


def _holds(version: str, relation: str, bound: str) -> bool:
    if relation == "===":
        return version == bound
    if bound.endswith(".*"):
        same = _starts(version, _release(bound[:-2]))
        return same if relation == "==" else not same
    mine, other = _key(version), _key(bound)
    if relation == "~=":
        return mine >= other and _starts(version, _release(bound)[:-1])
    return {
        "==": mine == other,
        "!=": mine != other,
        "<=": mine <= other,
        ">=": mine >= other,
        "<": mine < other,
        ">": mine > other,
    }[relation]


def _starts(version: str, release: tuple[int, ...]) -> bool:
    mine = _release(version)
    return (mine + (0,) * len(release))[: len(release)] == release


def _key(version: str) -> tuple[tuple[int, ...], int]:
    """Release numbers without trailing zeros, and -1 for what comes before the release itself."""
    release = list(_release(version))
    while release and release[-1] == 0:
        release.pop()
    return tuple(release), -1 if re.search(r"\d[._-]?(a|b|c|rc|alpha|beta|pre|dev)", version) else 0


def _release(version: str) -> tuple[int, ...]:
    numbers = re.match(r"v?(?:\d+!)?(\d+(?:\.\d+)*)", version)
    if numbers is None:
        raise ValueError(f"'{version}' is not a version")
    return tuple(int(number) for number in numbers[1].split("."))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
