"""The hooks a plugin may answer: one for each kind of thing that restore can be taught."""

from collections.abc import Callable

import pluggy

PROJECT = "restore"
specification = pluggy.HookspecMarker(PROJECT)
hook = pluggy.HookimplMarker(PROJECT)

Register = Callable[..., None]
# register(name, "package.module:attribute", summary="...", **facts); nothing is imported for it


@specification
def register_operators(register: Register) -> None:
    """Forward operators: a class or function that gives a restore.Operator."""


@specification
def register_priors(register: Register) -> None:
    """Priors: a function without arguments, or with defaults for all, that gives a Prior."""


@specification
def register_samplers(register: Register) -> None:
    """Samplers; facts: exactness, needs, calls (network calls per step), paper.

    What the driver may rely on is declared at the function, restore.samplers.base.sampler; what
    it asks of a prior stands among its needs, too.
    """


@specification
def register_recipes(register: Register) -> None:
    """Recipes: a restore.Recipe; its keyword options become flags of the command line.

    facts: folders, the readers that take a whole folder as one input of it, such as ("series",).
    """


@specification
def register_readers(register: Register) -> None:
    """Readers: path -> Record; facts: extensions, a tuple such as (".png",).

    mark=(128, "DICM"): a file without extension that holds these letters there is one of its own.
    folder=True: one that reads a folder of such files as one record; "" is a name without any;
    ignores=("DICOMDIR",): files that tell nothing of what the folder is.
    """


@specification
def register_writers(register: Register) -> None:
    """Writers: (record, path) -> None; facts: extensions.

    folder=True: one that makes a folder. std=True: one that also writes a record of kind "std",
    the standard deviation of what a record of its own kind would hold.
    """


@specification
def register_metrics(register: Register) -> None:
    """Metrics: (estimate, reference) -> float, both of one signal's shape; facts: better.

    asks=("rate",): keywords it takes from the reference's meta; "noise" is the noisy signal less
    the reference, where there is one. package="pesq": what it cannot do without.
    """


@specification
def register_materials(register: Register) -> None:
    """Materials to train priors on: (folders, validation) -> restore.Material."""


KINDS = (
    "operators", "priors", "samplers", "recipes", "readers", "writers", "metrics", "materials",
)  # fmt: skip
