"""What a checkpoint was converted to, before it is stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from .describing import CARD

AUTOENCODER = "autoencoder.safetensors"
TEXT_ENCODER, TOKENIZER = "text_encoder.safetensors", "tokenizer.json"
UNKNOWN = "unknown: look at where it is from before you share or use it"


@dataclass
class Converted:
    """What is to be stored."""

    description: dict[str, Any]
    weights: dict[str, Mapping[str, Tensor]]  # by the name of the file
    texts: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # JSON, by its file's name
    notes: list[str] = field(default_factory=list)  # what was chosen, to be said


def card(path: Path, told: Mapping[str, Any], title: str) -> dict[str, Any]:
    """What is shown of a prior: its name, licence and whatever its user has told."""
    known = {key: told[key] for key in CARD if key in told}
    return {"name": path.stem, "network": title, "licence": UNKNOWN, **known}
