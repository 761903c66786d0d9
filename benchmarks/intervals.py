"""Whether 90 % intervals hold 90 %, for photographs, as the command line restores them.

python -m benchmarks.intervals [--crop 64] [--only RECIPE] [--kind grey|colour]

Each picture is degraded as `restore simulate` does and restored by its recipe's defaults:
sampler, steps, chains, prior, and whatever widens the intervals, a calibration or thinned data.
Grey pictures are Set12's. Colour ones are pieces of scikit-image's photographs other than those
that defaults were chosen on. No prior was trained on either, and no calibration made on them;
the grey priors' training was watched on Set12.
"""

import argparse
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from restore_image.files.formats import write_tiff
from restore_image.metrics import psnr
from torch import Tensor

from restore.files.answers.answering import answer
from restore.files.merit.coverage import covered
from restore.files.problem import Settings, pose
from restore.files.simulating import simulate_file
from restore.files.task import Record
from restore.plugins.discovery import catalog
from restore.plugins.options import options_of

from .images import SET12, _middle, _prior, _read, halved
from .tables import publish, table, with_kept

DEGRADED: Mapping[str, tuple[str, float, Mapping[str, str]]] = {  # recipe, noise, of simulate
    "denoise, 0.02": ("denoise", 0.02, {}),
    "denoise, 0.1": ("denoise", 0.1, {}),
    "inpaint 70 % missing, 0.02": ("inpaint", 0.02, {"missing": "0.7"}),
    "inpaint 50 % missing, 0.1": ("inpaint", 0.1, {"missing": "0.5"}),
    "deblur Gaussian 1.6, 0.02": ("deblur", 0.02, {"kernel": "gaussian:1.6"}),
    "deblur Gaussian 2.5, 0.05": ("deblur", 0.05, {"kernel": "gaussian:2.5"}),
    "deblur motion 9, 0.02": ("deblur", 0.02, {"kernel": "motion:9,30"}),
    "superresolve x2, 0.02": ("superresolve", 0.02, {"factor": "2"}),
    "demosaic, 0.02": ("demosaic", 0.02, {}),
}
PIECES = (  # of scikit-image's photographs, halved: row and column of the top left corner
    ("rocket.jpg", 20, 40), ("rocket.jpg", 140, 200), ("ihc.png", 40, 40), ("retina.jpg", 300, 300),
    ("hubble_deep_field.jpg", 200, 150), ("coffee.png", 10, 200),
)  # fmt: skip
SHARES = (0.5, 0.9)


def grey(crop: int) -> Iterator[Tensor]:
    yield from (_read(path, crop) for path in sorted(SET12.glob("*.png")))


def colour(crop: int) -> Iterator[Tensor]:
    import skimage.data

    folder = Path(skimage.data.__file__).parent
    for name, top, left in PIECES:
        picture = Image.open(folder / name).convert("RGB")
        yield _middle(halved(picture)[top : top + crop, left : left + crop], crop)


KINDS = {"grey": grey, "colour": colour}


def figures(name: str, x: Tensor, seed: int) -> list[float]:
    """PSNR of a picture's mean, what its intervals hold, how much wider they are told, seconds."""
    recipe, noise, options = DEGRADED[name]
    known = options_of(catalog().load("recipes", recipe).observe)
    told = {key: known[key].parse(text) for key, text in options.items()}
    with TemporaryDirectory() as folder:
        clean, made = Path(folder, "clean.tif"), Path(folder, "made")
        write_tiff(Record(x, "image", None, {"dtype": "float32"}), clean)
        simulate_file(clean, made, Settings.of(recipe, told, noise=noise, seed=seed))
        asked = options_of(catalog().load("recipes", recipe).solve)
        more = {p.stem: p for p in made.iterdir() if p.stem in asked}
        options = {key: v for key, v in told.items() if key in asked} | more
        settings = Settings.of(recipe, options, noise=noise, seed=seed)
        began = time.process_time()
        found = answer(pose(made / "measurement.tif", settings, _prior), settings)
    seconds = time.process_time() - began
    posterior = found.posterior
    inside = [
        covered(list(signals), x, share)
        for share in SHARES
        for signals in (posterior.samples, posterior.spread)
    ]
    wider = posterior.spread.std(0).square().mean() / posterior.samples.std(0).square().mean()
    return [psnr(posterior.mean, x), *inside, wider.sqrt().item(), seconds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--only", default="", help="degradations whose name begins so")
    parser.add_argument("--kind", choices=sorted(KINDS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for kind, pictures in KINDS.items():
        if given.kind not in (None, kind):
            continue
        for name in DEGRADED:
            if not name.startswith(given.only) or (kind == "grey" and name.startswith("demosaic")):
                continue
            found = np.array([figures(name, x, i) for i, x in enumerate(pictures(given.crop))])
            rows.append([kind, name, *_row(found)])
            print(*rows[-1], sep=" | ", flush=True)
    head = ["pictures", "degradation", "mean", "50 % as sampled", "as told", "90 % as sampled",
            "as told", "lowest", "wider", "s"]  # fmt: skip
    if given.only or given.kind:
        rows = with_kept("intervals", head, rows, 2)
    notes = (
        f"{__doc__.split(chr(10) * 2, 2)[2].strip()}\n\nPieces of {given.crop}x{given.crop}, the "
        "recipes' 8 chains. Shares of the values that lie inside, over all pictures; lowest: of "
        "one picture, as told; wider: the factor on the samples' deviation, root mean square. "
        "Intervals are Student's for the number of chains, so that 0.50 and 0.90 are right."
    )
    publish("intervals", "Intervals of photographs", notes, [table(head, rows)])


def _row(found: np.ndarray) -> list[str]:
    mean = found.mean(0)
    lowest = found[:, 4].min()
    shares = [f"{share:.2f}" for share in (*mean[1:5], lowest)]
    return [f"{mean[0]:.2f}", *shares, f"{mean[5]:.2f}", f"{mean[6]:.1f}"]


if __name__ == "__main__":
    main()
