"""The plugin that restore itself is: its samplers, registered as anyone else's would be."""

from importlib import import_module

from restore.plugins.hookspecs import hook

FAMILIES = ("integrators", "guided", "replacing", "decoupled", "particles")


@hook
def register_samplers(register):
    for family in FAMILIES:
        for facts in import_module(f"restore.samplers.{family}.catalogue").SAMPLERS:
            register(**facts)
