"""What a checkpoint cannot say of itself, in a small YAML or JSON file beside it.

family: adm                  # else it is recognised
heads: 4                     # what the family asks for
weights: params_ema          # which of the file's sets of weights
denoiser: {kind: v, schedule: {kind: cosine}, label: step}    # where it is not the family's own
data_range: [-1, 1]
licence: MIT
"""

from pathlib import Path
from typing import Any

from ...errors import WeightsError
from ...untrusted.plain_files import content
from ...untrusted.plain_yaml import parsed_yaml
from ...untrusted.schema import (
    Check,
    fields,
    integer,
    number,
    optional,
    plain,
    text,
)
from ...untrusted.strict_json import parsed
from ..prior_schema import LEVEL, NAME, PARAMETERISATION, RANGE

LONGEST = 64 << 10
WORDS = text(most=2000)
OWN: dict[str, Check] = {
    "family": NAME,
    "weights": text(most=200),
    "denoiser": PARAMETERISATION,
    "data_range": RANGE,
    "sigma_min": LEVEL,
    "sigma_max": LEVEL,
    "size": optional(integer(1, 65536)),
    "latent": fields({}, {"scale": LEVEL, "shift": number(-1e6, 1e6)}),
    **dict.fromkeys(("title", "licence", "data", "citation", "units", "note"), WORDS),
}
CARD = ("title", "licence", "data", "citation", "units", "note")


def read_told(path: Path) -> dict[str, Any]:
    """The checked description in a file. WeightsError in one line for one that is wrong."""
    words = content(path, LONGEST)
    try:
        found = parsed(words) if path.suffix.lower() == ".json" else parsed_yaml(words, path)
        return check_told(found)
    except ValueError as error:
        raise WeightsError(f"{path} describes no prior: {error}") from None


def check_told(told: Any) -> dict[str, Any]:
    """Every key with its type; what a family asks for is any plain value. ValueError."""
    from ..published import FAMILIES

    asked = {key for family in FAMILIES for key in family.describes}
    known = {**{key: plain(3, 200, 400) for key in asked}, **OWN}
    return fields({}, known)(told, "")
