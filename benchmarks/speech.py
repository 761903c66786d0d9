"""Speech beside the classical methods: noise, gaps, clipping, a narrow band, a known room.

python -m benchmarks.speech [--files 10] [--seconds 4] [--only TASK] [--intervals]

Mean and standard error over utterances of speakers, and noises, that no training saw: ESC-10's
fold 5, or, where that is absent, the twelve sources of fold 4 that training left out. Gap SDR is
over the lost samples alone. RTF: seconds of one core for a second of sound. --intervals: how much
of the truth lies in the 90 % intervals of eight samples, where something was lost; and what the
first half second loses by coming first.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import torch
from restore_speech import classical, metrics

from restore.files.merit.coverage import covered
from restore.files.problem import Settings
from restore.files.restoring import restore_file
from restore.sampling.by_name import load_prior

from .speech_data import RATE, Problem, clipped, gapped, narrow, noises, noisy, reverberant
from .speech_data import utterances as spoken
from .tables import publish, table

Method = Callable[[Problem], np.ndarray]
LEVELS = (-5, 0, 5, 10)  # dB


def _as_it_is(problem: Problem) -> np.ndarray:
    return problem.y


@contextmanager
def restored(recipe: str, problem: Problem, options: Mapping[str, Any], **flags: Any):
    """The folder of what a recipe made, from a WAV file of floats, as the command line runs it.

    options: of the recipe, or functions of the problem's folder and the problem that give them.
    """
    with TemporaryDirectory() as place:
        folder = Path(place)
        soundfile.write(folder / "y.wav", problem.y, RATE, "FLOAT")
        given = {k: v(folder, problem) if callable(v) else v for k, v in options.items()}
        settings = Settings.of(recipe, given, device="cpu", **flags)
        restore_file(folder / "y.wav", folder / "out", settings, load_prior=cache(load_prior))
        yield folder / "out"


def ours(
    recipe: str, *, steps: int | None = None, chains: int | None = None, **options: Any
) -> Method:
    """A recipe's restored waveform, as a method beside the classical ones."""

    def method(problem: Problem) -> np.ndarray:
        with restored(recipe, problem, options, steps=steps, chains=chains) as out:
            return soundfile.read(out / "restored.wav")[0]

    return method


def samples_of(recipe: str, problem: Problem, options: Mapping[str, Any]) -> list[torch.Tensor]:
    """Eight samples of a recipe, each (samples,)."""
    with restored(recipe, problem, options, chains=DRAWN, samples=True) as out:
        paths = [out / f"sample-{index + 1}.wav" for index in range(DRAWN)]
        return [torch.from_numpy(soundfile.read(path)[0]) for path in paths]


def intervals(files: int, seconds: float) -> str:
    """A table of the coverage of 90 % intervals, task by task."""
    rows = []
    for task, (recipe, options) in DRAWN_BY.items():
        shares = []
        for problem in problems(task, files, seconds):
            size = len(problem.clean)
            drawn = [x[:size] for x in samples_of(recipe, problem, options)]
            lost = torch.from_numpy(LOST[task](problem)) if task in LOST else slice(None)
            truth = torch.from_numpy(problem.clean)[lost]
            shares.append({"90 % covers": covered([x[lost] for x in drawn], truth)})
        rows.append([task, recipe, *_row(shares, ["90 % covers"])])
    return "## Intervals\n\n" + table([f"{files} files", "", "90 % covers"], rows)


