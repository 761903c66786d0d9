"""The posterior that `restore run` draws where a part of the measurement can be kept back."""

from typing import Any

import restore
from restore.files.task import Task
from restore.measurement.measurement import Measurement
from restore.priors.prior import Prior
from restore.sampling.held_out import CHAINS, best_options
from restore.sampling.posterior import Posterior


def sampled(
    task: Task, prior: Prior, chains: int, steps: int
) -> tuple[Posterior, float, dict[str, Any]]:
    """The posterior, the factor on its width, and the sampler's options that held-out data chose.

    Without a split, as for fewer than five views, the sampler's own options and a factor of 1.
    """

    def run(measurement: Measurement, chains: int, seed: int, options: dict) -> Posterior:
        return restore.sample(
            measurement, prior, task.sampler.name, chains=chains, seed=seed, precision="auto",
            sigmas=task.sampler.schedule(steps), **options,
        )  # fmt: skip

    if task.held_out_split is None:
        return run(task.measurement, chains, 0, task.sampler.options), 1.0, task.sampler.options
    split = task.held_out_split()
    few = lambda options: run(split.kept, CHAINS, 1, options).samples  # noqa: E731
    best, factor = best_options(task.sampler.candidate_options, few, split)
    return run(task.measurement, chains, 0, best).widened(factor), factor, best
