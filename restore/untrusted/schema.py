"""What a description must hold, as data: each check gives the value back or says what is wrong.

A check is called with a value and the words for where it stands; it raises ValueError.
"""

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Check = Callable[[Any, str], Any]


def number(low: float = -math.inf, high: float = math.inf, *, above: float | None = None) -> Check:
    """A finite number in [low, high], or in (above, high]."""

    def check(value: Any, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{where} must be a number, got {shown(value)}")
        if not math.isfinite(value):
            raise ValueError(f"{where} must be finite, got {value}")
        if above is not None and not value > above:
            raise ValueError(f"{where} must be above {above:g}, got {shown(value)}")
        if not low <= value <= high:
            raise ValueError(f"{where} must lie in {low:g} to {high:g}, got {shown(value)}")
        return float(value)

    return check


def integer(low: int, high: int) -> Check:
    """A whole number in [low, high]."""

    def check(value: Any, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{where} must be a whole number, got {shown(value)}")
        if not low <= value <= high:
            raise ValueError(f"{where} must lie in {low} to {high}, got {shown(value)}")
        return value

    return check


def text(
    pattern: str = r"[^\x00-\x08\x0b-\x1f\x7f]*", *, most: int = 4000, what: str = ""
) -> Check:
    """Printable words of at most `most` letters that fit the pattern; what: its name in words."""
    compiled = re.compile(pattern)

    def check(value: Any, where: str) -> str:
        if not isinstance(value, str) or len(value) > most or not compiled.fullmatch(value):
            raise ValueError(f"{where} must be {what or 'a text'}, got {shown(value)}")
        return value

    return check


def one_of(*choices: Any) -> Check:
    """One of these words or numbers."""

    def check(value: Any, where: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, (str, int)) or value not in choices:
            if isinstance(value, str) and all(isinstance(choice, str) for choice in choices):
                raise ValueError(_unknown(f"{where} knows no", value, choices))
            listed = ", ".join(map(str, choices))
            raise ValueError(f"{where} must be one of {listed}, got {shown(value)}")
        return value

    return check


def truth() -> Check:
    """true or false."""

    def check(value: Any, where: str) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{where} must be true or false, got {shown(value)}")
        return value

    return check


def several(item: Check, least: int = 0, most: int = 64) -> Check:
    """A list of so many, each of which fits `item`."""

    def check(value: Any, where: str) -> list[Any]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            count = f"{least}" if least == most else f"{least} to {most}"
            raise ValueError(f"{where} must be a list of {count}, got {shown(value)}")
        return [item(one, f"{where}[{index}]") for index, one in enumerate(value)]

    return check


def fields(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with all of the required names, some of the optional, and no others."""
    optional = optional or {}
    known = {**required, **optional}

    def check(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError(f"{where or 'it'} must be an object, got {shown(value)}")
        for name in value:
            if name not in known:
                raise ValueError(_unknown(f"{where or 'it'} has no field", name, known))
        for name in required:
            if name not in value:
                raise ValueError(f"{within(where, name)} is missing")
        return {name: known[name](one, within(where, name)) for name, one in value.items()}

    return check


def table(key: Check, item: Check, least: int = 0, most: int = 1000) -> Check:
    """An object of so many entries; key gets each name, item each value."""

    def check(value: Any, where: str) -> dict[Any, Any]:
        if not isinstance(value, dict) or not least <= len(value) <= most:
            raise ValueError(f"{where} must be an object of {least} to {most}, got {shown(value)}")
        found = {}
        for name, one in value.items():
            said = f"{where}['{str(name)[:40]}']"
            found[key(name, said)] = item(one, said)
        return found

    return check


def optional(check: Check) -> Check:
    """The value, or null."""
    return lambda value, where: None if value is None else check(value, where)


def plain(depth: int = 6, entries: int = 2000, letters: int = 20_000) -> Check:
    """Any JSON of this depth, with so many entries and letters: what is shown but not used."""

    def check(value: Any, where: str) -> Any:
        left = [entries]

        def look(value: Any, where: str, depth: int) -> None:
            left[0] -= 1
            if left[0] < 0 or depth < 0:
                raise ValueError(f"{where} holds more than is read")
            if isinstance(value, str) and len(value) > letters:
                raise ValueError(f"{where} has {len(value)} letters, at most {letters} are read")
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{where} must be finite, got {value}")
            inside = value.items() if isinstance(value, dict) else enumerate(value) if (
                isinstance(value, list)) else ()  # fmt: skip
            for name, one in inside:
                look(one, within(where, str(name)[:40]), depth - 1)

        look(value, where, depth)
        return value

    return check


def _unknown(words: str, name: Any, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(str(name)[:60], list(known), 1, cutoff=0.5)
    after = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(sorted(known))}"
    return f"{words} {shown(str(name))}; {after}"


def whole_numbers(check: Check, most: int) -> Check:
    """What `check` gives, with no number in it beyond `most`: sizes and counts of a network."""

    def look(value: Any, where: str) -> None:
        if isinstance(value, (int, float)) and not abs(value) <= most:
            raise ValueError(f"{where} must be at most {most}, got {shown(value)}")
        inside = value.items() if isinstance(value, dict) else ()
        for name, one in enumerate(value) if isinstance(value, list) else inside:
            look(one, within(where, str(name)[:40]))

    def checked(value: Any, where: str) -> Any:
        look(check(value, where), where)
        return value

    return checked


def within(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def shown(value: Any) -> str:
    """A value in at most 40 letters."""
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    words = "null" if value is None else f"'{value}'" if isinstance(value, str) else repr(value)
    words = "".join(letter if letter.isprintable() else "?" for letter in words[:60])
    return words if len(words) <= 40 else words[:37] + "..."
