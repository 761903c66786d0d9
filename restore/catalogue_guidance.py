"""The generic and the guided samplers, as data for the plugin that restore itself is."""


def register_guidance(register) -> None:
    """Every one of them, on a registry's `register`."""
    for name, target, facts in (*UNCONDITIONAL, *GENERIC, *GUIDED):
        register(name, f"restore.samplers.{target}", **facts)


def _unconditional(summary: str, exactness: str, calls: int | str, paper: str) -> dict:
    """Facts of a sampler of p(x): it does not look at the measurement."""
    return {
        "summary": summary,
        "exactness": exactness,
        "needs": ("nothing of the measurement",),
        "calls": calls,
        "paper": paper,
        "unconditional": True,
    }


SHORT_STEPS = "exact in the limit of short steps, for the prior: ignores the measurement"

UNCONDITIONAL = (
    (
        "ancestral",
        "integrators:ancestral",
        _unconditional(
            "the reverse transitions of the diffusion (DDPM)",
            SHORT_STEPS,
            1,
            "Ho et al. 2020, arXiv:2006.11239",
        ),
    ),
    (
        "ddim",
        "integrators:ddim",
        _unconditional(
            "Euler steps of the probability-flow equation, or a share of fresh noise",
            SHORT_STEPS,
            1,
            "Song et al. 2021, arXiv:2010.02502",
        ),
    ),
    (
        "analytic",
        "integrators:analytic",
        _unconditional(
            "ancestral steps with the variance of x0 given x (Analytic-DPM)",
            "exact for white Gaussian priors, else as the other steps: ignores the measurement",
            1,
            "Bao et al. 2022, arXiv:2201.06503",
        ),
    ),
    (
        "heun",
        "integrators:heun",
        _unconditional(
            "second order, two calls a step; noise put back on request (EDM)",
            SHORT_STEPS,
            2,
            "Karras et al. 2022, arXiv:2206.00364",
        ),
    ),
    (
        "dpm-solver",
        "integrators:dpm_solver",
        _unconditional(
            "DPM-Solver++(2M): second order, one call a step",
            SHORT_STEPS,
            1,
            "Lu et al. 2022, arXiv:2211.01095",
        ),
    ),
    (
        "dpm-solver-sde",
        "integrators:dpm_solver_sde",
        _unconditional(
            "DPM-Solver++(2M) with the noise of ancestral steps",
            SHORT_STEPS,
            1,
            "Lu et al. 2022, arXiv:2211.01095",
        ),
    ),
    (
        "restart",
        "restart:restart",
        _unconditional(
            "Heun steps, with an interval of levels run again and again",
            SHORT_STEPS,
            "2 * (1 + repeats)",
            "Xu et al. 2023, arXiv:2306.14878",
        ),
    ),
    (
        "predictor-corrector",
        "predictor_corrector:predictor_corrector",
        _unconditional(
            "ancestral steps, with Langevin steps between them",
            SHORT_STEPS,
            "1 + corrections",
            "Song et al. 2021, arXiv:2011.13456",
        ),
    ),
)

GENERIC = (
    (
        "ald",
        "ald:ald",
        {
            "summary": "annealed Langevin dynamics on prior and measurement",
            "exactness": "exact in the limit of many short steps at every level",
            "needs": ("adjoint", "norm", "Gaussian noise"),
            "calls": "repeats",
            "paper": "Jalal et al. 2021, arXiv:2108.01368",
        },
    ),
    (
        "pnp-ula",
        "pnp_ula:pnp_ula",
        {
            "summary": "a Langevin chain at one noise level of the prior, after the schedule",
            "exactness": "exact in the limit of a low level, short steps and a long chain",
            "needs": ("adjoint", "norm", "proximal", "Gaussian noise"),
            "calls": "1 + iterations",
            "paper": "Laumont et al. 2022, arXiv:2103.04715",
        },
    ),
)

GUIDED = (
    (
        "tmpd",
        "tmpd:tmpd",
        {
            "summary": "the covariance of x0 from the network's Jacobian; MMPS is the same",
            "exactness": "exact for Gaussian priors",
            "needs": ("network gradient", "adjoint", "Gaussian noise"),
            "calls": 1,
            "paper": "Boys et al. 2023, arXiv:2310.06721; Rozet et al. 2024, arXiv:2405.13712",
        },
    ),
    (
        "mcg",
        "mcg:mcg",
        {
            "summary": "the gradient of DPS, then a projection on the noised measurement",
            "exactness": "approximate: data count twice, which halves the variance where measured",
            "needs": ("network gradient", "proximal", "Gaussian noise"),
            "calls": 1,
            "paper": "Chung et al. 2022, arXiv:2206.00941",
        },
    ),
    (
        "lgd",
        "lgd:lgd",
        {
            "summary": "loss guidance averaged over draws of x0",
            "exactness": "approximate: an isotropic covariance, few draws, a widened likelihood",
            "needs": ("network gradient", "operator gradient"),
            "calls": 1,
            "paper": "Song et al. 2023, PMLR 202:32483",
        },
    ),
    (
        "stsl",
        "stsl:stsl",
        {
            "summary": "DPS with the next term, the trace of the posterior covariance",
            "exactness": "approximate: an expansion around a point, a widened likelihood",
            "needs": ("network gradient", "operator gradient"),
            "calls": 2,
            "paper": "Rout et al. 2024, arXiv:2312.00852",
        },
    ),
    (
        "tfg",
        "tfg:tfg",
        {
            "summary": "training-free guidance: gradients through the network and on the estimate",
            "exactness": "approximate: takes p(x0 | x) for a point, widened by the mean residual",
            "needs": ("network gradient", "operator gradient"),
            "calls": "recurrences",
            "paper": "Ye et al. 2024, arXiv:2409.15761",
        },
    ),
    (
        "freedom",
        "tfg:freedom",
        {
            "summary": "DPS with every level run again (a setting of tfg)",
            "exactness": "approximate: takes p(x0 | x) for a point, widened by the mean residual",
            "needs": ("network gradient", "operator gradient"),
            "calls": "recurrences",
            "paper": "Yu et al. 2023, arXiv:2303.09833",
        },
    ),
    (
        "mpgd",
        "tfg:mpgd",
        {
            "summary": "a gradient step on the estimate, none through the network (of tfg)",
            "exactness": "approximate: one step towards a mode of the estimate",
            "needs": ("operator gradient",),
            "calls": 1,
            "paper": "He et al. 2024, arXiv:2311.16424",
        },
    ),
    (
        "dmps",
        "dmps:dmps",
        {
            "summary": "guidance as if the prior were flat; no gradient through the network",
            "exactness": "approximate: too narrow where the noise hides what was measured",
            "needs": ("proximal",),
            "calls": 1,
            "paper": "Meng & Kabashima 2022, arXiv:2211.12343",
        },
    ),
    (
        "cddb",
        "cddb:cddb",
        {
            "summary": "a consistency step on the estimate, through the network on request",
            "exactness": "approximate: one step towards a mode of the estimate",
            "needs": ("operator gradient",),
            "calls": 1,
            "paper": "Chung et al. 2023, arXiv:2305.15086",
        },
    ),
)
