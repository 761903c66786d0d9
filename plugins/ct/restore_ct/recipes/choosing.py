"""How chains of a scan are run: which sampler, from which levels, on which grid first."""

from restore.files.task import SamplerChoice
from restore.priors.schedules import geometric

STEPS = 60
# DiffPIR, tuned on a held-out slice at 8 and 30 views: below 0.01, where the rays tell little, the
# denoiser leads away from them; views that are kept back tell how far to trust it. A trust of 0.1
# loses 2.5 dB on a spine of 64x64 in 8 views, 0.8 at 128x128 in 30, 3.7 in 60, which rays hardly
# tell: they average the noise of the image that it makes
LEVELS = (1.0, 0.01)
TRUST, TRUSTS = 0.3, (0.3, 1.0)
# from a coarse grid where there are fewer views than FEW of the picture's pixels a side; its chains
# cost little, and gain from wider levels
GRID, FEW, WIDE = 2, 0.1, (5.0, 0.01)


def sampler_choice(views: int, shape: tuple[int, ...], coarse: int | None) -> SamplerChoice:
    """DiffPIR, begun on a coarse grid where that gains: where the views are very few.

    shape: (..., y, x) of the picture. coarse: pixels a side of the first grid, 1 for none; None
    leaves it to the views. ValueError for one that is no power of 2, or leaves fewer than 8 pixels.
    """
    if coarse is not None and (coarse < 1 or coarse & (coarse - 1) or coarse * 8 > min(shape[-2:])):
        raise ValueError(
            f"the coarse grid is 1, 2, 4, ... pixels a side and leaves 8 of {min(shape[-2:])} at "
            f"least, got {coarse}"
        )
    few = views < FEW * max(shape[-2:]) and min(shape[-2:]) >= 8 * GRID
    grid = (GRID if few else 1) if coarse is None else coarse
    name, levels, own = "diffpir", LEVELS, {}
    if grid > 1:
        name, levels, own = "ct-coarse-to-fine", WIDE, {"grid": grid}
    return SamplerChoice(
        name,
        STEPS,
        options={"trust": TRUST, **own},
        schedule=lambda steps: geometric(*levels, steps),
        candidate_options=[{"trust": trust} for trust in TRUSTS],
    )
