"""Rates, by soxr: without delay, and of exact length."""

import numpy as np
import soxr
import torch
from torch import Tensor

RATE = 16_000  # of the models, Hz


def resampled(signal: Tensor, rate: int, wanted: int, samples: int | None = None) -> Tensor:
    """(channels, samples) at another rate, band limited, aligned with what it was.

    samples: of the result; None: as many as the rates ask for, rounded.
    """
    if samples is None:
        samples = round(signal.shape[-1] * wanted / rate)
    if rate == wanted:
        made = signal
    else:
        values = np.ascontiguousarray(signal.numpy().T)
        made = torch.from_numpy(soxr.resample(values, rate, wanted, quality="VHQ").T)
    if made.shape[-1] < samples:
        made = torch.nn.functional.pad(made, (0, samples - made.shape[-1]))
    return made[..., :samples].contiguous()


def in_model_band(signal: Tensor, rate: int) -> Tensor:
    """The part of a recording at `rate` that the model's rate holds, at its own rate; as long."""
    if rate <= RATE:
        return signal
    return resampled(resampled(signal, rate, RATE), RATE, rate, signal.shape[-1])
