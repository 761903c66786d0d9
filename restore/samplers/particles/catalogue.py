"""The samplers with particles or ensembles in each chain, as data for the plugin."""

SAMPLERS = (
    {
        "name": "tds",
        "target": "restore.samplers.particles.tds:tds",
        "summary": "twisted particles: guidance by the Jacobian's covariance, weighted",
        "exactness": "exact in the limit of many particles or passes, and short steps",
        "needs": ("network gradient", "operator gradient", "noise with a density"),
        "calls": "particles * passes",
        "paper": "Wu et al. 2023, arXiv:2306.17775",
    },
    {
        "name": "ddsmc",
        "target": "restore.samplers.particles.ddsmc:ddsmc",
        "summary": "decoupled particles: exact draws of x0 given y, weighted",
        "exactness": "exact for white Gaussian priors, else in the limit of many particles",
        "needs": ("a linear operator", "Gaussian noise", "solve_normal"),
        "calls": "particles",
        "paper": "Kelvinius et al. 2025, arXiv:2502.06379",
    },
    {
        "name": "mcgdiff",
        "target": "restore.samplers.particles.mcgdiff:mcgdiff",
        "summary": "particles drawn to the measured singular coordinates down to their noise",
        "exactness": "exact in the limit of many particles and short steps",
        "needs": ("singular values", "Gaussian noise"),
        "calls": "particles",
        "paper": "Cardoso et al. 2024, arXiv:2308.07983",
    },
    {
        "name": "fps",
        "target": "restore.samplers.particles.fps:fps",
        "summary": "particles filtered on a measurement that is noised along with them",
        "exactness": "exact in the limit of many particles and short steps",
        "needs": ("a linear operator", "Gaussian noise", "solve_normal"),
        "calls": "particles",
        "paper": "Dou & Song 2024, openreview tplXNcHZs1",
    },
    {
        "name": "feynman-kac",
        "target": "restore.samplers.particles.feynman_kac:feynman_kac",
        "summary": "a tilted diffusion whose weights follow the Feynman-Kac formula",
        "exactness": (
            "exact in the limit of many particles and short steps; with 32, and 64 measured "
            "numbers, 0.15 standard deviations off, variance about 1.3 where measured"
        ),
        "needs": ("a linear operator", "Gaussian noise", "solve_normal"),
        "calls": "particles",
        "paper": "Skreta et al. 2025, arXiv:2503.02819",
    },
    {
        "name": "enkg",
        "target": "restore.samplers.particles.enkg:enkg",
        "summary": "an ensemble pulled to y by its own covariances; forward calls only",
        "exactness": "approximate: a Kalman update in the span of a small ensemble",
        "needs": ("forward calls only", "Gaussian noise"),
        "calls": "particles",
        "paper": "Zheng et al. 2024, arXiv:2409.20175",
    },
    {
        "name": "scg",
        "target": "restore.samplers.particles.scg:scg",
        "summary": "of several steps the one that explains y best; forward calls only",
        "exactness": "approximate: always takes the best, much too narrow where measured",
        "needs": ("forward calls only", "noise with a density"),
        "calls": "particles",
        "paper": "Huang et al. 2024, arXiv:2402.14285",
    },
)
