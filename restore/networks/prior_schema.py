"""What a prior's description, prior.json, must say; it is looked at before any weight is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import WeightsError
from ..untrusted.schema import (
    Check,
    fields,
    integer,
    number,
    one_of,
    optional,
    plain,
    several,
    shown,
    table,
    text,
    truth,
    whole_numbers,
)
from ..untrusted.strict_json import read_json

CONFIG, WEIGHTS = "prior.json", "model.safetensors"
FORMAT = 1
LEVEL = number(above=0.0, high=1e9)  # a noise level, or a standard deviation
RANGE = several(number(-1e6, 1e6), 2, 2)
DIGEST = text(r"[0-9a-f]{64}", what="a sha256 of 64 digits")
NAME = text(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,79}", what="a name of letters and digits")
FILE = text(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}\.safetensors", what="the name of a file beside it")

OWN = ("unet", "folded-unet")  # the networks that restore trains itself, `unets/kinds.py`
UNET = fields(
    {
        "kind": one_of(*OWN),
        "channels": integer(1, 256),
        "widths": several(integer(1, 4096), 1, 10),
        "blocks": integer(1, 64),
        "dims": integer(1, 3),
    },
    {"bands": integer(2, 64)},  # of the noise that a folded one sees apart
)
CONFIGURATION = whole_numbers(plain(6, 2000, 400), 10_000_000)
PUBLISHED = fields({"kind": one_of("published"), "family": NAME, "configuration": CONFIGURATION})
DIFFUSERS = fields({"kind": one_of("diffusers"), "class": NAME, "configuration": CONFIGURATION})
NETWORKS: Mapping[str, Check] = {
    **dict.fromkeys(OWN, UNET), "published": PUBLISHED, "diffusers": DIFFUSERS,
}  # fmt: skip
SCHEDULE = fields(
    {"kind": one_of("linear", "root-linear", "cosine", "given")},
    {
        "steps": integer(2, 100_000),
        "first": number(above=0.0, high=1.0),
        "last": number(above=0.0, high=1.0),
        "alphas_cumprod": several(number(0.0, 1.0), 2, 100_000),
    },
)
PARAMETERISATION = fields(
    {"kind": one_of("eps", "v", "x0", "edm", "flow", "score", "blind")},
    {
        "schedule": SCHEDULE,  # of eps, v and x0
        "label": one_of("step", "sigma", "log sigma"),  # what the network is told
        "steps": number(above=0.0, high=1e6),  # of flow: what t = 1 is called
        "sigma_data": LEVEL,  # of edm
        "residual": truth(),  # of blind: it gives the noise
    },
)
AUTOENCODER = fields(
    {"network": lambda value, where: _network(value, where), "file": FILE, "sha256": DIGEST}
)
LATENT = fields(
    {"factor": integer(1, 256), "scale": LEVEL, "shift": number(-1e6, 1e6)},
    {"autoencoder": optional(AUTOENCODER)},  # null: it is in the network itself
)
CLIP = fields(  # the text encoder's own words
    {
        "vocab_size": integer(1, 1_000_000),
        "hidden_size": integer(1, 16384),
        "intermediate_size": integer(1, 65536),
        "num_hidden_layers": integer(1, 256),
        "num_attention_heads": integer(1, 256),
        "max_position_embeddings": integer(1, 4096),
        "hidden_act": one_of("quick_gelu", "gelu"),
        "layer_norm_eps": number(above=0.0, high=1.0),
    }
)
TEXT = fields(
    {
        "configuration": CLIP,
        "file": FILE,
        "sha256": DIGEST,
        "tokenizer": fields(
            {"file": text(r"[a-z_]{1,40}\.json", what="a name of JSON"), "sha256": DIGEST}
        ),
    }
)
TOKEN = text(r"[^\x00]+", most=1000, what="a token")
TOKENIZER = fields(
    {
        "vocab": table(TOKEN, integer(0, 999_999), 2, 1_000_000),
        "merges": several(text(r"[^ \x00]+ [^ \x00]+", most=2000, what="two tokens"), 0, 1_000_000),
        "pad": TOKEN,
        "length": integer(2, 4096),
    }
)
PRIOR = fields(
    {
        "format": lambda value, where: _format(value, where),
        "network": lambda value, where: _network(value, where),
        "sigma_min": LEVEL,
        "sigma_max": LEVEL,
        "sha256": DIGEST,
        "card": table(text(most=200), plain(8, 5000), 0, 200),
    },
    {
        "preconditioning": fields(
            {"kind": one_of("edm"), "mean": number(-1e6, 1e6), "sigma_data": LEVEL}
        ),
        "errors": table(lambda name, where: _level(name, where), number(0.0, 1e12), 1, 1000),
        "parameterisation": optional(PARAMETERISATION),  # null: the family's own
        "data_range": optional(RANGE),
        "channels": integer(1, 1024),
        "native_size": optional(several(optional(integer(1, 65536)), 1, 3)),  # null: any
        "footprint": number(0.0, 1e9),
        "source": plain(4, 200),
        "latent": optional(LATENT),
        "measured": text(most=300),  # on what the errors of an imported one were
        "text": TEXT,  # of what turns a prompt into what the network is told
        "unread_text": text(most=300),  # why a network that is told texts takes no prompt
    },
)


def read_description(folder: Path) -> dict[str, Any]:
    """The checked prior.json of a folder. WeightsError in one line that names the file."""
    path = folder / CONFIG
    if not path.exists() and not path.is_symlink():
        raise WeightsError(f"{folder} holds no prior: there is no {CONFIG} in it{_inside(folder)}")
    found = read_json(path, "a prior's description")
    try:
        return checked(found)
    except ValueError as error:
        raise WeightsError(f"{path} is not a prior's description: {error}") from None


def checked(described: Mapping[str, Any]) -> dict[str, Any]:
    """The description with its numbers as numbers. ValueError says what is wrong."""
    found = PRIOR(described, "")
    if not found["sigma_min"] < found["sigma_max"]:
        raise ValueError(
            f"sigma_min {found['sigma_min']:g} must lie below sigma_max {found['sigma_max']:g}"
        )
    own = found["network"]["kind"] in OWN
    for name in ("preconditioning", "errors") if own else ("channels",):
        if name not in found:
            raise ValueError(f"{name} is missing")
    low, high = found.get("data_range") or (0.0, 1.0)
    if not low < high:
        raise ValueError(f"data_range must rise, got {low:g} to {high:g}")
    return found


def checked_tokenizer(described: Mapping[str, Any]) -> dict[str, Any]:
    """A tokenizer's vocabulary, merges, pad and length. ValueError says what is wrong."""
    return TOKENIZER(described, "")


def _format(value: Any, where: str) -> int:
    if value != FORMAT or isinstance(value, bool):
        raise ValueError(f"it is of format {shown(value)}, this version reads {FORMAT}")
    return FORMAT


def _network(value: Any, where: str) -> dict[str, Any]:
    """Checked by what its kind needs."""
    kind = value.get("kind") if isinstance(value, dict) else None
    one_of(*NETWORKS)(kind, f"{where}.kind")
    return NETWORKS[str(kind)](value, where)


def _level(name: str, where: str) -> float:
    try:
        value = float(name)
    except ValueError:
        raise ValueError(f"{where} is not named by a noise level") from None
    return LEVEL(value, where)


def _inside(folder: Path) -> str:
    """The folders of models in a folder that is none itself."""
    try:
        found = sorted(one.parent.name for one in folder.glob(f"*/{CONFIG}"))
    except OSError:
        found = []
    return f", but in {', '.join(found[:5])}: give one of these" if found else ""
