"""mri-active: which lines of k-space to measure next, told by the posterior.

Greedy entropy, as in active diffusion subsampling (Nolan et al., 2024, arXiv:2406.14388): of what
the samples predict for each line not yet measured, the line with the largest Gaussian entropy is
measured next; those beside it count less in the same round, for they would tell much the same, and
so do those across the middle where the phase is known, for images are then nearly real.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from restore.files.task import Recipe, Record, Task
from restore.priors.prior import Prior
from restore.sampling.by_name import sample
from restore.sampling.posterior import Posterior

from ..kspace.samples import to_kspace
from .held_out import kept_back
from .mri import STEPS, task_of
from .scan import CALIBRATION, Scan, scan
from .show import channels

REACH = 3.0  # lines over which a line chosen makes its neighbours less wanted


@dataclass(frozen=True)
class Plan:
    """An acquisition as it is asked for, in lines of the phase-encoded axis."""

    budget: int
    start: int  # in the middle, measured before the first choice
    rounds: int
    chains: int
    steps: int
    seed: int


def solve_active(
    record: Record,
    noise: float | None,
    *,
    budget: int,
    start: int = 16,
    rounds: int = 6,
    particles: int = 8,
    calibration: int = CALIBRATION,
    mask_seed: int = 0,
    maps: str = "espirit",
    coils: int | None = None,
) -> Task:
    """Choose the lines of a full scan one after the other, where the posterior is unsure.

    budget: lines to measure in all
    start: lines of the middle that are measured first
    rounds: times that new lines are chosen
    particles: samples that each choice is made by
    calibration: lines of the middle that coil maps are made of
    mask_seed: of the random lines that are compared with
    maps: espirit, low-frequency, or a file of coil maps (slice, coil, y, x)
    coils: compress to so many virtual coils
    """
    full, _ = scan(record, noise, maps=maps, coils=coils, calibration=calibration)
    if not 1 <= start < budget <= full.line_count:
        raise ValueError(
            f"of {full.line_count} lines, {start} to start with and {budget} in all cannot be "
            "measured"
        )
    plan = Plan(budget, start, rounds, particles, STEPS // 2, mask_seed)
    task = task_of(full)
    every = with_lines(full, torch.ones(full.line_count, dtype=torch.bool))
    task = replace(task, measurement=every.measurement())
    task = task.compared_with(task.present(channels(full.combined())))
    return replace(task, pose_with_prior=acquisition(full, plan, task))


def acquisition(scan: Scan, plan: Plan, task: Task) -> Callable[[Prior], Task]:
    """prior -> the task of the lines that its posterior asks for, one after the other."""

    def pose_with_prior(prior: Prior) -> Task:
        chosen, order = greedy_lines(scan, prior, plan, task)
        policies = {"greedy": chosen, **lines_fixed_beforehand(scan, plan)}
        facts = {}
        for name, lines in policies.items():
            posterior = _posterior(scan, lines, prior, plan, task, plan.seed)
            found = task.present(posterior.mean).signal.abs()
            truth = task.comparison.reference.signal.abs()
            error = (found - truth).square().sum() / truth.square().sum()
            facts[f"nmse of {name} lines"] = error.item()
        facts["order of the lines"] = order
        part = with_lines(scan, chosen)
        return replace(
            task,
            measurement=part.measurement(),
            held_out_split=lambda: kept_back(part),
            pose_with_prior=None,
        ).with_facts(facts)

    return pose_with_prior


def greedy_lines(scan: Scan, prior: Prior, plan: Plan, task: Task) -> tuple[Tensor, list[int]]:
    """The lines that greedy entropy chooses, (lines,) bool, and their order."""
    lines = middle_lines(scan.line_count, plan.start)
    order: list[int] = []
    for number in range(plan.rounds):
        posterior = _posterior(scan, lines, prior, plan, task, plan.seed + number)
        due = -(-(plan.budget - int(lines.sum())) // (plan.rounds - number))
        mirrored = scan.phase is not None
        found = next_lines(entropies(scan, posterior.samples), lines, due, mirrored=mirrored)
        for line in found:
            lines[line] = True
            order.append(line)
    return lines, order


def entropies(scan: Scan, samples: Tensor) -> Tensor:
    """The entropy that each line would take away, sum log(1 + var / (2 noise^2)); (lines,).

    samples: (chains, 2, z, y, x). The information that the line gives about the image if what it
    holds were independent and Gaussian.
    """
    image = torch.complex(*samples.chunk(2, 1)).transpose(1, 2)  # (chains, z, 1, y, x)
    variance = 0.0
    for coil in range(scan.maps.shape[1]):  # one at a time: memory
        k = to_kspace(scan.maps[:, coil : coil + 1] * image)
        sample_variance = (k - k.mean(0)).abs().square().sum(0) / (len(k) - 1)  # of both parts
        gain = torch.log1p(sample_variance / (2 * scan.noise**2))
        variance = variance + gain.movedim(scan.phase_axis, 0).flatten(1).sum(1)
    return variance


def next_lines(
    entropy: Tensor, measured: Tensor, count: int, *, mirrored: bool = False
) -> list[int]:
    """The `count` lines of most entropy; each makes those near it less wanted.

    entropy: (lines,); measured: (lines,) bool, never chosen again. mirrored: images are nearly
    real, so that a line tells much of the one on the other side of the middle, lines // 2, too.
    """
    wanted = torch.where(measured, -torch.inf, entropy.double())
    at = torch.arange(len(entropy), dtype=torch.float64)
    found = []
    for _ in range(count):
        line = int(wanted.argmax())
        found.append(line)
        told = [line, 2 * (len(entropy) // 2) - line] if mirrored else [line]
        for place in told:
            near = 1 - torch.exp(-0.5 * ((at - place) / REACH).square())
            wanted = torch.where(wanted > -torch.inf, wanted * near, wanted)
        wanted[line] = -torch.inf
    return found


def lines_fixed_beforehand(scan: Scan, plan: Plan) -> dict[str, Tensor]:
    """Lines as many as the plan's, chosen before anything is measured, by the policy's name."""
    generator = torch.Generator().manual_seed(plan.seed)
    start = middle_lines(scan.line_count, plan.start)
    free = (~start).nonzero().flatten()
    extra = plan.budget - plan.start
    drawn = free[torch.randperm(len(free), generator=generator)[:extra]]
    even = free[torch.linspace(0, len(free) - 1, extra).round().long()]
    return {
        "random": start.index_fill(0, drawn, True),
        "equispaced": start.index_fill(0, even, True),
    }


def middle_lines(lines: int, count: int) -> Tensor:
    """The middle lines, (lines,) bool."""
    first = lines // 2 - count // 2
    at = torch.arange(lines)
    return (at >= first) & (at < first + count)


def with_lines(scan: Scan, lines: Tensor) -> Scan:
    """The scan with no more than the chosen lines, (lines,) bool."""
    mask = lines[:, None] if scan.phase_axis == -2 else lines[None]
    return scan.masked(mask.expand(scan.kspace.shape[-2:]))


def _posterior(
    scan: Scan, lines: Tensor, prior: Prior, plan: Plan, task: Task, seed: int
) -> Posterior:
    return sample(
        with_lines(scan, lines).measurement(),
        prior,
        task.sampler.name,
        chains=plan.chains,
        sigmas=task.sampler.schedule(plan.steps),
        seed=seed,
        **task.sampler.options,
    )


active = Recipe(solve_active)
