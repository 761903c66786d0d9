"""The samplers of latent priors, as data for the plugin."""

SAMPLERS = (
    {
        "name": "resample",
        "target": "restore.samplers.latent.resample:resample",
        "summary": "hard consistency of the decoded signal, then of the latent; resampling",
        "exactness": (
            "approximate: fits to the discrepancy or the decoder's floor, too narrow (variance "
            "about 0.5 to 0.9)"
        ),
        "needs": ("latent prior", "operator gradient"),
        "calls": 1,
        "paper": "Song et al. 2024, arXiv:2307.08123",
    },
    {
        "name": "psld",
        "target": "restore.samplers.latent.psld:psld",
        "summary": "DPS through the decoder, glued to latents that the data leave in place",
        "exactness": "approximate: takes p(z0 | z) for a point, widened by the mean residual",
        "needs": ("latent prior", "network gradient", "adjoint"),
        "calls": 1,
        "paper": "Rout et al. 2023, arXiv:2307.00619",
    },
    {
        "name": "latent-dps",
        "target": "restore.samplers.latent.psld:latent_dps",
        "summary": "DPS with the decoder as a part of the operator",
        "exactness": "approximate: takes p(z0 | z) for a point, widened by the mean residual",
        "needs": ("latent prior", "network gradient", "operator gradient"),
        "calls": 1,
        "paper": "Rout et al. 2023, arXiv:2307.00619",
    },
    {
        "name": "latent-daps",
        "target": "restore.samplers.latent.latent_daps:latent_daps",
        "summary": "decoupled annealing of latents, with Hamiltonian inner steps",
        "exactness": (
            "exact for white Gaussian priors of latents and linear decoders, in the limit of many "
            "inner steps"
        ),
        "needs": ("latent prior", "a score"),
        "calls": 1,
        "paper": "Zhang et al. 2025, arXiv:2407.01521",
    },
    {
        "name": "latino",
        "target": "restore.samplers.latent.latino:latino",
        "summary": "a stochastic autoencoder as the prior's step, then a proximal step",
        "exactness": (
            "approximate: a proximal step in place of a draw, too narrow where measured (variance "
            "about 0.7 to 0.8)"
        ),
        "needs": ("latent prior", "proximal"),
        "calls": "ode_steps",
        "paper": "Spagnoletti et al. 2025, arXiv:2503.12615",
    },
)
