"""python -m restore_speech.training SPEECH_FOLDER... --noise FOLDER -o OUT: train a network."""

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch

from ..networks.spectral_unet import SIGMA_DATA
from ..priors import load_folder
from .augmenting import RATE, Signal, random_room
from .loop import SIGMA_MAX, SIGMA_MIN, Plan, Run, train
from .mixing import ROOMS, Sources, level_of
from .pool import Pool
from .saving import denoising_errors, save

SHARES = ("early", "decay", "predictive")  # of a plan that can be told
SOUND = {".wav", ".flac", ".ogg", ".mp3", ".aiff"}


def recordings(folders: list[Path], without: frozenset[str] = frozenset()) -> list[Signal]:
    """Every sound file below the folders, its first channel at 16 kHz.

    without: sources to leave out, as ESC-50 names them: 4-181035 for all files of that name.
    """
    found = (path for folder in folders for path in sorted(folder.rglob("*")))
    kept = [p for p in found if p.suffix in SOUND and p.stem.rpartition("-")[0] not in without]
    return [recording(path) for path in kept]


def recording(path: Path) -> Signal:
    """A sound file's first channel at 16 kHz."""
    signal, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return soxr.resample(signal[:, 0], rate, RATE).astype(np.float32)


def validation_pairs(folder: Path | None, noises: list[Signal], count: int = 20):
    """(noisy, clean) at 0 dB: the first seconds of files that nothing else is trained on."""
    if folder is None or not noises:
        return []
    files = sorted(path for path in folder.rglob("*") if path.suffix in SOUND)
    pairs = []
    for index, path in enumerate(files[:: max(1, len(files) // count)][:count]):
        clean = recording(path)[: 4 * RATE]
        noise = np.resize(noises[index % len(noises)], len(clean))
        noise = noise * np.sqrt(np.square(clean).mean() / max(np.square(noise).mean(), 1e-12))
        pairs.append((clean + noise, clean))
    return pairs


def shown_at_level(noisy: Signal, clean: Signal) -> Signal:
    """A recording and its truth, (2, samples), at the level that networks know."""
    return np.float32(SIGMA_DATA / level_of(noisy)) * np.stack([noisy, clean])


def judge(network, pairs) -> dict[str, float]:
    """The first step as an enhancer: SI-SDR in dB, and PESQ and ESTOI where they are installed.

    Nothing for a network that is told no recording.
    """
    if not network.conditional:
        return {}
    figures: dict[str, list[float]] = {"si_sdr": []}
    for noisy, clean in pairs:
        y = torch.from_numpy(shown_at_level(noisy, clean)[:1, None])
        with torch.no_grad():
            sigma = torch.tensor([SIGMA_MAX])
            u = SIGMA_MAX * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
            estimate = network(u, sigma, y)[0, 0].numpy()
        target = clean * (estimate @ clean) / (clean @ clean)
        error = np.square(estimate - target).sum()
        figures["si_sdr"].append(10 * np.log10(np.square(target).sum() / error))
        try:
            from pesq import pesq
            from pystoi import stoi
        except ImportError:
            continue
        figures.setdefault("pesq", []).append(pesq(RATE, clean, estimate, "wb"))
        figures.setdefault("estoi", []).append(stoi(clean, estimate, RATE, extended=True))
    return {name: float(np.mean(values)) for name, values in figures.items() if values}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", type=Path, nargs="+")
    parser.add_argument("--noise", type=Path, nargs="*", default=[])
    parser.add_argument("--hold-out", nargs="*", default=[], help="noise sources to validate with")
    parser.add_argument("--validation", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--unconditional", action="store_true")
    for name in ("name", "data", "licence"):
        parser.add_argument(f"--{name}", default="", help="for the prior's card")
    parser.add_argument("--widths", default="32,64,128,192,192", help="of the network's levels")
    parser.add_argument("--start", type=Path, help="a prior's folder to begin from")
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--method", choices=["adamw", "muon"], default=Plan.method)
    for name in SHARES:
        parser.add_argument(f"--{name}", type=float, default=getattr(Plan, name))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--every", type=int, default=1000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    held = frozenset(given.hold_out)
    noises = recordings(given.noise, without=held)
    kept_back = [
        recording(path)
        for folder in given.noise
        for path in sorted(folder.rglob("*"))
        if path.suffix in SOUND and path.stem.rpartition("-")[0] in held
    ]
    rng = np.random.default_rng(1)
    rooms = [random_room(rng) for _ in range(ROOMS)]
    speech = recordings(given.speech)
    print(
        f"{len(speech)} recordings of speech, {len(noises)} of noise, {len(rooms)} rooms",
        flush=True,
    )
    pairs = validation_pairs(given.validation, kept_back)
    given.output.mkdir(parents=True, exist_ok=True)
    asked = {name: getattr(given, name) for name in ("steps", *SHARES, "method")}
    plan = Plan(conditional=not given.unconditional, **asked)
    widths = tuple(map(int, given.widths.split(",")))
    start = given.start and load_folder(given.start).network
    run = Run(plan, given.output / "checkpoint.pt", start, widths=widths)
    with Pool(Sources(speech, noises, rooms), plan.samples, plan.seed + run.step) as pool:
        network = train(
            run,
            pool,
            lambda network: judge(network, pairs),
            every=given.every,
            minutes=given.minutes,
            report=lambda line: print(line, flush=True),
        )
    shown = [tuple(torch.from_numpy(shown_at_level(*pair))[:, None, None]) for pair in pairs]
    errors = denoising_errors(network, shown, SIGMA_MIN, SIGMA_MAX)
    card = {
        "name": given.name, "data": given.data, "licence": given.licence,
        "training": asdict(plan) | {"steps": run.step}, "validation": judge(network, pairs),
    }  # fmt: skip
    save(given.output, network, errors, card)


if __name__ == "__main__":
    main()
