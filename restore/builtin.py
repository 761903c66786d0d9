"""The plugin that restore itself is: its samplers, registered as anyone else's would be."""

from .catalogue_decoupled import register_decoupled
from .catalogue_guidance import register_guidance
from .catalogue_particles import register_particles
from .hookspecs import hook


@hook
def register_samplers(register):
    register(
        "dps",
        "restore.samplers.dps:dps",
        summary="diffusion posterior sampling: the likelihood's gradient through the network",
        exactness="approximate: takes p(x0 | x) for a point, widened by the mean residual",
        needs=("network gradient", "operator gradient"),
        calls=1,
        paper="Chung et al. 2023, arXiv:2209.14687",
    )
    register(
        "pigdm",
        "restore.samplers.pigdm:pigdm",
        summary="pseudoinverse guidance: p(x0 | x) as an isotropic Gaussian",
        exactness="exact for white Gaussian priors; approximate: an isotropic covariance",
        needs=("network gradient", "solve_normal"),
        calls=1,
        paper="Song et al. 2023, openreview 9_gsMA8MRKQ",
    )
    register(
        "diffpir",
        "restore.samplers.diffpir:diffpir",
        summary="plug-and-play diffusion: denoise, fit the data, put the noise back",
        exactness="approximate: the estimate is a mode, its width comes from the noise put back",
        needs=("proximal",),
        calls=1,
        paper="Zhu et al. 2023, arXiv:2305.08995",
    )
    register(
        "ddnm",
        "restore.samplers.ddnm:ddnm",
        summary="null space: data decide where they can, the denoiser the rest",
        exactness="approximate: too narrow where nothing was measured (variance about 0.7)",
        needs=("proximal",),
        calls=1,
        paper="Wang et al. 2023, arXiv:2212.00490",
    )
    register(
        "stochastic-denoising",
        "restore.samplers.stochastic_denoising:stochastic_denoising",
        summary="white noise: the measurement is a state of the diffusion, go on from there",
        exactness="exact in the limit of many steps",
        needs=("the signal itself with white Gaussian noise",),
        calls=1,
        paper="Kawar et al. 2021, arXiv:2101.09552",
    )
    register(
        "repaint",
        "restore.samplers.repaint:repaint",
        summary="holes: the known part is replaced at every level, with jumps back and forth",
        exactness="exact in the limit of many repeats and steps",
        needs=("an operator that copies a part of the signal",),
        calls="repeats",
        paper="Lugmayr et al. 2022, arXiv:2201.09865",
    )
    register_decoupled(register)
    register_guidance(register)
    register_particles(register)
