"""What a run is: its contents. Files are told by their bytes, wherever they lie."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import InputChanged
from ...plugins import store
from ...plugins.discovery import catalog
from ..merit.evaluating import reference_for
from ..problem import Settings
from .outputs import sha256

SAMPLING = {"prior": "--prior", "calibration": "--intervals"}  # its fields that may name a file
MANY = 4096  # files whose hashes are remembered


@dataclass(frozen=True)
class Identity:
    """What decides the numbers of a run, alike for all its inputs."""

    asked: str  # a hash of the settings in words, without the files that they name
    files: Mapping[str, tuple[str, str]]  # option -> (absolute path, hash of the contents)
    weights: str  # a hash of what the priors' descriptions tell of their weights
    version: str

    @property
    def mark(self) -> str:
        """The hash that tells runs apart whose results differ."""
        contents = {option: digest for option, (_, digest) in self.files.items()}
        return _hash([self.asked, contents, self.weights, self.version])

    def changed_since(self, before: "Identity") -> list[str] | None:
        """What is not as it was, in words; None where it is another run altogether.

        A file of other contents is a change where it lies at the same place; elsewhere it is
        another file, and so another run.
        """
        if self.asked != before.asked or self.files.keys() != before.files.keys():
            return None
        words = []
        for option, (path, digest) in self.files.items():
            if digest != before.files[option][1]:
                if path != before.files[option][0]:
                    return None
                words.append(f"{path} changed")
        if self.weights != before.weights:
            words.append("the prior's weights changed")
        if self.version != before.version:
            words.append(f"restore was {before.version}, and is {self.version}")
        return words

    def stale(self) -> str | None:
        """The path of a file that changed while the run went on; None where none did."""
        for option, (path, digest) in self.files.items():
            if _digest(option, Path(path)) != digest:
                return path
        return None

    def as_facts(self) -> dict[str, Any]:
        return {"mark": self.mark, **asdict(self)}

    @classmethod
    def of_facts(cls, facts: Mapping[str, Any]) -> "Identity":
        """What `as_facts` told. KeyError, TypeError or ValueError where it is damaged."""
        files = {option: (str(path), str(sum)) for option, (path, sum) in facts["files"].items()}
        texts = (str(facts[key]) for key in ("asked", "weights", "version"))
        asked, weights, version = texts
        return cls(asked, files, weights, version)


def identity(settings: Settings) -> Identity:
    """The identity of a run: all files that an option names are hashed here."""
    files = _named_files(settings)
    hashed = {name: (str(path.absolute()), _digest(name, path)) for name, path in files.items()}
    named = _with_files(settings, dict.fromkeys(files, "a file"))
    words = asdict(replace(named.on(""), command="", reference=None, mark="", made_of={}))
    words["reference"] = settings.reference is not None
    return Identity(_hash(words), hashed, _weights(settings), version("restore-toolbox"))


def anywhere(settings: Settings) -> Settings:
    """The settings with absolute paths, for a process in another working folder."""
    files = {name: str(path.absolute()) for name, path in _named_files(settings).items()}
    reference = settings.reference and settings.reference.absolute()
    return replace(_with_files(settings, files), reference=reference)


def _with_files(settings: Settings, files: Mapping[str, str]) -> Settings:
    """The settings with other paths of the files that options name."""
    options = {
        name: type(value)(files[f"--{name}"]) if f"--{name}" in files else value
        for name, value in settings.options.items()
    }
    own = {field: files[flag] for field, flag in SAMPLING.items() if flag in files}
    noise = Path(files["--noise"]) if "--noise" in files else settings.noise
    sampling = replace(settings.sampling, **own)
    return replace(settings, options=options, noise=noise, sampling=sampling)


def refuse_changed(source: Path, settings: Settings) -> None:
    """InputChanged where an input is not what it was when its restoration began."""
    if settings.made_of and origin(source, settings) != settings.made_of:
        raise InputChanged(f"{source} changed while it was worked on")


def looks(source: Path, settings: Settings) -> list[list[int]]:
    """Sizes and times of what one result comes from: as long as they stay, so does `origin`."""
    files = [source, *_reference(source, settings)]
    return [[size, time] for file in files if file.exists() for size, time, _ in look(file)]


def origin(source: Path, settings: Settings) -> dict[str, str]:
    """What one result comes from: the hashes of its input, of its own reference, of the run."""
    found = {"input_sha256": contents(source)}
    found["mark"] = settings.mark or identity(settings).mark
    for reference in _reference(source, settings):
        found["reference_sha256"] = contents(reference)
    return found


def _reference(source: Path, settings: Settings) -> list[Path]:
    """The input's own reference, of a folder of them: a single one is the run's."""
    if settings.reference is None or not settings.reference.is_dir():
        return []
    return [reference_for(source, settings.reference)]


def _digest(option: str, path: Path) -> str:
    """The hash of what an option names; a prior's folder is told by what describes it.

    A description holds the hash of its weights, which are held to it when they are loaded.
    """
    described = sorted(path.glob("*.json")) if option == "--prior" and path.is_dir() else ()
    return _hash([contents(one) for one in described]) if described else contents(path)


def contents(path: Path) -> str:
    """The hash of a file or folder, "" of anything else; read again where size or times changed."""
    if not path.is_file() and not path.is_dir():
        return ""
    return _contents(path.absolute(), look(path))


@lru_cache(MANY)
def _contents(path: Path, seen: tuple) -> str:
    return sha256(path)


def look(path: Path) -> tuple:
    """Size and times of a file, or of the files in a folder: what changes when contents do."""
    inside = [p for p in sorted(path.iterdir()) if p.is_file()] if path.is_dir() else [path]
    states = [p.stat() for p in inside]
    return tuple((state.st_size, state.st_mtime_ns, state.st_ino) for state in states)


def _named_files(settings: Settings) -> dict[str, Path]:
    """Option -> the file or folder that it names. A folder of references belongs to the inputs."""
    found = {}
    for name, value in settings.options.items():
        path = Path(value) if isinstance(value, (Path, str)) else None
        if path is not None and (path.is_file() or (isinstance(value, Path) and path.is_dir())):
            found[f"--{name}"] = path
    if settings.reference is not None and settings.reference.is_file():
        found["--reference"] = settings.reference
    if isinstance(settings.noise, Path):
        found["--noise"] = settings.noise
    calibration = settings.sampling.calibration
    if calibration is not None and Path(calibration).is_file():
        found[SAMPLING["calibration"]] = Path(calibration)
    prior = settings.sampling.prior
    if prior is not None and _is_path(prior):
        found[SAMPLING["prior"]] = Path(prior)
    return found


def _is_path(prior: str) -> bool:
    """Whether a prior is a folder or a file, by the order in which `load_prior` looks."""
    plain = "/" not in prior and os.sep not in prior
    if plain and (prior in catalog().registry("priors") or store.found(prior)):
        return False
    return Path(prior).exists()


def _weights(settings: Settings) -> str:
    """What describes the weights of the recipe's plugin, and of an imported prior."""
    name = settings.sampling.prior
    entries = [catalog().entry("recipes", settings.recipe)]
    if name is not None and name in catalog().registry("priors"):
        entries.append(catalog().entry("priors", name))
    folders = [_package(entry.target) / "weights" for entry in entries]
    if name is not None and not _is_path(name) and len(entries) == 1 and store.found(name):
        folders.append(store.folder_of(name))
    described = sorted({path for folder in folders for path in folder.rglob("*.json")})
    return _hash([contents(path) for path in described])


def _package(target: str) -> Path:
    """The folder of the package that "package.module:attribute" lies in."""
    spec = find_spec(target.partition(":")[0].partition(".")[0])
    return Path(spec.origin).parent if spec is not None and spec.origin else Path()


def _hash(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
