"""Cines: frames begun from the one before, beside independent ones; and real frames with haze.

The cine is a frame that the priors did not see, which moves by a pixel down and two across from
frame to frame, under haze of -24 dB that stays. Steps are those of the whole schedule; a warm start
leaves out the levels above its noise. PSNR and flicker are means over the frames after the first;
flicker is the rms of the error's change from frame to frame. Seconds are those of one core's CPU,
on a contended machine: their ratios are what to read.

The real frames are of an echocardiogram that comes with pydicom, an apical view whose near field is
hazy. The tissue is a box on the septum, the cavity one in the ventricle beside it. KS is the
distance of a box before and after: small in tissue and large in the cavity is right.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
from pydicom.data import get_testdata_file
from restore_ultrasound import baselines
from restore_ultrasound.files.dicom import read_dicom
from restore_ultrasound.metrics import gcnr, ks, psnr, regions_of
from restore_ultrasound.recipes.dehaze import dehaze
from torch import Tensor

from restore.priors.prior import Prior

from .tables import table
from .ultrasound_data import LEVELS, TESTED, clean, drawn, posed, spoiled

SIZE = 112
WAYS = (  # steps of the schedule, noise of the warm start, motion
    (16, None, False), (8, None, False), (4, None, False),
    (16, 0.2, False), (8, 0.4, False), (8, 0.2, False), (8, 0.1, False), (8, 0.2, True),
    (4, 0.4, False), (4, 0.2, False),
)  # fmt: skip
SECTOR = "80,15,300,205"
SEPTUM, CAVITY = "142,85,158,145", "163,85,183,110"


def cine_part(prior: Prior, asked: argparse.Namespace) -> tuple[str, str]:
    """What the table is of, and the table."""
    whole = clean(TESTED[0], 2 * SIZE)
    count = asked.cine_frames
    truths = torch.cat([whole[:, k : k + SIZE, 2 * k : 2 * k + SIZE] for k in range(count)])
    seen = torch.cat([spoiled(truth[None], LEVELS[0], 0)[0] for truth in truths])
    rows = [["as it came", *_told(seen, truths), "", "", ""]]
    filtered = baselines.low_rank_removed(seen)
    rows.append(["SVD clutter filter", *_told(filtered, truths), "", "", ""])
    first: dict[int, Tensor] = {}
    for steps, warm, motion in WAYS:
        row = _row(prior, asked, (seen, truths), first, (steps, warm, motion))
        print(*row, sep=" | ", flush=True)
        rows.append(row)
    told = __doc__.split("\n\n")[1]
    told += f"\n\n{count} frames of {SIZE}x{SIZE}, {asked.cine_chains} chains, {asked.sampler}."
    head = ["frames", "PSNR", "flicker", "calls a frame", "CPU s a frame", "frames a CPU s"]
    return told, table(head, rows)


def _row(prior, asked, cine, first: dict[int, Tensor], way) -> list[str]:
    (seen, truths), (steps, warm, motion) = cine, way
    frames = posed(seen, SIZE, warm=warm or 0.0, motion=motion).frames
    answers, seconds, calls, before = [], [], [], None
    for k in range(len(seen)):
        started, task, start = time.process_time(), frames.task(k), {}
        if k == 0 and warm is not None:  # all begin from the same first frame
            before = first[max(first)]
            answers.append(task.present(before).signal[0])
            continue
        if before is not None and warm is not None:
            begun = frames.carried(k, before) if frames.carried else before
            start = {"init": begun, "sigma_start": warm}
        posterior = drawn(task, prior, asked, chains=asked.cine_chains, steps=steps, **start)
        seconds.append(time.process_time() - started)
        calls.append(posterior.provenance["calls"])
        before = posterior.mean
        if k == 0:
            first[steps] = before
        answers.append(task.present(before).signal[0])
    name = "independent" if warm is None else f"warm start at {warm:g}"
    name += f", {steps} steps" + (", motion" if motion else "")
    took = np.mean(seconds)
    told = _told(torch.cat(answers), truths)
    return [name, *told, f"{np.mean(calls):.0f}", f"{took:.2f}", f"{1 / took:.2f}"]


def _told(answers: Tensor, truths: Tensor) -> list[str]:
    """Mean PSNR after the first frame, and flicker."""
    flicker = (answers - truths).diff(dim=0).square().mean().sqrt()
    pairs = list(zip(answers, truths, strict=True))[1:]
    quality = np.mean([psnr(answer, truth) for answer, truth in pairs])
    return [f"{quality:.2f}", f"{float(flicker):.4f}"]


def real_part(prior: Prior, asked: argparse.Namespace) -> tuple[str, str]:
    """What the table is of, and the table."""
    record = read_dicom(get_testdata_file("examples_ybr_color.dcm", download=False))
    chosen = torch.linspace(0, record.signal.shape[1] - 1, asked.frames).round().long()
    rows = [[name, *(f"{m:.2f}" for m in np.mean(list(found), 0))]
            for name, found in _real(record, chosen, prior, asked)]  # fmt: skip
    told = __doc__.split("\n\n")[2].strip()
    told += f"\n\nFrames {', '.join(str(int(k)) for k in chosen)}, {asked.chains} chains, "
    told += f"{asked.steps} steps, grids of at most {asked.side} pixels a side; nlm at its default."
    head = ["method", "tissue KS", "cavity KS", "tissue mean", "cavity mean", "gCNR"]
    return told, table(head, rows)


def _real(record, chosen, prior, asked) -> Iterator[tuple[str, list[list[float]]]]:
    shown: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for k in chosen.tolist():
        frame = record.signal[:, k : k + 1]
        task = dehaze.solve(record.with_signal(frame), None, region=SECTOR, side=asked.side)
        before = frame[0, 0]
        after = task.present(drawn(task, prior, asked).mean).signal[0, 0]
        answers = {"as it came": before, "nlm": baselines.nlm(before[None])[0]}
        for name, answer in {**answers, "restore (mean)": after}.items():
            shown.setdefault(name, []).append((before, answer))
    for name, pairs in shown.items():
        yield name, [_of_boxes(before, answer) for before, answer in pairs]


def _of_boxes(before: Tensor, after: Tensor) -> list[float]:
    tissue, cavity = regions_of(f"{SEPTUM} {CAVITY}", tuple(before.shape))
    one, two = after[tissue], after[cavity]
    changes = [ks(before[mask], after[mask]) for mask in (tissue, cavity)]
    return [*changes, float(one.mean()), float(two.mean()), gcnr(one, two)]
