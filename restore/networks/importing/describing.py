"""What a checkpoint cannot say of itself, in a small YAML or JSON file beside it.

family: adm                  # else it is recognised
heads: 4                     # what the family asks for
weights: params_ema          # which of the file's sets of weights
denoiser: {kind: v, schedule: {kind: cosine}, label: step}    # where it is not the family's own
data_range: [-1, 1]
licence: MIT
"""

import re
from pathlib import Path
from typing import Any

from ...errors import UnavailableError, WeightsError
from ...untrusted.plain_files import content
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
EXPONENT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$")  # YAML 1.1 takes 1e-4 for a word
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
        found = parsed(words) if path.suffix.lower() == ".json" else _yaml(path, words)
        return check_told(found)
    except ValueError as error:
        raise WeightsError(f"{path} describes no prior: {error}") from None


def check_told(told: Any) -> dict[str, Any]:
    """Every key with its type; what a family asks for is any plain value. ValueError."""
    from ..published import FAMILIES

    asked = {key for family in FAMILIES for key in family.describes}
    known = {**{key: plain(3, 200, 400) for key in asked}, **OWN}
    return fields({}, known)(told, "")


def _yaml(path: Path, words: bytes) -> Any:
    try:
        import yaml
    except ImportError:
        raise UnavailableError(
            f"{path} is YAML, which needs PyYAML (pip install PyYAML); or write it as .json"
        ) from None

    class Plain(yaml.SafeLoader):
        """Without aliases, which make a small file large, and without a key twice."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError("aliases are not read")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            names = [key.value for key, _ in node.value]
            if len({str(name) for name in names}) < len(names):
                raise ValueError("a name stands in it twice")
            return super().construct_mapping(node, deep)

    Plain.yaml_implicit_resolvers = {
        key: list(rules) for key, rules in Plain.yaml_implicit_resolvers.items()
    }
    Plain.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+0123456789."))
    try:
        return yaml.load(words, Plain)  # a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())[:200]) from None
    except RecursionError:
        raise ValueError("it is nested too deep") from None
