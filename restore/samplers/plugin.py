"""The plugin that restore itself is: its samplers, registered as anyone else's would be."""

from ..plugins.hookspecs import hook


@hook
def register_samplers(register):
    from .decoupled import catalogue as decoupled
    from .guided import catalogue as guided
    from .integrators import catalogue as integrators
    from .latent import catalogue as latent
    from .particles import catalogue as particles
    from .replacing import catalogue as replacing

    for family in (integrators, guided, replacing, decoupled, particles, latent):
        for facts in family.SAMPLERS:
            register(**facts)
