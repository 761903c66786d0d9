"""Names in place of objects: samplers, priors and operators, looked up among all plugins."""

import contextlib
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ..errors import WeightsError
from ..measurement.checks import shown
from ..measurement.measurement import Measurement
from ..measurement.operator import Operator
from ..plugins import store
from ..plugins.discovery import catalog
from ..plugins.registry import unknown
from ..priors.combined.tiled import tiled
from ..priors.prior import Prior
from ..samplers.base import Sampler, Step
from . import loop
from .auto import choose_sampler
from .devices import usable
from .posterior import Posterior
from .refusals import refuse_other_parts


class Chosen(NamedTuple):
    """A sampler, the name it goes by, and why "auto" took it; "" where it was asked for."""

    name: str
    sampler: Sampler
    reason: str = ""


def load_sampler(name: str | Sampler) -> Sampler:
    """A registered sampler; a function is itself. KeyError for an unknown name."""
    if not isinstance(name, str) and not callable(name):
        raise TypeError(f"the sampler must be a name or a function, got {shown(name)}")
    return catalog().load("samplers", name) if isinstance(name, str) else name


def sampler_for(
    asked: str | Sampler, measurement: Measurement, prior: Prior, device: str = "cpu"
) -> Chosen:
    """The sampler of a name, of "auto" the one that suits the problem; a function is itself.

    device: where the prior will run, "auto" decided. KeyError for an unknown name.
    """
    if asked == "auto":
        name, reason = choose_sampler(measurement, prior, device)
        return Chosen(name, load_sampler(name), f"{name}: {reason}")
    sampler = load_sampler(asked)
    return Chosen(asked if isinstance(asked, str) else sampler.__name__, sampler)


def load_prior(name: str | Path, device: str = "cpu", **conditions: Any) -> Prior:
    """A registered prior, an imported one, that of a folder or file; conditions: as it asks for.

    A registered name goes before an imported one, and that before a folder of this name here:
    write ./NAME for the folder. WeightsError, with the next command, for what is none.
    """
    if not isinstance(name, (str, Path)):
        raise TypeError(f"a prior is named by text or a path, got {shown(name)}")
    plain = isinstance(name, str) and not _with_separator(name)
    if plain and name in catalog().registry("priors"):
        make = catalog().load("priors", str(name))
        _refuse_unknown(str(name), make, conditions)
        return make(**conditions).to(device)
    if plain and store.found(str(name)):
        try:
            return _of_folder(store.folder_of(str(name)), device, conditions)
        except WeightsError as error:
            raise WeightsError(f"{error}; import it again: {store.again(str(name))}") from None
    if Path(name).is_dir():
        return _of_folder(Path(name), device, conditions)
    if Path(name).is_file():
        return _of_file(Path(name), device)
    if plain:
        return _unknown(str(name))
    if os.path.lexists(name):
        raise WeightsError(f"{name} is no prior, but a link in a circle, a pipe or a device")
    raise WeightsError(f"there is no prior folder {name}")


def _refuse_unknown(name: str, make: Callable[..., Prior], conditions: dict[str, Any]) -> None:
    """ValueError for a condition, such as a label, that a registered prior does not take."""
    unknown = conditions.keys() - inspect.signature(make).parameters.keys()
    if unknown:
        raise ValueError(f"the prior {name} is not conditional: it takes no {', '.join(unknown)}")


def _unknown(name: str) -> NoReturn:
    """KeyError with the nearest name; else WeightsError with the command that imports one."""
    known = [entry.name for entry in (*catalog().registry("priors"), *store.imported())]
    words = unknown("prior", name, known)
    if "did you mean" in words:
        raise KeyError(words)
    with contextlib.suppress(KeyError):
        catalog().entry("priors", name)  # UnavailableError where a broken plugin may be why
    raise WeightsError(f"{words}; to import one: restore priors import FILE --name {name}")


def _of_folder(folder: Path, device: str, conditions: dict[str, Any]) -> Prior:
    from ..networks.folder import load_prior_folder

    return tiled(load_prior_folder(folder, device, **conditions))


def _of_file(path: Path, device: str) -> Prior:
    from ..networks.bf_cnn import load_bf_cnn

    try:
        return tiled(load_bf_cnn(path, device))
    except WeightsError as error:
        hint = f"others are imported first: restore priors import {path} --name NAME"
        raise WeightsError(f"{error}; {hint}") from None


def load_operator(name: str, *arguments: Any, **options: Any) -> Operator:
    """A registered operator, made with these arguments."""
    if not isinstance(name, str):
        raise TypeError(f"an operator is named by text, got {shown(name)}")
    return catalog().load("operators", name)(*arguments, **options)


def sample(
    measurement: Measurement,
    prior: Prior,
    sampler: str | Sampler,
    *,
    device: str = "cpu",
    **arguments: Any,
) -> Posterior:
    """Samples of p(x | y) by a sampler or its name; arguments as in restore.sampling.loop.sample.

    "auto" picks one by the problem's class; the posterior's provenance says why, as "chosen".
    """
    refuse_other_parts(measurement, prior)
    device = usable(device)
    chosen = sampler_for(sampler, measurement, prior, device)
    posterior = loop.sample(
        measurement, prior, chosen.sampler, device=device, **_with_functions(arguments)
    )
    if not chosen.reason:
        return posterior
    return replace(posterior, provenance={**posterior.provenance, "chosen": chosen.reason})


def iterate(
    measurement: Measurement,
    prior: Prior,
    sampler: str | Sampler,
    *,
    device: str = "cpu",
    **arguments: Any,
) -> Iterator[Step]:
    """The bare loop over Steps; arguments as in restore.sampling.loop.iterate."""
    refuse_other_parts(measurement, prior)
    device = usable(device)
    chosen = sampler_for(sampler, measurement, prior, device)
    return loop.iterate(
        measurement, prior, chosen.sampler, device=device, **_with_functions(arguments)
    )


def _with_functions(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments with an integrator in place of its name. TypeError for what cannot watch."""
    watch = arguments.get("watch", ())
    if not isinstance(watch, Sequence) or not all(map(callable, watch)):
        raise TypeError(f"watch must be a list of functions, got {shown(watch)}")
    integrator = arguments.get("integrator")
    if isinstance(integrator, str):
        return {**arguments, "integrator": load_sampler(integrator)}
    return arguments


def _with_separator(name: str) -> bool:
    return "/" in name or os.sep in name
