"""A function's own keywords, as text gives them."""

from pathlib import Path
from typing import Literal

import pytest

from restore.errors import UsageError
from restore.plugins.options import options_of, parsed, prose
from restore.samplers.guided.dps import dps


def known(
    x,
    *,
    share: float = 0.5,
    count: int | None = None,
    mask: Path,
    name: str | Path = "n",
    loud: bool = False,
    edge: Literal["zero", "wrap"] = "zero",
    law: object = None,
):
    """What it does, and how: at length.

    share: of what is there; count: how often,
    over two lines
    mask, name: two files; a path: not an option

    More prose.
    """


def test_types_defaults_and_choices_come_from_the_signature():
    options = options_of(known)
    assert {name: option.type for name, option in options.items()} == {
        "share": float, "count": int, "mask": Path, "name": str, "loud": bool, "edge": str,
    }  # fmt: skip
    assert [name for name, option in options.items() if option.required] == ["mask"]
    assert (options["share"].default, options["count"].default) == (0.5, None)
    assert options["edge"].choices == ("zero", "wrap")


def test_help_comes_from_the_docstring():
    options = options_of(known)
    assert options["share"].help == "of what is there"
    assert options["count"].help == "how often, over two lines"
    assert options["mask"].help == options["name"].help == "two files; a path: not an option"
    assert options["loud"].help == ""
    assert prose(known) == "What it does, and how: at length.\n\nMore prose."


def test_text_becomes_a_value_or_is_refused():
    texts = {"share": "0.25", "count": "3", "loud": "yes", "edge": "wrap", "mask": "m.png"}
    assert parsed(known, texts, "known") == {
        "share": 0.25, "count": 3, "loud": True, "edge": "wrap", "mask": Path("m.png"),
    }  # fmt: skip
    for name, text, said in (
        ("share", "much", "share must be a number, got 'much'"),
        ("count", "1.5", "count must be a whole number"),
        ("loud", "perhaps", "loud must be yes or no"),
        ("edge", "round", "edge must be one of zero, wrap"),
        ("shaer", "1", "no option of known is called 'shaer'; did you mean 'share'?"),
        ("law", "x", "no option of known is called 'law'"),
    ):
        with pytest.raises(UsageError, match=said.replace("?", r"\?")):
            parsed(known, {name: text}, "known")


def test_a_sampler_tells_its_options_and_its_integrator():
    options = options_of(dps)
    assert options["guidance"].type is float and "weight" in options["guidance"].help
    assert (options["integrator"].type, options["integrator"].default) == (str, "ancestral")
