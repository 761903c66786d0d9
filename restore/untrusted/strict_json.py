"""JSON without surprises: bounded in size and depth, no name twice, no NaN, UTF-8 only."""

import json
import math
from pathlib import Path
from typing import Any

from ..errors import WeightsError
from .plain_files import content

LONGEST, DEEPEST = 4 << 20, 32
DIGITS = 40  # of one number: more are no measured value


def read_json(path: Path, what: str = "a description", most: int = LONGEST) -> dict[str, Any]:
    """The object that a file holds. WeightsError in one line for anything else."""
    try:
        return parsed(content(path, most))
    except ValueError as error:
        raise WeightsError(f"{path} is not {what}: {error}") from None


def parsed(text: bytes, deepest: int = DEEPEST) -> dict[str, Any]:
    """The object in this text. ValueError says what is wrong with it."""
    if text.startswith(b"\xef\xbb\xbf"):
        text = text[3:]  # some editors set this mark, and it changes nothing
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}") from None
    _look_at_depth(decoded, deepest)
    try:
        value = json.loads(
            decoded,
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_int=_integer,
            parse_float=_real,
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg.lower()} in line {error.lineno}") from None
    if not isinstance(value, dict):
        raise ValueError(f"it holds {_kind(value)} where an object belongs")
    return value


def _look_at_depth(text: str, deepest: int) -> None:
    """Brackets that are open at once, those within strings left out; before any recursion."""
    depth, inside, escaped = 0, False, False
    for letter in text:
        if inside:
            inside = escaped or letter != '"'
            escaped = letter == "\\" and not escaped
        elif letter == '"':
            inside = True
        elif letter in "[{":
            depth += 1
            if depth > deepest:
                raise ValueError(f"it is nested more than {deepest} deep")
        elif letter in "]}":
            depth -= 1


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"'{name[:60]}' stands in it twice")
        found[name] = value
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number that can be used")


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"a number of {len(digits)} digits is in it")
    return int(digits)


def _real(digits: str) -> float:
    value = float(digits)
    if len(digits) > DIGITS or not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} in it is out of range")
    return value


def _kind(value: Any) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
