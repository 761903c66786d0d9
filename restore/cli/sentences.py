"""The sentences of restore run on a file: before the long part, and after."""

from collections.abc import Mapping
from typing import Any

from .progress import duration


def opening(problem: Any, settings: Any) -> str:
    """x.png: denoise, prior image-grey, sampler dps, 8 chains, seed 0, noise 0.05 (estimated)."""
    chains = settings.sampling.on(problem.task.sampler).chains
    words = [
        f"{problem.source}: {settings.recipe}",
        f"prior {problem.prior_name}{_told(problem.prior.card)}",
        f"sampler {problem.sampler.name}",
        f"{chains} chain{'s' if chains > 1 else ''}",
        f"seed {settings.sampling.seed}",
    ]
    if problem.noise is not None:
        source = {"given": "", "estimated": " (estimated)", "recipe": " (the recipe's)"}
        words.append(f"noise {problem.noise:.3g}{source[problem.noise_source]}")
    if "chains x steps" in problem.task.facts:
        size = problem.task.facts["chains x steps"]
        words.append(f"chains x steps {size} (--chains and --steps say otherwise)")
    reason = problem.sampler.reason
    return ", ".join(words) + (f"; chose {reason}" if reason else "")


def sentence(facts: Mapping[str, Any]) -> str:
    """out/x/restored.png: mean of 8 samples, misfit 1.02, 41 s; psnr 30.1 (one sample 28.0)."""
    chains = facts["chains"]
    words = "one sample" if chains == 1 else f"mean and std of {chains} samples"
    if chains == facts["steps"] == 1:  # E[x0 | y], of noise alone
        words = "the mean, by one network call"
    if facts["chi_square"] is not None:
        words += f", misfit {facts['chi_square']:.3g}"
    words += f", {duration(facts['seconds'])}"
    mean, sample = facts["metrics"]["mean"], facts["metrics"]["sample"]
    merits = [
        f"{name} {_figure(value)} (one sample {_figure(sample[name])})"
        for name, value in mean.items()
    ]
    covered = facts["coverage_of_90%_intervals"]
    if covered is not None:
        merits.append(f"{covered:.0%} of the truth in its 90 % intervals")
    if facts.get("intervals"):
        merits.append(f"intervals {facts['intervals'].partition(';')[0]}")
    return f"{facts['output']}: {'; '.join([words, *merits])}"


def _told(card: Mapping[str, Any]) -> str:
    """The text that a prior is told, or that it is told none."""
    if "prompt" not in card:
        return ""
    return f" of '{card['prompt']}'" if card["prompt"] else " without a prompt (the empty text)"


def _figure(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"
