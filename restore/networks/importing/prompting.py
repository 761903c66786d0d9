"""Words become what a network is told: CLIP's tokenizer and text encoder, kept with the prior.

Radford et al. 2021, arXiv:2103.00020, through the package transformers, which is optional.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import UnavailableError, WeightsError
from ...untrusted.plain_files import sha256
from ...untrusted.strict_json import read_json
from ..prior_schema import checked_tokenizer
from ..weights import load_network
from .pipelines.networks import DIT, FLUX, OFFLINE, classes_of

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
LONGEST = 32 << 20  # bytes of a tokenizer's vocabulary and merges
TEXTUAL = ("prompt", "negative_prompt", "guidance")


class Told(NamedTuple):
    """What a network is told, by its own keywords, and with guidance also what it is not told."""

    conditions: dict[str, Any]
    free: dict[str, Any] | None  # of D_u in D_u + w (D_c - D_u); None: no guidance
    guidance: float
    facts: dict[str, Any]  # for the prior's card


def told(folder: Path, described: Mapping[str, Any], given: Mapping[str, Any]) -> Told:
    """A prompt and its like as an embedding; other conditions as they are.

    given: conditions of load_prior. A prior with a text encoder that is told nothing is told the
    empty text, which is what "no text" was in its training. ValueError in one line for what this
    prior cannot be told.
    """
    asked = {name: given[name] for name in TEXTUAL if given.get(name) is not None}
    others = {name: value for name, value in given.items() if name not in TEXTUAL}
    text, network = described.get("text"), described["network"]
    if text is None and network["kind"] == "diffusers":
        bound = _of_classes(network, others, asked)
        if bound is not None:
            return bound
    if text is None or "context" in others:
        if asked:
            why = _no_text(described) if text is None else "a context was given in its place"
            raise ValueError(f"it takes no {' or '.join(asked)}: {why}")
        return Told(others, None, 1.0, {})
    prompt, guidance = asked.get("prompt", ""), float(asked.get("guidance", 1.0))
    if guidance == 1.0 and "negative_prompt" in asked:
        raise ValueError("a negative prompt tells where guidance leads away from: give a guidance")
    negative = asked.get("negative_prompt", "")
    texts = [prompt] if guidance == 1.0 else [prompt, negative]
    context, *free = embeddings(folder, text, texts)
    facts = {"prompt": prompt} | ({"negative_prompt": negative} if negative else {})
    without = {**others, "context": free[0]} if free else None
    return Told({**others, "context": context}, without, guidance, facts)


def _of_classes(
    network: Mapping[str, Any], others: dict[str, Any], asked: dict[str, Any]
) -> Told | None:
    """Guidance without words: of DiT's class, or what FLUX was distilled with; None: neither."""
    if set(asked) != {"guidance"}:
        return None
    if network["class"] == FLUX:
        return Told({**others, **asked}, None, 1.0, dict(asked))
    if network["class"] != DIT or "label" not in others:
        return None
    free = {**others, "label": classes_of(network)} if asked["guidance"] != 1 else None
    return Told(others, free, float(asked["guidance"]), {})


def embeddings(folder: Path, text: Mapping[str, Any], prompts: list[str]) -> list[Tensor]:
    """Each prompt as the text encoder gives it, (1, tokens, width).

    folder: of the prior; text: that part of its description. ValueError for a prompt of more
    tokens than the encoder reads: it is not cut.
    """
    package()
    file = folder / text["tokenizer"]["file"]
    if sha256(file) != text["tokenizer"]["sha256"]:
        raise WeightsError(f"the checksum of {file} is wrong: the file is damaged or another's")
    words = tokenizer(read_tokenizer(file))
    configuration = text["configuration"]
    encoder = load_network(folder / text["file"], lambda: build(configuration), text["sha256"])
    return [_embedded(encoder, words, prompt) for prompt in prompts]


def package() -> Any:
    """The transformers package, told to stay off the network. UnavailableError without it."""
    for flag in OFFLINE:
        os.environ.setdefault(flag, "1")
    try:
        import transformers
    except ImportError as error:
        missing = error.name == "transformers"
        words = "transformers is not installed" if missing else str(error)
        raise UnavailableError(
            f"prompts need the package transformers: pip install restore-toolbox[diffusers]"
            f" ({words})"
        ) from None
    transformers.logging.set_verbosity_error()
    return transformers


def build(configuration: Mapping[str, Any]) -> nn.Module:
    """CLIP's text encoder of a checked configuration, with weights of no account."""
    found = package()
    special = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), 0)  # of the pooled
    network = found.CLIPTextModel(found.CLIPTextConfig(**{**configuration, **special}))
    return getattr(network, "text_model", network)  # a level of its own in older versions


def read_tokenizer(file: Path) -> dict[str, Any]:
    """The checked vocabulary and merges of a prior's folder. WeightsError in one line."""
    try:
        return checked_tokenizer(read_json(file, "a tokenizer", LONGEST))
    except ValueError as error:
        raise WeightsError(f"{file} is no tokenizer: {error}") from None


def tokenizer(described: Mapping[str, Any]) -> Any:
    """CLIP's tokenizer of a checked description. ValueError where its merges do not fit."""
    merges = [tuple(pair.split(" ")) for pair in described["merges"]]
    try:
        return package().CLIPTokenizer(
            vocab=described["vocab"],
            merges=merges,
            pad_token=described["pad"],
            model_max_length=described["length"],
        )
    except Exception as error:  # the library raises no other kind
        words = " ".join(str(error).split())[:160]
        raise ValueError(f"its vocabulary and merges do not fit: {words}") from None


def _embedded(encoder: nn.Module, words: Any, prompt: str) -> Tensor:
    length = words.model_max_length
    ids = words(prompt, padding="max_length", max_length=length).input_ids
    if len(ids) > length:
        raise ValueError(f"the prompt has {len(ids)} tokens, this encoder reads {length}: shorten")
    with torch.no_grad():
        return encoder(input_ids=torch.tensor([ids])).last_hidden_state


def _no_text(described: Mapping[str, Any]) -> str:
    network = described["network"]
    name = network.get("class") or network.get("family") or network["kind"]
    if described.get("unread_text"):
        return f"{described['unread_text']}; in Python its embedding can be given, context=..."
    return f"{name} is told no text"
