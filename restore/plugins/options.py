"""A function's keyword-only options: names, types, defaults and help, from its own signature."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .registry import unknown

PLAIN = (int, float, str, bool, Path)
NAMED = ("integrator",)  # options that are a sampler, given by its name
_YES, _NO = ("yes", "true", "on", "1"), ("no", "false", "off", "0")


@dataclass(frozen=True)
class Option:
    """One keyword of a function, as text can give it."""

    name: str
    type: type  # one of PLAIN
    default: Any = None
    required: bool = False
    choices: tuple[Any, ...] = ()
    help: str = ""
    kinds: tuple[type, ...] = ()  # that Python's value may be of; none: not looked at

    def check(self, value: Any, where: str) -> None:
        """TypeError or ValueError unless Python's value is one that this option may have.

        A number is what can become one, of whatever library; text, truths and None cannot.
        """
        if value is None and self.default is None:
            return
        if self.name in NAMED and not (isinstance(value, str) or callable(value)):
            raise TypeError(f"{where} must be a sampler's name or function, got {value!r:.80}")
        if self.kinds and not any(_is_of(value, kind) for kind in self.kinds):
            got = type(value).__name__ + ("" if value is None else f" {value!r}")
            raise TypeError(f"{where} must be {_WORDS[self.type]}, got {got[:80]}")
        if self.choices and value not in self.choices:
            listed = ", ".join(str(choice) for choice in self.choices)
            raise ValueError(f"{where} must be one of {listed}, got {value!r}")

    def parse(self, text: str) -> Any:
        """The value that a text stands for; UsageError where it stands for none."""
        try:
            value = _truth(text) if self.type is bool else self.type(text)
        except ValueError:
            raise UsageError(f"{self.name} must be {_WORDS[self.type]}, got '{text}'") from None
        if self.choices and value not in self.choices:
            listed = ", ".join(str(choice) for choice in self.choices)
            raise UsageError(f"{self.name} must be one of {listed}, got '{text}'")
        return value


_WORDS = {int: "a whole number", float: "a number", bool: "yes or no", str: "text", Path: "a path"}


def options_of(function: Callable[..., Any]) -> dict[str, Option]:
    """The keyword-only parameters that text can give: of a plain type, X | None, or a Literal."""
    keywords = [
        parameter
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    helps = _helps(inspect.getdoc(function) or "", [keyword.name for keyword in keywords])
    options = {}
    for keyword in keywords:
        kind, choices = _kind(keyword)
        if kind is not None:
            required = keyword.default is keyword.empty
            default = None if required else keyword.default
            default = getattr(default, "__name__", default)  # ancestral: by its name
            options[keyword.name] = Option(
                keyword.name, kind, default, required, choices, helps.get(keyword.name, ""),
                _kinds(keyword),
            )  # fmt: skip
    return options


def parsed(function: Callable[..., Any], texts: Mapping[str, str], owner: str) -> dict[str, Any]:
    """Values for the function's options; UsageError for an unknown name or an unfit text."""
    options = options_of(function)
    for name in texts:
        if name not in options:
            raise UsageError(unknown(f"option of {owner}", name, options))
    return {name: options[name].parse(text) for name, text in texts.items()}


def prose(function: Callable[..., Any]) -> str:
    """The docstring without what it says of the options one by one."""
    doc = inspect.getdoc(function) or ""
    names = list(inspect.signature(function).parameters)
    for start, stop, _ in reversed(list(_passages(doc, names))):
        doc = doc[:start] + doc[stop:]
    return re.sub(r"\n{3,}", "\n\n", doc).strip()


def _helps(doc: str, names: Iterable[str]) -> dict[str, str]:
    """The help of each option, from the lines "name: text" or "one, other: text" of a docstring."""
    helps = {}
    for start, stop, named in _passages(doc, names):
        text = doc[start:stop].partition(":")[2]
        for name in named:
            helps[name] = " ".join(text.split()).rstrip(".;")
    return helps


def _passages(doc: str, names: Iterable[str]) -> Iterable[tuple[int, int, list[str]]]:
    """(start, stop, names) of each passage on options: up to the next one, or an empty line."""
    one = "|".join(sorted(map(re.escape, names), key=len, reverse=True))
    if not one:
        return
    begin = re.compile(rf"(?:^|(?<=[.;]\s))((?:{one})(?:, (?:{one}))*): ", re.M)
    found = list(begin.finditer(doc))
    for index, match in enumerate(found):
        after = found[index + 1].start() if index + 1 < len(found) else len(doc)
        blank = doc.find("\n\n", match.end(), after)
        yield match.start(), after if blank < 0 else blank, match[1].split(", ")


def _kind(keyword: inspect.Parameter) -> tuple[type | None, tuple[Any, ...]]:
    """(plain type, choices) of an annotation; None for what text cannot give."""
    kind = keyword.annotation
    if keyword.name in NAMED:
        return str, ()
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        inner = [part for part in typing.get_args(kind) if part is not type(None)]
        kind = _widest(inner)
    if typing.get_origin(kind) is typing.Literal:
        choices = typing.get_args(kind)
        return type(choices[0]), choices
    return (kind if kind in PLAIN else None), ()


def _widest(kinds: list[Any]) -> Any:
    """int | float is a float, anything | str text; other unions are left to the one that counts."""
    for kind in (str, Path, float, int):
        if kind in kinds:
            return kind
    return kinds[0] if kinds else None


def _kinds(keyword: inspect.Parameter) -> tuple[type, ...]:
    """The plain types of an annotation, NoneType among them; none where one of them is not plain.

    A Literal's choices are looked at for themselves.
    """
    kind = keyword.annotation
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    kinds = typing.get_args(kind) if union else (kind,)
    plain = all(one in (*PLAIN, type(None)) for one in kinds)
    return kinds if plain and keyword.name not in NAMED else ()


def _is_of(value: Any, kind: type) -> bool:
    if kind not in (int, float):
        return isinstance(value, (str, Path) if kind is Path else kind)
    if value is None or isinstance(value, (bool, str, bytes, complex)):
        return False
    return hasattr(value, "__index__" if kind is int else "__float__")


def _truth(text: str) -> bool:
    if text.lower() in (*_YES, *_NO):
        return text.lower() in _YES
    raise ValueError(text)
