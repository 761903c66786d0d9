"""A plugin for tests: small grids of numbers in .grid files, one recipe, one exact prior."""

from restore.hookspecs import hook


@hook
def register_recipes(register):
    register("calm", "tiny_parts:calm", summary="noise out of a grid")
    register("fill", "tiny_parts:fill", summary="holes of a grid; has no estimate of the noise")
    register(
        "layers", "tiny_parts:layers", summary="a folder of grids is one", folders=("stack",)
    )  # fmt: skip


@hook
def register_priors(register):
    register("tiny", "tiny_parts:prior", summary="white grids of any size")
    register("lost", "tiny_parts:lost_prior", summary="a prior whose weights are missing")


@hook
def register_samplers(register):
    register("slow", "tiny_parts:slow", summary="ancestral steps that can be interrupted")


@hook
def register_readers(register):
    register("grid", "tiny_parts:read_grid", summary="numbers as text", extensions=(".grid",))
    register(
        "stack", "tiny_parts:read_stack", summary="a folder", extensions=(".grid",), folder=True
    )


@hook
def register_writers(register):
    register("grid", "tiny_parts:write_grid", summary="numbers as text", extensions=(".grid",))
    register("stack", "tiny_parts:write_stack", summary="a folder", folder=True, std=True)


@hook
def register_materials(register):
    register("doubled", "tiny_parts:doubled", summary="each grid, and its negative")


@hook
def register_metrics(register):
    register("rmse", "tiny_parts:rmse", summary="root mean square error", better="lower")
