"""What this package teaches restore; nothing is imported before it is used."""

from restore import hook


@hook
def register_operators(register):
    register("vignette", "restore_hello.vignette:Vignette", summary="corners darkened by a lens")


@hook
def register_recipes(register):
    register("unshade", "restore_hello.vignette:unshade", summary="light back into dark corners")
