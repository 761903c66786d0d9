"""The report of a run: one HTML page that holds all it shows and asks for nothing outside it."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote

import numpy as np
from torch import Tensor

from ...atomic import write_text
from ..task import Sound
from . import display, png, svg
from .tables import fact_rows, merit, metrics_table, number, players, words

LONGEST = 1200  # pixels of a picture's longer side on the page
THUMBNAIL = 360  # and on a contact sheet
PIXELATED = 512  # below this a picture is enlarged as squares, so that nothing is invented
# nothing may be fetched, by any browser, whatever stands in a file's name
POLICY = (
    "default-src 'none'; img-src data:; media-src data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'"
)

NAMES = {
    "input": "input", "restored": "restored", "std": "standard deviation", "residual": "residual",
    "sample": "one sample", "reference": "reference", "baseline": "baseline",
}  # fmt: skip
MEANINGS = {
    "input": "what was measured",
    "restored": "the posterior mean",
    "std": "of the posterior samples: where the restoration is unsure",
    "residual": "measurement less what the restoration predicts; without structure is right",
    "sample": "one draw from the posterior",
    "reference": "the truth, given for comparison",
    "baseline": "a classical answer, for comparison",
    "difference": "restored less input",
}
COMPARED = ("input", "restored", "sample", "reference", "baseline")


@dataclass(frozen=True)
class Picture:
    """A picture ready for the page."""

    key: str
    pixels: np.ndarray
    size: str  # of the original
    bar: tuple[str, np.ndarray, str] | None = None  # low, colours, high

    @property
    def name(self) -> str:
        return NAMES.get(self.key, self.key)

    @property
    def css(self) -> str:
        return ' class="pixels"' if max(self.pixels.shape[:2]) < PIXELATED else ""

    @property
    def shape(self) -> str:
        height, width = self.pixels.shape[:2]
        return f'width="{width}" height="{height}"'


def write_report(
    path: str | Path,
    *,
    title: str,
    pictures: Mapping[str, Tensor],
    facts: Mapping[str, Any],
    trace: Sequence[Mapping[str, Any]] = (),
    command: str = "",
    metrics: Mapping[str, Mapping[str, float]] | None = None,
    sounds: Mapping[str, Sound] | None = None,
) -> None:
    """Write the page of one restoration, whole or not at all.

    pictures: name -> (channels, height, width) in units of the full range, of any sizes; `input`
    and `restored` must be there; `std`, `residual` (signed), `sample`, `reference` and others may.
    facts: what the provenance table shows; chi_square, noise, chains, steps, ... also head the
    page. trace: sigma and chi_square after each step. metrics: of what -> name -> figure.
    sounds: name -> what a player plays, without a network.
    Raises ValueError where a picture is missing or no (channels, height, width).
    """
    missing = [key for key in ("input", "restored") if key not in pictures]
    if missing:
        raise ValueError(f"a report needs the picture '{missing[0]}'; got: {', '.join(pictures)}")
    order = [key for key in NAMES if key in pictures]
    order += [key for key in pictures if key not in NAMES]
    shown = {key: _picture(key, pictures[key]) for key in order}
    width, aspect = _frame(shown["restored"].pixels)
    compared = [key for key in order if key in COMPARED]
    _write(
        path,
        "report.html",
        title=escape(title),
        subtitle=escape(", ".join(_headline(facts))),
        doubts="".join(
            f'<p class="doubt">{escape(line)}</p>\n' for line in facts.get("doubts", ())
        ),
        width=width,
        aspect=aspect,
        before_options=_options(compared, "input"),
        after_options=_options(compared, "restored"),
        tiles="".join(_tiles(facts, metrics or {})),
        figures="".join(_figure(picture) for picture in shown.values()),
        players=players(sounds or {}),
        metrics=metrics_table(metrics or {}),
        trace=_reliability(facts.get("reliability")) + _trace(trace),
        facts="".join(fact_rows(facts)),
        command=escape(command),
        script=_page("report.js"),
    )


def write_index(
    path: str | Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    done: int | None = None,
    failed: int | None = None,
) -> None:
    """Write a contact sheet with a link to each report.

    rows: `title`; `report`, the address of its page relative to this one; `pictures`, input and
    restored, whatever their size (`shrink(picture, THUMBNAIL)` of the report's display is enough),
    or none;
    `facts`, shown in a line; or `error`, one line, for a file that failed.
    done, failed: how many there are in all, where the rows are only some of them.
    """
    bad = sum("error" in row for row in rows)
    failed = bad if failed is None else failed
    done = len(rows) - bad if done is None else done
    words = f"{done} restored" + (f", {failed} failed" if failed else "")
    if len(rows) < done + failed:
        words += f"; {len(rows)} are shown here"
    _write(
        path,
        "index.html",
        title=escape(title),
        subtitle=escape(words),
        heading="Measured, and restored",
        figures="".join(map(_card, rows)),
    )


def _write(path: str | Path, page: str, **parts: Any) -> None:
    text = Template(_page(page)).substitute(policy=POLICY, style=_page("page.css"), **parts)
    write_text(Path(path), text)


def _page(name: str) -> str:
    return files(__package__).joinpath("pages", name).read_text("utf-8")


def _picture(key: str, picture: Tensor) -> Picture:
    if picture.ndim != 3 or 0 in picture.shape:
        raise ValueError(f"the picture '{key}' must be (channels, height, width), not empty; "
                         f"got {tuple(picture.shape)}")  # fmt: skip
    small = display.shrink(picture, LONGEST)
    size = _size(picture) + (f", shown at {_size(small)}" if small is not picture else "")
    if key.startswith("std"):
        pixels, top = display.heat(small)
        return Picture(key, pixels, size, ("0", display.heat_bar(), f"{top:.2g}"))
    if key in ("residual", "difference"):
        pixels, top = display.signed(small)
        return Picture(key, pixels, size, (f"−{top:.2g}", display.signed_bar(), f"{top:.2g}"))
    return Picture(key, display.pixels(small), size)


def _size(picture: Tensor) -> str:
    return f"{picture.shape[2]}\u00a0×\u00a0{picture.shape[1]}"


def _frame(pixels: np.ndarray) -> tuple[int, str]:
    """Width of the slider's box, and its aspect: whole multiples of small pictures."""
    height, width = pixels.shape[:2]
    scale = min(960 / width, 720 / height)
    scale = float(min(16, int(scale))) if scale > 1 else scale
    return max(160, round(width * scale)), f"{width} / {height}"


def _uri(pixels: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(png.encode(pixels)).decode()


def _options(keys: Sequence[str], chosen: str) -> str:
    return "".join(
        f'<option value="{key}"{" selected" if key == chosen else ""}>{NAMES[key]}</option>'
        for key in keys
    )


def _headline(facts: Mapping[str, Any]) -> Iterator[str]:
    for key, before, after in (
        ("recipe", "", ""), ("prior", "prior ", ""), ("sampler", "sampler ", ""),
        ("steps", "", " steps"), ("chains", "", " chains"), ("seed", "seed ", ""),
    ):  # fmt: skip
        if facts.get(key) is not None:
            yield f"{before}{facts[key]}{after}"


def _tiles(facts: Mapping[str, Any], metrics: Mapping[str, Any]) -> Iterator[str]:
    value = facts.get("chi_square")
    if value is not None:
        yield _tile(number(value), "chi-square per measured value; 1 is right", svg.gauge(value))
    for name, figure in metrics.get("mean", {}).items():
        yield _tile(number(figure), f"{merit(name)} of the posterior mean")
    if facts.get("noise") is not None:
        source = facts.get("noise_source")
        yield _tile(number(facts["noise"]), "noise, of the full range" + (
            f", {source}" if source else ""))  # fmt: skip
    if facts.get("seconds") is not None:
        calls = facts.get("calls")
        yield _tile(f"{number(facts['seconds'])} s", "in all" + (
            f"; {calls} network calls a chain" if calls else ""))  # fmt: skip


def _tile(value: str, words: str, drawing: str = "") -> str:
    return (
        f'<div class="tile"><b>{escape(value)}</b>'
        f'<span class="soft">{escape(words)}</span>{drawing}</div>\n'
    )


def _figure(picture: Picture) -> str:
    bar = ""
    if picture.bar:
        low, colours, high = picture.bar
        bar = f'<div class="bar">{low}<img src="{_uri(colours)}" alt="scale">{high}</div>'
    key, name = escape(picture.key), escape(picture.name)
    meaning = "; ".join(filter(None, [MEANINGS.get(picture.key, ""), picture.size]))
    return (
        f'<figure><img id="picture-{key}"{picture.css} src="{_uri(picture.pixels)}" '
        f'{picture.shape} alt="{name}"><figcaption><b>{name}</b>'
        f"<small>{escape(meaning)}</small>{bar}</figcaption></figure>\n"
    )


def _trace(trace: Sequence[Mapping[str, Any]]) -> str:
    plots = svg.curve([row.get("sigma") for row in trace], "noise level sigma")
    plots += svg.curve(
        [row.get("chi_square") for row in trace],
        "chi-square of the estimate per measured value; 1 is right",
        reference=1,
    )
    return f'<h2>The way down</h2>\n<div class="plots">{plots}</div>\n' if plots else ""


def _reliability(found: Mapping[str, Any] | None) -> str:
    """The curves of intervals and, where these are wider or narrower, of samples as drawn."""
    if not found:
        return ""
    names = {"intervals": "intervals as told", "samples": "as the samples spread"}
    curves = {words: found[key] for key, words in names.items() if key in found}
    drawing = svg.reliability(found["levels"], curves)
    return f'<h2>How far intervals hold</h2>\n<div class="plots">{drawing}</div>\n'


def _card(row: Mapping[str, Any]) -> str:
    name = escape(str(row["title"]))
    if "error" in row:
        caption = f'<b>{name}</b><small class="bad">{escape(str(row["error"]))}</small>'
        return f"<figure><figcaption>{caption}</figcaption></figure>\n"
    pair = "".join(
        _thumbnail(row["pictures"][key], f"{NAMES[key]}, {name}")
        for key in ("input", "restored")
        if key in row["pictures"]
    )
    facts = ", ".join(
        f"{key.replace('_', ' ')} {words(value)}" for key, value in row.get("facts", {}).items()
    )
    return (
        f'<figure><a href="{escape(quote(str(row["report"])))}"><div class="pair">{pair}</div>'
        f"<figcaption><b>{name}</b><small>{escape(facts)}</small></figcaption></a></figure>\n"
    )


def _thumbnail(picture: Tensor, words: str) -> str:
    return f'<img src="{_uri(display.pixels(display.shrink(picture, THUMBNAIL)))}" alt="{words}">'
