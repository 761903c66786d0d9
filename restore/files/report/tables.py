"""Tables and players of the page: figures of merit, facts, sounds."""

import base64
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from ..task import Sound

# facts that have their place elsewhere on the page
ELSEWHERE = ("command", "doubts", "metrics", "trace", "reliability")


def merit(name: str) -> str:
    """A figure of merit as it is headed."""
    return name.upper() if name.isalpha() else name  # psnr[fastmri-volume] says its convention


def metrics_table(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """A row for each figure of merit, a column for each of what it is of."""
    if not metrics:
        return ""
    names = list(dict.fromkeys(name for of in metrics.values() for name in of))
    head = "".join(f"<th>{escape(str(of))}</th>" for of in metrics)
    body = "".join(
        f"<tr><th>{escape(merit(name))}</th>"
        + "".join(f"<td>{escape(number(of.get(name)))}</td>" for of in metrics.values())
        + "</tr>"
        for name in names
    )
    return (
        '<h2>Against the reference</h2>\n<div class="sheet"><table>'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>\n"
    )


def fact_rows(facts: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """A table row for each fact; what holds facts of its own is laid out under its name."""
    for key, value in facts.items():
        if key in ELSEWHERE:
            continue
        name = before + str(key).replace("_", " ")
        if isinstance(value, Mapping):
            yield from fact_rows(value, name + ": ")
        elif value is not None:
            yield f"<tr><th>{escape(name)}</th><td>{escape(words(value))}</td></tr>\n"


def words(value: Any) -> str:
    """A fact in words, long lists shortened."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        shown = ", ".join(map(words, value[:12]))
        return shown + (f", … ({len(value)} in all)" if len(value) > 12 else "")
    return number(value)


def number(value: Any) -> str:
    """A number to four digits; nothing for None."""
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)


def players(sounds: Mapping[str, Sound]) -> str:
    """A player for each sound; none without sounds."""
    if not sounds:
        return ""
    rows = "".join(
        f"<figure><figcaption><b>{escape(name)}</b><small>{escape(sound.words)}"
        f'</small></figcaption><audio controls preload="none" src="data:{sound.type};base64,'
        f'{base64.b64encode(sound.data).decode()}"></audio></figure>\n'
        for name, sound in sounds.items()
    )
    return f'<h2>To listen to</h2>\n<section class="figures pairs">\n{rows}</section>\n'
