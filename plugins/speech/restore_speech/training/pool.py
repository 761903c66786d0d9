"""A pool of prepared speech and noise that another process keeps renewing, to be mixed at once."""

import os
import time
from multiprocessing import get_context
from typing import Self

import numpy as np
import torch
from torch import Tensor

from .mixing import Mixed, Sources, Spoken, mixed

KINDS = 3  # wet speech, dry speech, noise
LOUDEST = 10.0  # by which noise is divided, so that its peaks stay small numbers
FIRST = 64  # entries that are ready before training begins


class Pool:
    """Excerpts in shared memory; a process replaces them one by one, again and again.

    Half as many are replaced as are drawn. An excerpt may serve more than once, but never with the
    same partner at the same level.
    """

    def __init__(self, sources: Sources, samples: int, seed: int, size: int = 2048):
        self.excerpts = torch.zeros(KINDS, size, samples, dtype=torch.float16).share_memory_()
        self.filled = torch.zeros(1, dtype=torch.int64).share_memory_()
        self.drawn = torch.zeros(1, dtype=torch.int64).share_memory_()
        self.sources, self.samples, self.seed, self.size = sources, samples, seed, size
        self.rng = np.random.default_rng(seed)
        self.process = get_context("fork").Process(target=self._renew, daemon=True)

    def __enter__(self) -> Self:
        rng = np.random.default_rng([self.seed, 1])
        for index in range(FIRST):
            self._put(index, rng)
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()

    def draw(self, dry: np.ndarray, level: float, samples: int) -> tuple[Tensor, Tensor]:
        """(noisy, clean), (len(dry), 1, samples) each; dry[i]: whether the i-th loses its room."""
        filled = min(int(self.filled), self.size)
        self.drawn += len(dry)
        pairs: list[Mixed] = []
        for without_room in dry:
            talker, noise = self.rng.integers(0, filled, 2)
            at, of_noise = self.rng.integers(0, self.samples - samples + 1, 2)
            spoken = Spoken(*self.excerpts[:2, talker, at : at + samples].float().numpy())
            noise = LOUDEST * self.excerpts[2, noise, of_noise : of_noise + samples].float().numpy()
            pairs.append(mixed(spoken, noise, bool(without_room), level, self.rng))
        noisy, clean = (
            torch.from_numpy(np.stack(side))[:, None] for side in zip(*pairs, strict=True)
        )
        return noisy, clean

    def _renew(self) -> None:
        torch.set_num_threads(1)
        os.nice(5)  # training goes before
        rng = np.random.default_rng([self.seed, 2])
        while True:
            while int(self.filled) > self.size + int(self.drawn) // 2:
                time.sleep(0.05)
            self._put(int(self.filled) % self.size, rng)

    def _put(self, index: int, rng: np.random.Generator) -> None:
        spoken = self.sources.spoken(self.samples, rng)
        noise = self.sources.disturbance(self.samples, rng) / LOUDEST
        excerpts = np.stack([spoken.wet, spoken.dry, noise])
        peaks = np.maximum(np.abs(excerpts).max(-1, keepdims=True), 1.0)
        excerpts[:2] /= np.maximum(peaks[0], peaks[1])
        self.excerpts[:, index] = torch.from_numpy(excerpts).half()
        self.filled += 1
