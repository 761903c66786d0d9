"""Does this version satisfy what a plugin's metadata asks for? `packaging` is the judge."""

import re
from collections.abc import Iterable

_NAME = re.compile(r"\s*([A-Za-z0-9._-]+)")
_BOUNDS = re.compile(r"\s*[A-Za-z0-9._-]+?\s*((?:(?:>=|<)\s*\d[\d.]*[\s,]*)*)")


def unmet(requires: Iterable[str], distribution: str, version: str) -> str:
    """The first requirement on `distribution` that `version` does not meet; "" where all are met.

    requires: lines of Requires-Dist. Those of an extra do not count, nor do other distributions.
    Raises ValueError for a line on this distribution that cannot be read.
    """
    for line in requires:
        name = _NAME.match(line)
        if (
            name is None
            or normal_name(name[1]) != normal_name(distribution)
            or _within(line, version)
        ):
            continue
        from packaging.requirements import InvalidRequirement, Requirement

        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            raise ValueError(f"the requirement '{line}' cannot be read") from None
        asked = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if asked and not requirement.specifier.contains(version, prereleases=True):
            return line.partition(";")[0].strip()
    return ""


def _within(line: str, version: str) -> bool:
    """Whether "name>=0.1,<0.2", bounds in numbers alone, surely holds.

    Nearly all plugins say that, and to import packaging takes a tenth of what `restore list` may.
    """
    bounds = _BOUNDS.fullmatch(line)
    if bounds is None or not re.fullmatch(r"\d[\d.]*", version):
        return False
    return all(
        (_numbers(version) < _numbers(bound)) == (relation == "<")
        for relation, bound in re.findall(r"(>=|<)\s*([\d.]+)", bounds[1])
    )


def _numbers(version: str) -> list[int]:
    """[0, 1] for 0.1 and for 0.1.0."""
    return [int(part) for part in re.sub(r"(\.0*)*$", "", version).split(".")]


def normal_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
