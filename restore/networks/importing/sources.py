"""What a path to import means: a file, a folder of one, a folder of ours, or one of diffusers."""

from pathlib import Path
from typing import NamedTuple

from ...errors import WeightsError
from ..prior_schema import CONFIG

ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin", ".npz", ".mat", ".tar", ".pkl")
PIPELINE, MODEL = "model_index.json", "config.json"


class Source(NamedTuple):
    """What to read: the kind, and the file or folder; two files are an encoder and a decoder."""

    kind: str  # "own", "diffusers", "file"
    path: Path


def source_of(path: Path) -> Source:
    """WeightsError for a folder without a model, or with several."""
    if not path.is_dir():
        return Source("file", path)
    try:
        inside = sorted(one for one in path.iterdir() if not one.name.startswith("."))
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from None
    names = {one.name for one in inside}
    if CONFIG in names:
        return Source("own", path)
    if PIPELINE in names or (MODEL in names and _of_diffusers(path / MODEL)):
        return Source("diffusers", path)
    files = [one for one in inside if one.suffix.lower() in ENDINGS and not one.is_dir()]
    if len(files) == 1:
        return Source("file", files[0])
    if files:
        listed = ", ".join(one.name for one in files[:6])
        raise WeightsError(f"{path} holds several models: {listed}; give one of these files")
    models = [one.name for one in inside if one.is_dir() and _model(one)]
    if models:
        raise WeightsError(f"{path} holds several models: {', '.join(models[:6])}; give one")
    raise WeightsError(f"{path} holds no model: no {CONFIG}, {PIPELINE} or checkpoint is in it")


def _model(folder: Path) -> bool:
    marks = (CONFIG, PIPELINE, MODEL)
    return any((folder / mark).exists() for mark in marks) or any(
        one.suffix.lower() in ENDINGS for one in folder.glob("*.*")
    )


def _of_diffusers(path: Path) -> bool:
    """Whether a config.json is of diffusers; that of another library has no class of it."""
    from ...untrusted.strict_json import read_json

    return "_class_name" in read_json(path, "a model's configuration")
