"""The samplers of replacement, null space, decoupling and splitting, as data for the plugin."""


def register_decoupled(register) -> None:
    """Every one of them, on a registry's `register`."""
    for name, target, facts in (*REPLACEMENT, *DECOUPLED):
        register(name, f"restore.samplers.{target}", **facts)


REPLACEMENT = (
    (
        "projection",
        "projection:projection",
        {
            "summary": "what was measured is replaced at every level, in the singular basis",
            "exactness": "exact for white Gaussian priors in the limit of short steps; otherwise "
            "approximate: the rest never answers back",
            "needs": ("singular values", "Gaussian noise"),
            "calls": 1,
            "paper": "Song et al. 2022, arXiv:2111.08005",
        },
    ),
    (
        "ilvr",
        "ilvr:ilvr",
        {
            "summary": "each step is refined by what the measurement shows at that level",
            "exactness": "exact for white Gaussian priors in the limit of short steps; otherwise "
            "approximate: the rest never answers back",
            "needs": ("singular values", "Gaussian noise"),
            "calls": 1,
            "paper": "Choi et al. 2021, arXiv:2108.02938",
        },
    ),
    (
        "score-mri",
        "score_mri:score_mri",
        {
            "summary": "predictor and corrector, and what was measured put back after each",
            "exactness": "approximate: too narrow where measured (variance about 0.5)",
            "needs": ("proximal", "linear operator"),
            "calls": "1 + corrections",
            "paper": "Chung & Ye 2022, arXiv:2110.05243",
        },
    ),
    (
        "ddrm",
        "ddrm:ddrm",
        {
            "summary": "denoising in the singular basis, each value by its own noise",
            "exactness": "approximate: too narrow (variance about 0.15 where measured, 0.7 else)",
            "needs": ("singular values", "Gaussian noise"),
            "calls": 1,
            "paper": "Kawar et al. 2022, arXiv:2201.11793",
        },
    ),
    (
        "ddnm-plus",
        "ddnm_plus:ddnm_plus",
        {
            "summary": "the null space with a weight for each singular value, and time travel",
            "exactness": "approximate: too narrow (variance about 0.15 where measured, 0.7 else)",
            "needs": ("singular values", "Gaussian noise"),
            "calls": "repeats",
            "paper": "Wang et al. 2023, arXiv:2212.00490",
        },
    ),
    (
        "snips",
        "snips:snips",
        {
            "summary": "annealed Langevin steps in the singular basis, noise made of noise",
            "exactness": "exact in the limit of many levels and short steps",
            "needs": ("singular values", "Gaussian noise"),
            "calls": "repeats",
            "paper": "Kawar et al. 2021, arXiv:2105.14951",
        },
    ),
    (
        "kadkhodaie-simoncelli",
        "kadkhodaie_simoncelli:kadkhodaie_simoncelli",
        {
            "summary": "up the denoiser's implicit prior, the noise level read off each chain",
            "exactness": "approximate: takes the way to the estimate for the noise (variance "
            "about 0.8)",
            "needs": ("proximal",),
            "calls": 1,
            "paper": "Kadkhodaie & Simoncelli 2021, arXiv:2007.13640",
        },
    ),
    (
        "dds",
        "dds:dds",
        {
            "summary": "a few conjugate gradients a level; volumes: total variation along an axis",
            "exactness": "approximate: too narrow (variance about 0.7)",
            "needs": ("adjoint", "Gaussian noise"),
            "calls": 1,
            "paper": "Chung et al. 2024, arXiv:2303.05754",
        },
    ),
)

DECOUPLED = (
    (
        "daps",
        "daps:daps",
        {
            "summary": "sample what fits data and estimate, then noise it anew: any likelihood",
            "exactness": "exact for white Gaussian priors and linear Gaussian measurements; "
            "for all Gaussian priors with covariance=jacobian",
            "needs": ("exact inner samples, or a score",),
            "calls": 1,
            "paper": "Zhang et al. 2025, arXiv:2407.01521",
        },
    ),
    (
        "daps-hmc",
        "daps:daps_hmc",
        {
            "summary": "daps with Hamiltonian inner steps",
            "exactness": "exact for white Gaussian priors in the limit of many inner steps",
            "needs": ("a score",),
            "calls": 1,
            "paper": "Zhang et al. 2025, arXiv:2407.01521",
        },
    ),
    (
        "daps-mh",
        "daps:daps_mh",
        {
            "summary": "daps with Metropolis-Hastings inner steps: black-box operators",
            "exactness": "exact for white Gaussian priors in the limit of many inner steps",
            "needs": ("forward calls",),
            "calls": 1,
            "paper": "Zhang et al. 2025, arXiv:2407.01521",
        },
    ),
    (
        "pnp-dm",
        "pnp_dm:pnp_dm",
        {
            "summary": "split Gibbs: the reverse diffusion and the data in turn, level by level",
            "exactness": "exact in the limit of many levels and sweeps",
            "needs": ("exact inner samples, or a score",),
            "calls": "sweeps * substeps",
            "paper": "Wu et al. 2024, arXiv:2405.18782",
        },
    ),
    (
        "red-diff",
        "red_diff:red_diff",
        {
            "summary": "the centre of the posterior by stochastic gradients, sigma falling",
            "exactness": "approximate: a point, with next to no variance (below 0.3)",
            "needs": ("a score", "proximal"),
            "calls": 1,
            "paper": "Mardani et al. 2024, arXiv:2305.04391",
            "point": True,
        },
    ),
    (
        "dcdp",
        "dcdp:dcdp",
        {
            "summary": "fit the data, purify by the diffusion, in turn; no prior in the fit",
            "exactness": "approximate: fits to the discrepancy, not to the likelihood",
            "needs": ("a score",),
            "calls": 1,
            "paper": "Li et al. 2024, arXiv:2403.06054",
        },
    ),
    (
        "sitcom",
        "sitcom:sitcom",
        {
            "summary": "at each level the network's input whose estimate fits the data",
            "exactness": "approximate: fits to the discrepancy, not to the likelihood",
            "needs": ("network gradient", "a score"),
            "calls": "fit_steps",
            "paper": "Alkhouri et al. 2025, arXiv:2410.04479",
        },
    ),
    (
        "dmplug",
        "dmplug:dmplug",
        {
            "summary": "the first noise of a short deterministic diffusion, fitted to the data",
            "exactness": "approximate: a fit in the range of a coarse generator, no posterior",
            "needs": ("network gradient", "a score"),
            "calls": "generator_steps",
            "paper": "Wang et al. 2024, arXiv:2405.16749",
        },
    ),
)
