"""A clean file in, a degraded one out, as a recipe's measurement would have it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..atomic import atomic_folder
from ..measurement.measurement import simulate
from ..measurement.noise import Gaussian
from ..plugins.discovery import catalog
from .by_extension import find, read, suffix
from .problem import Settings
from .report.facts import provenance, write_json
from .runs.identity import origin, refuse_changed
from .runs.outputs import REPORT, refuse_inputs
from .task import Recipe, Record

DEFAULT_NOISE = 0.05  # of simulated measurements, in units of the full range


def simulate_file(source: Path, target: Path, settings: Settings) -> dict[str, Any]:
    """Degrade a clean file as the recipe's measurement does; gives its account.

    InputChanged where the file is another one at the end.
    """
    refuse_inputs(target, [source])
    settings = replace(settings, made_of=origin(source, settings))
    entry = catalog().entry("recipes", settings.recipe)
    recipe: Recipe = catalog().load("recipes", settings.recipe)
    record = read(source, entry)
    made, operator, noise = degraded(recipe, record, settings)
    parts = []
    for name, part in made.items():
        path = Path(name if Path(name).suffix else f"{name}{suffix(source)}")
        writer = catalog().load("writers", find("writers", path, entry).name)
        parts.append((writer, part, path.name))
    facts = {
        "input": str(source),
        "output": [str(target / name) for _, _, name in parts],
        "recipe": settings.recipe,
        "operator": operator,
        "noise": noise,
        "seed": settings.sampling.seed,
        "provenance": provenance(source, settings),
    }
    refuse_changed(source, settings)
    with atomic_folder(target) as folder:
        for writer, part, name in parts:
            writer(part, folder / name)
        write_json(folder / REPORT, facts)
    return facts


def degraded(
    recipe: Recipe, record: Record, settings: Settings
) -> tuple[Mapping[str, Record], str, float | None]:
    """The records to write, the operator in words, and the noise where it is Gaussian.

    settings: of simulate; without noise it is DEFAULT_NOISE, or the recipe's own.
    """
    if recipe.simulate is not None:
        made = recipe.simulate(record, settings.noise, settings.sampling.seed, **settings.options)
        words = next(iter(made.values())).meta.get("operator", settings.recipe)
        return made, str(words), settings.noise
    operator = recipe.observe(record, **settings.options)
    noise = DEFAULT_NOISE if settings.noise is None else settings.noise
    measurement = simulate(operator, Gaussian(noise), record.signal, seed=settings.sampling.seed)
    return recipe.degraded(record, operator, measurement.y[0]), repr(operator), noise
