"""The option `step` of samplers whose own update differs from the one that their paper has."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal

from .base import Sampler, contract_of, declare


def published(paper: Sampler) -> Callable[[Sampler], Sampler]:
    """The decorator of a sampler that can also run the update of its paper, the function `paper`.

    step="safe", the default, is the decorated sampler itself, step="paper" the other: two
    algorithms under one name, which has the options and the docstrings of both. TypeError for an
    option that the chosen one lacks.
    """

    def with_step(safe: Sampler) -> Sampler:
        def algorithm_of(step: str) -> Sampler:
            if step not in ("safe", "paper"):
                raise ValueError(f"step must be safe or paper, got '{step}'")
            return safe if step == "safe" else paper

        def run(
            denoise,
            measurement,
            x,
            sigmas,
            randn_like,
            *,
            step: Literal["safe", "paper"] = "safe",
            **options,
        ):
            algorithm = algorithm_of(step)
            lacking = options.keys() - _keywords(algorithm)
            if lacking:
                raise TypeError(f"step={step} has no option {', '.join(sorted(lacking))}")
            return algorithm(denoise, measurement, x, sigmas, randn_like, **options)

        def contract(options):
            return contract_of(algorithm_of(options.get("step", "safe")), options)

        fixed = list(inspect.signature(run).parameters.values())[:-1]
        options = _keywords(paper) | _keywords(safe)
        functools.update_wrapper(run, safe)
        run.__doc__ = f"{inspect.getdoc(safe)}\n\n{inspect.getdoc(paper)}"
        run.__signature__ = inspect.Signature([*fixed, *options.values()])
        return declare(run, contract)

    return with_step


def _keywords(function: Sampler) -> Mapping[str, Any]:
    parameters = inspect.signature(function).parameters
    return {name: p for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY}
