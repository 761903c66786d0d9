"""What a plugin registers is looked at as it registers it: name, target, summary and facts.

A slip is so found in the plugin's own line, and not by a user whose file it was to read.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,63}(\[[\w .+-]{1,60}\])?", re.ASCII)
TAKEN = {"sampler": ("auto",), "prior": ("auto",)}
LONGEST = 200  # letters of a summary
PLAIN = (str, int, float, bool, type(None))


def checked(kind: str, name: Any, target: Any, summary: Any, facts: Mapping[str, Any]) -> None:
    """TypeError for another type, ValueError for another value than the kind may have."""
    if not isinstance(name, str):
        raise TypeError(f"the name of a {kind} must be text, got {name!r:.80}")
    what = f"the {kind} '{name:.80}'"
    if not NAME.fullmatch(name):
        raise ValueError(
            f"{what} cannot be called so: letters, digits and . + - _ make a name, 64 at most"
        )
    if name.casefold() in TAKEN.get(kind, ()):
        raise ValueError(f"{what} cannot be called so: the command line has a use for that word")
    _check_target(what, target)
    if not isinstance(summary, str):
        raise TypeError(f"the summary of {what} must be text, got {summary!r:.80}")
    if len(summary) > LONGEST or not all(letter.isprintable() for letter in summary):
        raise ValueError(f"the summary of {what} must be one line of at most {LONGEST} letters")
    known = FACTS.get(kind)
    for fact, value in facts.items():
        check = _plain if known is None else known.get(fact)
        if check is None:
            raise ValueError(f"{what} has no fact '{fact}'; a {kind} may have {', '.join(known)}")
        check(f"{fact} of {what}", value)
    if kind in ("reader", "writer"):
        _check_files(what, facts)


def _check_target(what: str, target: Any) -> None:
    if not isinstance(target, str):
        raise TypeError(f"{what} must be text, 'package.module:attribute', got {target!r:.80}")
    module, _, attribute = target.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise ValueError(f"{what} must be 'package.module:attribute', got '{target:.80}'")


def _check_files(what: str, facts: Mapping[str, Any]) -> None:
    """What a reader or writer is found by."""
    extensions, folder = facts.get("extensions", ()), facts.get("folder", False)
    if not extensions and not folder:
        raise ValueError(f"{what} has no extensions, such as ('.png',), and nothing finds it")
    for extension in extensions:
        fits = re.fullmatch(r"(\.[^./\\\s]+)+", extension) and extension == extension.lower()
        if not fits and not (extension == "" and folder):  # of what lies in the folder
            raise ValueError(f"{what}: the extension '{extension}' must be like '.png'")
    if "mark" in facts and not extensions:
        raise ValueError(f"{what} has a mark, but no extension to call such a file by")


def _texts(what: str, value: Any) -> None:
    if not isinstance(value, (tuple, list)) or not all(isinstance(one, str) for one in value):
        raise TypeError(f"the {what} must be a tuple of texts, got {value!r:.80}")


def _truth(what: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"the {what} must be True or False, got {value!r:.80}")


def _text(what: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"the {what} must be text, got {value!r:.80}")


def _better(what: str, value: Any) -> None:
    if value not in ("higher", "lower"):
        raise ValueError(f"the {what} must be 'higher' or 'lower', got {value!r:.80}")


def _mark(what: str, value: Any) -> None:
    pair = isinstance(value, (tuple, list)) and len(value) == 2
    if not pair or type(value[0]) is not int or value[0] < 0 or not isinstance(value[1], str):
        raise TypeError(f"the {what} must be a place and letters, (128, 'DICM'), got {value!r:.80}")


def _plain(what: str, value: Any) -> None:
    """Facts that the engine shows and does not act on."""
    inside = value if isinstance(value, (tuple, list)) else (value,)
    if not all(isinstance(one, PLAIN) for one in inside):
        raise TypeError(f"the {what} must be text, numbers or a tuple of them, got {value!r:.80}")


_FILES = {"extensions": _texts, "folder": _truth}
FACTS: dict[str, dict[str, Callable[[str, Any], None]]] = {  # that the engine acts on, by kind
    "reader": {**_FILES, "mark": _mark, "ignores": _texts},
    "writer": {**_FILES, "std": _truth},
    "recipe": {"folders": _texts},
    "metric": {"better": _better, "asks": _texts, "package": _text},
}
