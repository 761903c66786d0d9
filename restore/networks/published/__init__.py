"""Architectures of other people's checkpoints, written from their papers and published names."""

from functools import cache
from importlib import import_module
from typing import Any

from .family import Autoencoder, Config, Family, Shapes

# name -> module:object; the order in which they are asked whose a file is
WHERE: dict[str, str] = {
    "bf-cnn": "small_denoisers:BF_CNN",
    "dncnn": "small_denoisers:DNCNN",
    "fdncnn": "small_denoisers:FDNCNN",
    "ffdnet": "small_denoisers:FFDNET",
    "drunet": "drunet:DRUNET",
    "adm": "adm:ADM",
    "taesd": "taesd:TAESD",
    "minimal-ddpm": "minimal_ddpm:MINIMAL_DDPM",
    "edm": "edm:EDM",
    "ncsnpp": "ncsnpp:NCSNPP",
    "sgmse": "speech.sgmse:SGMSE",
    "storm": "speech.storm:STORM",
    "latent-diffusion": "compvis:COMPVIS",
    "latent-autoencoder": "compvis:FIRST_STAGE",
}


@cache
def family(name: str) -> Family:
    """The family of this name. KeyError for an unknown one."""
    if name not in WHERE:
        raise KeyError(f"no family of networks is called '{name}'; known: {', '.join(WHERE)}")
    module, _, attribute = WHERE[name].partition(":")
    return getattr(import_module(f".{module}", __name__), attribute)


def __getattr__(name: str) -> Any:
    """FAMILIES: all of them; their modules are imported when it is first asked for."""
    if name == "FAMILIES":
        return tuple(family(known) for known in WHERE)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["FAMILIES", "Autoencoder", "Config", "Family", "Shapes", "family"]
