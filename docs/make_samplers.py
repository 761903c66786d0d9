"""Write docs/samplers.md from what the samplers say of themselves: python docs/make_samplers.py"""

from pathlib import Path

from restore.plugins.discovery import catalog
from restore.plugins.options import options_of, prose

FAMILIES = (
    (
        "Unconditional: integrators",
        "They sample the prior, and carry every guided sampler: `--set integrator=heun`. "
        "`ancestral`, the default, forgives errors of the guidance best; its variance falls short "
        "by about the share of a step (5 to 7 % at 200 steps, 20 to 25 % at 50). `analytic` has "
        "all of it where nothing was measured, at any number of steps, and too much where y says "
        "much (8 to 33 % at 50 steps); `dpm-solver-sde` is right on both within 8 % at 50 steps, "
        "and 24 % too wide at 20. `heun` and `dpm-solver` have no such bias on smooth problems.",
        "ancestral analytic ddim heun dpm-solver dpm-solver-sde restart predictor-corrector",
    ),
    (
        "Guidance: gradients through the network",
        "D_y = D + sigma^2 grad log p(y | x), on any integrator. `tmpd` is the one to begin with "
        "where the gradient is affordable: exact for Gaussian priors, and the best on photographs "
        "with holes. `pigdm` is nearly as good there, at half the cost, and `free-hunch`, which "
        "takes no gradient, at half of that. Guided steps are cut "
        "where they would pass by the data (`restore/samplers/parts/safe_steps.py`): on images "
        "they would overshoot.",
        "exact-score tmpd pigdm free-hunch dps mcg lgd stsl tfg freedom mpgd dmps cddb",
    ),
    (
        "Replacement and null space",
        "No gradient through the network. Where an operator has singular values, each is treated "
        "by its own noise; `ddnm`, `dds` and `repaint` need less. What was not measured learns "
        "little of what was: expect the wrong mode where the posterior has several.",
        "repaint stochastic-denoising projection ilvr ddrm ddnm ddnm-plus snips "
        "kadkhodaie-simoncelli score-mri dds",
    ),
    (
        "Decoupled and splitting",
        "An estimate of x0, a step towards the data, fresh noise. Any likelihood that has a score "
        "or a proximal step; `daps` with exact inner samples keeps the posterior's width. "
        "`red-diff`, `dcdp`, `sitcom` and `dmplug` give points: their spread over "
        "chains is no uncertainty. `ct-coarse-to-fine` comes with the CT plugin, whose recipe uses "
        "it for very few views: DiffPIR begun on a coarse grid.",
        "daps daps-hmc daps-mh diffpir ct-coarse-to-fine pnp-dm pnp-ula ald red-diff dcdp sitcom "
        "dmplug",
    ),
    (
        "Particles",
        "Asymptotically exact: each chain holds a cloud of particles that are weighted and "
        "resampled, and gives one of them. Memory and time grow with the cloud. `tds` with the "
        "exact covariance comes near exact samples with a handful of particles; with "
        "`particles=1` and `passes=8` it does so in the memory of a guided sampler. `fps` and "
        "`feynman-kac`, without a gradient through the network, come nearer with more particles, "
        "but slowly where the posterior has several modes (`benchmarks/results/posterior.md`).",
        "tds ddsmc mcgdiff fps feynman-kac",
    ),
    (
        "Without derivatives",
        "For operators that can only be evaluated.",
        "enkg scg",
    ),
    (
        "Latents",
        "For priors made by `restore.latent(prior, encode, decode)`: what moves is the latent, the "
        "measurement is of the decoded signal. All samplers that need no more than a gradient of "
        "the operator take such a prior, too (`dps`, `stsl`, `tmpd`, `daps-hmc`); these use "
        "encoder and decoder themselves. `latent-daps` keeps the posterior's width, by some "
        "80 passes through the decoder a level; `resample` takes 5, `latino` 2 and never "
        "differentiates it (`benchmarks/results/latent.md`).",
        "resample psld latent-dps latent-daps latino",
    ),
)


def main() -> None:
    entries = {entry.name: entry for entry in catalog().registry("samplers")}
    lines = [HEAD]
    for title, when, names in FAMILIES:
        lines += [f"## {title}", "", when, "", *_overview(entries, names.split()), ""]
        for name in names.split():
            lines += _section(entries.pop(name))
    if entries:
        raise SystemExit(f"no family holds {', '.join(sorted(entries))}")
    (Path(__file__).parent / "samplers.md").write_text("\n".join(lines).rstrip() + "\n")


HEAD = """# The samplers

Written by `docs/make_samplers.py` from the registry and the docstrings. Exactness is held by the
tests and shown by `restore verify`. Calls are network calls a step and chain; names in them are
options. Where a sampler takes the prior's law r^2(sigma), the driver fills it in. A sampler with
the option `step` also runs the update as its paper has it, `--set step=paper`: to repeat published
results, with their bias.
"""


def _overview(entries, names: list[str]) -> list[str]:
    rows = ["| sampler | exactness | needs | calls |", "|---|---|---|---|"]
    for name in names:
        facts = entries[name].facts
        needs = ", ".join(facts["needs"])
        rows.append(f"| `{name}` | {facts['exactness']} | {needs} | {facts['calls']} |")
    return rows


def _section(entry) -> list[str]:
    sampler = entry.load()
    lines = [f"### {entry.name}", "", f"{entry.facts['paper']}.", "", prose(sampler), ""]
    for option in options_of(sampler).values():
        lines.append(f"- `{option.name}={option.default}`: {option.help}")
    return [*lines, ""]


if __name__ == "__main__":
    main()
