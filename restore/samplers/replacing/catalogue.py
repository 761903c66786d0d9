"""The samplers of replacement and null space, as data for the plugin."""

SAMPLERS = (
    {
        "name": "repaint",
        "target": "restore.samplers.replacing.repaint:repaint",
        "summary": "holes: the known part is replaced at every level, with jumps back and forth",
        "exactness": "exact in the limit of many repeats and steps",
        "needs": ("an operator that copies a part of the signal",),
        "calls": "repeats",
        "paper": "Lugmayr et al. 2022, arXiv:2201.09865",
    },
    {
        "name": "stochastic-denoising",
        "target": "restore.samplers.replacing.stochastic_denoising:stochastic_denoising",
        "summary": "white noise: the measurement is a state of the diffusion, go on from there",
        "exactness": "exact in the limit of many steps",
        "needs": ("the signal itself with white Gaussian noise",),
        "calls": 1,
        "paper": "Kawar et al. 2021, arXiv:2101.09552",
    },
    {
        "name": "projection",
        "target": "restore.samplers.replacing.projection:projection",
        "summary": "what was measured is replaced at every level, in the singular basis",
        "exactness": (
            "exact for white Gaussian priors in the limit of short steps; otherwise approximate: "
            "the rest never answers back"
        ),
        "needs": ("singular values", "Gaussian noise"),
        "calls": 1,
        "paper": "Song et al. 2022, arXiv:2111.08005",
    },
    {
        "name": "ilvr",
        "target": "restore.samplers.replacing.ilvr:ilvr",
        "summary": "each step is refined by what the measurement shows at that level",
        "exactness": (
            "exact for white Gaussian priors in the limit of short steps; otherwise approximate: "
            "the rest never answers back"
        ),
        "needs": ("singular values", "Gaussian noise"),
        "calls": 1,
        "paper": "Choi et al. 2021, arXiv:2108.02938",
    },
    {
        "name": "ddrm",
        "target": "restore.samplers.replacing.ddrm:ddrm",
        "summary": "denoising in the singular basis, each value by its own noise",
        "exactness": "approximate: too narrow (variance about 0.7)",
        "needs": ("singular values", "Gaussian noise"),
        "calls": 1,
        "paper": "Kawar et al. 2022, arXiv:2201.11793",
    },
    {
        "name": "ddnm",
        "target": "restore.samplers.replacing.ddnm:ddnm",
        "summary": "null space: data decide where they can, the denoiser the rest",
        "exactness": "approximate: too narrow where nothing was measured (variance about 0.7)",
        "needs": ("proximal",),
        "calls": 1,
        "paper": "Wang et al. 2023, arXiv:2212.00490",
    },
    {
        "name": "ddnm-plus",
        "target": "restore.samplers.replacing.ddnm_plus:ddnm_plus",
        "summary": "the null space with a weight for each singular value, and time travel",
        "exactness": "approximate: too narrow (variance about 0.7 to 0.8)",
        "needs": ("singular values", "Gaussian noise"),
        "calls": "repeats",
        "paper": "Wang et al. 2023, arXiv:2212.00490",
    },
    {
        "name": "snips",
        "target": "restore.samplers.replacing.snips:snips",
        "summary": "annealed Langevin steps in the singular basis, noise made of noise",
        "exactness": "exact in the limit of many levels and short steps",
        "needs": ("singular values", "Gaussian noise"),
        "calls": "repeats",
        "paper": "Kawar et al. 2021, arXiv:2105.14951",
    },
    {
        "name": "kadkhodaie-simoncelli",
        "target": "restore.samplers.replacing.kadkhodaie_simoncelli:kadkhodaie_simoncelli",
        "summary": "up the denoiser's implicit prior, the noise level read off each chain",
        "exactness": (
            "approximate: takes the way to the estimate for the noise (variance about 0.8)"
        ),
        "needs": ("proximal",),
        "calls": 1,
        "paper": "Kadkhodaie & Simoncelli 2021, arXiv:2007.13640",
    },
    {
        "name": "score-mri",
        "target": "restore.samplers.replacing.score_mri:score_mri",
        "summary": "predictor and corrector, and what was measured put back after each",
        "exactness": "approximate: too narrow where measured (variance about 0.5)",
        "needs": ("proximal", "linear operator"),
        "calls": "1 + corrections",
        "paper": "Chung & Ye 2022, arXiv:2110.05243",
    },
    {
        "name": "dds",
        "target": "restore.samplers.replacing.dds:dds",
        "summary": "a few conjugate gradients a level; volumes: total variation along an axis",
        "exactness": "approximate: too narrow (variance about 0.7)",
        "needs": ("adjoint", "Gaussian noise"),
        "calls": 1,
        "paper": "Chung et al. 2024, arXiv:2303.05754",
    },
)