def beginnings(files: int) -> str:
    """What it costs a half second of a recording at 5 dB that nothing comes before it, in dB."""
    method, costs = ours("enhance", chains=1), []
    for problem in problems("noise at 5 dB", files, 3.0):
        at = slice(RATE, RATE + RATE // 2)
        alone = method(replace(problem, y=problem.y[RATE:]))[: RATE // 2]
        after = method(problem)[at]
        errors = [np.square(each - problem.clean[at]).sum() for each in (alone, after)]
        costs.append({"cost": float(10 * np.log10(errors[0] / errors[1]))})
    cost = _row(costs, ["cost"])[0]
    return (
        f"## The first half second\n\nIts error, begun there, over that after a second: {cost} dB."
    )


def _response(folder: Path, problem: Problem) -> Path:
    soundfile.write(folder / "room.wav", problem.known["response"], RATE, "FLOAT")
    return folder / "room.wav"


SUPPRESSION: dict[str, Method] = {
    "noisy": _as_it_is,
    "spectral gate": lambda p: classical.spectral_gate(p.y, RATE),
    "Wiener, minimum statistics": lambda p: classical.wiener(p.y, RATE),
    "log-MMSE, minimum statistics": lambda p: classical.log_mmse(p.y, RATE),
    "enhance, one call": ours("enhance", chains=1),
    "enhance, 4 steps, mean of 4": ours("enhance", chains=4, steps=4),
}
# task -> method -> (Problem -> waveform); a model is one more line
METHODS: dict[str, dict[str, Method]] = {
    **{f"noise at {level} dB": SUPPRESSION for level in LEVELS},
    "5 gaps of 40 ms": {
        "with gaps": _as_it_is,
        "AR (Janssen)": lambda p: classical.interpolate_ar(p.y, p.known["kept"]),
        "audio-inpaint": ours("audio-inpaint"),
    },
    "clipped at 7 dB SDR": {
        "clipped": _as_it_is,
        "A-SPADE": lambda p: classical.declip_aspade(p.y, p.known["level"]),
        "declip": ours("declip", level=lambda folder, p: p.known["level"]),
    },
    "band 4 to 8 kHz": {"narrow": _as_it_is, "bandwidth": ours("bandwidth", cutoff=4000.0)},
    "known room": {
        "reverberant": _as_it_is,
        "WPE (blind)": lambda p: classical.wpe(p.y, RATE),
        "Wiener": lambda p: classical.wiener_deconvolve(p.y, p.known["response"], p.known["std"]),
        "dereverb": ours("dereverb"),
        "dereverb --blind": ours("dereverb", blind=True),
        "dereverb --response": ours("dereverb", response=_response),
    },
}
# where samples are drawn of a posterior, and where something was lost of the signal
DRAWN, DRAWN_BY = 8, {
    "noise at 5 dB": ("enhance", {}),
    "5 gaps of 40 ms": ("audio-inpaint", {}),
    "clipped at 7 dB SDR": ("declip", {"level": lambda folder, p: p.known["level"]}),
    "known room": ("dereverb", {"response": _response}),
}  # fmt: skip
LOST: dict[str, Callable[[Problem], np.ndarray]] = {
    "5 gaps of 40 ms": lambda p: ~p.known["kept"],
    "clipped at 7 dB SDR": lambda p: np.abs(p.y) >= p.known["level"] * (1 - 1e-6),
}
DEGRADED: dict[str, Callable[..., Problem]] = {
    "5 gaps of 40 ms": gapped,
    "clipped at 7 dB SDR": lambda name, clean, seed: clipped(name, clean),
    "band 4 to 8 kHz": lambda name, clean, seed: narrow(name, clean),
    "known room": reverberant,
}


def problems(task: str, files: int, seconds: float) -> Iterator[Problem]:
    """The problems of a task, each from a seed of its own."""
    degrade = DEGRADED.get(task)
    if degrade is None:
        level = float(task.split()[2])
        degrade = partial(noisy, snr=level, bank=noises())
    for seed, (name, clean) in enumerate(spoken(files, seconds)):
        yield degrade(name, clean, seed=seed)


def figures(problem: Problem, estimate: np.ndarray) -> dict[str, float | None]:
    size = len(problem.clean)
    x, s = (torch.from_numpy(v[:size].copy())[None] for v in (estimate, problem.clean))
    found = {
        "SI-SDR dB": metrics.si_sdr(x, s),
        "PESQ": metrics.pesq(x, s),
        "ESTOI": metrics.estoi(x, s),
        "LSD dB": metrics.lsd(x, s),
    }
    if "kept" in problem.known:
        lost = ~problem.known["kept"]
        error = np.sum((estimate[lost] - problem.clean[lost]) ** 2)
        found["gap SDR dB"] = float(10 * np.log10(np.sum(problem.clean[lost] ** 2) / error))
    return found


def measured(task: str, files: int, seconds: float) -> str:
    """The table of one task: methods by figures."""
    found: dict[str, list[dict]] = {name: [] for name in METHODS[task]}
    for problem in problems(task, files, seconds):
        for name, method in METHODS[task].items():
            started = time.process_time()
            estimate = method(problem)
            used = (time.process_time() - started) * RATE / len(problem.y)
            found[name].append({**figures(problem, estimate), "RTF": used})
    heads = list(next(iter(found.values()))[0])
    rows = [[name, *_row(each, heads)] for name, each in found.items()]
    return f"## {task}\n\n" + table([f"{files} files", *heads], rows)


def _row(each: Sequence[Mapping[str, float | None]], heads: Sequence[str]) -> list[str]:
    cells = []
    for head in heads:
        values = [row[head] for row in each if row[head] is not None]
        error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
        cells.append(f"{fmean(values):.3f} ± {error:.3f}" if values else "-")
    return cells


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--only", choices=list(METHODS))
    parser.add_argument("--intervals", action="store_true", help="only these")
    asked = parser.parse_args()
    if asked.intervals:
        print(intervals(asked.files, asked.seconds), beginnings(asked.files), sep="\n\n")
        raise SystemExit
    chosen = [asked.only] if asked.only else list(METHODS)
    tables = [measured(task, asked.files, asked.seconds) for task in chosen]
    if not asked.only:
        tables += [intervals(asked.files, asked.seconds), beginnings(asked.files)]
    if asked.only:
        print("\n\n".join(tables))
    else:
        publish("speech", "Speech", __doc__.strip(), tables)
