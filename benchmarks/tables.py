"""Results as a Markdown table, printed and kept in benchmarks/results."""

import datetime
import platform
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from restore_image.metrics import psnr, ssim
from torch import Tensor

RESULTS = Path(__file__).parent / "results"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def publish(name: str, title: str, notes: str, tables: Sequence[str]) -> None:
    """Print, and write benchmarks/results/<name>.md."""
    import torch

    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    stamp = f"{datetime.date.today().isoformat()}; {machine}"
    text = "\n\n".join([f"# {title}", notes, *tables, stamp]) + "\n"
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)


def with_kept(name: str, head: Sequence[str], rows: Sequence[Sequence[str]], key: int) -> list:
    """Rows anew, and those of other settings as benchmarks/results/<name>.md has them.

    key: how many of the first cells tell a setting. A table of other columns is not kept.
    """
    path = RESULTS / f"{name}.md"
    lines = path.read_text().splitlines() if path.exists() else []
    if "| " + " | ".join(head) + " |" not in lines:
        return list(rows)
    old = [line[2:-2].split(" | ") for line in lines if line.startswith("| ")][1:]
    fresh = {tuple(row[:key]) for row in rows}
    settings = dict.fromkeys([*(tuple(row[:key]) for row in old), *(tuple(r[:key]) for r in rows)])
    return [
        row
        for one in settings
        for row in (rows if one in fresh else old)
        if tuple(row[:key]) == one
    ]


def quality(estimates: list[Tensor], images: list[Tensor]) -> str:
    pairs = list(zip(estimates, images, strict=True))
    peak = np.mean([psnr(a, b) for a, b in pairs])
    return f"{peak:.2f} / {np.mean([ssim(a, b) for a, b in pairs]):.3f}"
