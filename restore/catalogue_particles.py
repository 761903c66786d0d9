"""The samplers with particles or ensembles in each chain, as data for restore's own plugin."""


def register_particles(register) -> None:
    """Every one of them, on a registry's `register`."""
    for name, target, facts in PARTICLES:
        register(name, f"restore.samplers.{target}", **{"calls": "particles", **facts})


LINEAR = ("a linear operator", "Gaussian noise", "solve_normal")

PARTICLES = (
    (
        "tds",
        "tds:tds",
        {
            "summary": "twisted particles: guidance by the Jacobian's covariance, weighted",
            "exactness": "exact in the limit of many particles or passes, and short steps",
            "calls": "particles * passes",
            "needs": ("network gradient", "operator gradient", "noise with a density"),
            "paper": "Wu et al. 2023, arXiv:2306.17775",
        },
    ),
    (
        "ddsmc",
        "ddsmc:ddsmc",
        {
            "summary": "decoupled particles: exact draws of x0 given y, weighted",
            "exactness": "exact for white Gaussian priors, else in the limit of many particles",
            "needs": LINEAR,
            "paper": "Kelvinius et al. 2025, arXiv:2502.06379",
        },
    ),
    (
        "mcgdiff",
        "mcgdiff:mcgdiff",
        {
            "summary": "particles drawn to the measured singular coordinates down to their noise",
            "exactness": "exact in the limit of many particles and short steps",
            "needs": ("singular values", "Gaussian noise"),
            "paper": "Cardoso et al. 2024, arXiv:2308.07983",
        },
    ),
    (
        "fps",
        "fps:fps",
        {
            "summary": "particles filtered on a measurement that is noised along with them",
            "exactness": "exact in the limit of many particles and short steps",
            "needs": LINEAR,
            "paper": "Dou & Song 2024, openreview tplXNcHZs1",
        },
    ),
    (
        "feynman-kac",
        "feynman_kac:feynman_kac",
        {
            "summary": "a tilted diffusion whose weights follow the Feynman-Kac formula",
            "exactness": "exact in the limit of many particles and short steps",
            "needs": LINEAR,
            "paper": "Skreta et al. 2025, arXiv:2503.02819",
        },
    ),
    (
        "enkg",
        "enkg:enkg",
        {
            "summary": "an ensemble pulled to y by its own covariances; forward calls only",
            "exactness": "approximate: a Kalman update in the span of a small ensemble",
            "needs": ("forward calls only", "Gaussian noise"),
            "paper": "Zheng et al. 2024, arXiv:2409.20175",
        },
    ),
    (
        "scg",
        "scg:scg",
        {
            "summary": "of several steps the one that explains y best; forward calls only",
            "exactness": "approximate: always takes the best, much too narrow where measured",
            "needs": ("forward calls only", "noise with a density"),
            "paper": "Huang et al. 2024, arXiv:2402.14285",
        },
    ),
)
