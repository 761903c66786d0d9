"""CLIP's text encoder and tokenizer as they lie in folders and checkpoints, checked to be stored.

A tokenizer lies as vocab.json with merges.txt, or in one tokenizer.json; an encoder in a folder of
the package transformers, or in stable diffusion's files under `cond_stage_model.transformer.`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ....errors import WeightsError
from ....untrusted.plain_files import content
from ....untrusted.strict_json import read_json
from ...prior_schema import CLIP, checked_tokenizer
from ...weights import at_most, differences
from ..converted import TEXT_ENCODER, TOKENIZER, Converted
from ..prompting import BEGIN, END, LONGEST, build, tokenizer
from ..reading.checkpoint import read_checkpoint

CLASSES = ("CLIPTextModel", "CLIPTextModelWithProjection")
WITHIN = "cond_stage_model.transformer."
TOP = "text_model."
FIRST = "embeddings.token_embedding.weight"
UNUSED = ("embeddings.position_ids", "text_projection.weight")  # not what a network is told
HEAD = 64  # channels of one attention head in every CLIP that was published
DEFAULTS = {"hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}  # of transformers, and of CLIP

CLIP_KEYS = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
             "num_attention_heads", "max_position_embeddings", *DEFAULTS)  # fmt: skip


def add_text(made: Converted, folder: Path, words: Path) -> None:
    """An encoder in a folder of transformers, with the tokenizer in the folder `words`.

    Of an encoder that is no CLIP only its name is kept, for the advice. WeightsError for one that
    is not whole.
    """
    path = folder / "config.json"
    found = read_json(path, "a text encoder's configuration")
    names = found.get("architectures") or ["a text encoder of no name"]
    if names[0] not in CLASSES:
        leave_out(made, f"its text encoder, {names[0]!s:.60}, is none that is read, CLIP is")
        return
    given = {**DEFAULTS, **{key: found[key] for key in CLIP_KEYS if key in found}}
    files = [one for one in (folder / "model.safetensors", folder / "pytorch_model.bin")
             if one.exists()]  # fmt: skip
    if not files:
        raise WeightsError(f"{folder} holds no weights: there is no model.safetensors in it")
    state = _named(read_checkpoint(files[0]).sets[0].weights)
    _add(made, folder, given, state, words)


def add_text_within(
    made: Converted, path: Path, weights: Mapping[str, Tensor], words: Path
) -> None:
    """The encoder in a file of stable diffusion. WeightsError where there is no CLIP in it."""
    state = _named({n.removeprefix(WITHIN): w for n, w in weights.items() if n.startswith(WITHIN)})
    if FIRST not in state:
        raise WeightsError(f"{path} holds no text encoder of CLIP, {WITHIN}{TOP}{FIRST}")
    _add(made, path, _by_shapes(path, state), state, words)


def leave_out(made: Converted, why: str) -> None:
    """Say that prompts will not be read, now and when one is given."""
    made.description["unread_text"] = why
    made.notes.append(f"no prompts: {why}")


def read_tokenizer_folder(folder: Path) -> dict[str, Any]:
    """vocab, merges, pad and length of CLIP's tokenizer. WeightsError in one line."""
    try:
        vocab, merges = _vocabulary(folder)
        told = folder / "tokenizer_config.json"
        config = read_json(told, "a tokenizer's configuration") if told.exists() else {}
        special = folder / "special_tokens_map.json"
        config |= read_json(special, "special tokens") if special.exists() else {}
        found = checked_tokenizer({
            "vocab": vocab,
            "merges": merges,
            "pad": _token(config.get("pad_token", END)),
            "length": config.get("model_max_length", 77),
        })  # fmt: skip
        missing = [one for one in (BEGIN, END, found["pad"]) if one not in found["vocab"]]
        if missing:
            raise ValueError(f"{missing[0]} is not in its vocabulary: it is not CLIP's")
        tokenizer(found)
    except ValueError as error:
        raise WeightsError(f"{folder} holds no tokenizer of CLIP: {error}") from None
    return found


def _vocabulary(folder: Path) -> tuple[Any, Any]:
    if (folder / "vocab.json").exists():
        lines = content(folder / "merges.txt", LONGEST).decode("utf-8").split("\n")
        merges = [line for line in lines if line and not line.startswith("#version")]
        return read_json(folder / "vocab.json", "a vocabulary", LONGEST), merges
    if not (folder / "tokenizer.json").exists():
        raise ValueError("there is no vocab.json or tokenizer.json in it")
    model = read_json(folder / "tokenizer.json", "a tokenizer", LONGEST).get("model")
    if not isinstance(model, dict) or not isinstance(model.get("merges"), list):
        raise ValueError("its tokenizer.json has no merges")
    merges = [" ".join(map(str, m)) if isinstance(m, list) else m for m in model["merges"]]
    return model.get("vocab"), merges


def _token(given: Any) -> Any:
    return given.get("content") if isinstance(given, dict) else given


def _named(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By the names within the encoder, without what it is not asked for."""
    state = {name.removeprefix(TOP): value for name, value in weights.items()}
    return {name: value for name, value in state.items() if name not in UNUSED}


def _by_shapes(path: Path, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The configuration of a published CLIP, which a file without one lets us see."""
    try:
        words, width = state[FIRST].shape
        inner = state["encoder.layers.0.mlp.fc1.weight"].shape[0]
        length = state["embeddings.position_embedding.weight"].shape[0]
    except (KeyError, ValueError, IndexError) as error:
        raise WeightsError(f"{path}: its text encoder is not whole: {error}") from None
    layers = {name.split(".")[2] for name in state if name.startswith("encoder.layers.")}
    return {
        **DEFAULTS,
        "vocab_size": words,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": len(layers),
        "num_attention_heads": max(1, width // HEAD),
        "max_position_embeddings": length,
    }


def _add(
    made: Converted, path: Path, given: dict[str, Any], state: dict[str, Tensor], words: Path
) -> None:
    """Checked against each other and the network, then beside the prior's weights."""
    found = read_tokenizer_folder(words)
    try:
        configuration = CLIP(given, "")
        if max(found["vocab"].values()) >= configuration["vocab_size"]:
            raise ValueError(f"it knows {configuration['vocab_size']} tokens, {words} has more")
        if found["length"] > configuration["max_position_embeddings"]:
            raise ValueError(f"it reads {configuration['max_position_embeddings']} tokens at most")
        with torch.device("meta"), at_most(len(state)):
            wanted = {n: tuple(v.shape) for n, v in build(configuration).state_dict().items()}
        wrong = differences(wanted, {name: tuple(value.shape) for name, value in state.items()})
        if wrong:
            raise ValueError(wrong)
        _refuse_other_width(made.description["network"], configuration["hidden_size"])
    except (ValueError, WeightsError) as error:
        raise WeightsError(f"{path}: its text encoder does not fit: {error}") from None
    made.weights[TEXT_ENCODER] = state
    made.texts[TOKENIZER] = found
    made.description["text"] = {
        "configuration": configuration,
        "file": TEXT_ENCODER,
        "sha256": "",
        "tokenizer": {"file": TOKENIZER, "sha256": ""},
    }
    made.notes.append(f"{path}: its text encoder is CLIP's, with the tokenizer of {words}")


def _refuse_other_width(network: Mapping[str, Any], width: int) -> None:
    """ValueError where the network is told tokens of another width."""
    told = network["configuration"]
    wanted = told.get("cross_attention_dim") or (told.get("unet") or {}).get("context")
    if isinstance(wanted, int) and wanted != width:
        raise ValueError(f"it gives {width} channels, the network is told {wanted}")
